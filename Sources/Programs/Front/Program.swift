package import Arguments
package import Commands
internal import Glibc
internal import Kafka
package import Linux
package import Log
package import Startup

/// The beginning and the end that all programs share.
///
/// Exit codes: 0 well, 1 found what was asked about, 2 wrong use or input, 3 this machine cannot.
package struct Program<Request>: Sendable {
    private let command: Command<Request>
    private let isOfMachine: @Sendable (any Error) -> Bool

    /// - Parameter isOfMachine: whether an error is this machine's rather than that of whoever asked. `Refusal` and `Errno` are known.
    package init(_ command: Command<Request>, isOfMachine: @escaping @Sendable (any Error) -> Bool = { _ in false }) {
        self.command = command
        self.isOfMachine = isOfMachine
    }

    /// What the command line asks for. Help and version are printed, and end the program; so does wrong use.
    package func request() -> Request {
        do throws(ArgumentError) {
            switch try command.parse(Array(CommandLine.arguments.dropFirst()), version: version) {
            case .run(let request): return request
            case .show(let text):
                print(text, terminator: "")
                exit(0)
            }
        } catch { refuse(error) }
    }

    /// Says why on standard error, in one line, and ends the program.
    package func refuse(_ error: any Error) -> Never {
        let verdict = verdict(on: error)
        Log.lastWords(verdict.line)
        exit(verdict.code)
    }

    /// The line and the exit code of an error that ends the program.
    package func verdict(on error: any Error) -> (line: String, code: CInt) {
        // A component's own error says what is wrong, as if there were no graph.
        let cause = (error as? Startup.Failure)?.error ?? error
        return switch cause {
        // The parser names the subcommand as well.
        case let wrong as ArgumentError: ("\(wrong)", ArgumentError.exitCode)
        case let refusal as Refusal: ("\(command.name): \(error)", refusal.code)
        case is KafkaError: ("\(command.name): --kafka: \(error)", 2)
        default: ("\(command.name): \(error)", cause is Errno || isOfMachine(cause) ? 3 : 2)
        }
    }
}

/// A service at its start: nothing is opened, and its files are nobody else's to read.
package struct Begun<Options: Service>: ~Copyable {
    package let arguments: Arguments<Options>
    package let log: Log
    package let trace: Trace
    package let signals: Signals
}

// A program that runs until it is stopped.
extension Program {
    /// Begins a service and hands it over. `body` ends the program (`leave`) while it still has what it made. An error ends it with
    /// its line.
    /// - Parameter signals: blocked from here on, before a library starts a thread that would not inherit that.
    package func serve<Options>(_ signals: [CInt], _ body: (borrowing Begun<Options>) throws -> Never) -> Never
    where Request == Arguments<Options> {
        let trace = Trace(program: command.name, version: version)
        let arguments = request()
        keepFilesPrivate()
        let log = Log(program: command.name, format: arguments.service.log)
        do {
            try body(Begun(arguments: arguments, log: log, trace: trace, signals: try Signals(signals)))
        } catch { refuse(error) }
    }
}

/// The end of a service. Destroying Kafka's handles waits for their threads, which resolve names and connect where no broker answers
/// (`rd_kafka_destroy`); the kernel is faster.
package func leave() -> Never { exit(0) }

/// From here on the process has the system calls of `list` alone. All threads are there by now; a later one inherits it.
package func filterSystemCalls(_ list: SystemCalls.List, _ log: Log) {
    do throws(Errno) { try SystemCalls.keep(list) } catch { log.write(.warning, "system calls are not filtered: \(error)") }
}
