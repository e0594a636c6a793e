internal import Arguments
internal import Glibc
internal import Linux

let version = "0.1.0"

/// How a subcommand ends before its time: one line, and the exit code that goes with it.
struct Ending: Error, CustomStringConvertible {
    let description: String
    let code: CInt

    /// Wrong use or wrong input.
    static func wrong(_ description: String) -> Ending { Ending(description: description, code: 2) }
    /// This machine cannot, with what to do.
    static func cannot(_ description: String) -> Ending { Ending(description: description, code: 3) }
}

/// Exit codes: 0 well, 1 found what was asked about, 2 wrong use or input, 3 this machine cannot.
func run() {
    do {
        switch try Command.weir.parse(Array(CommandLine.arguments.dropFirst()), version: version) {
        case .show(let text): print(text, terminator: "")
        case .run(let arguments): exit(try perform(arguments))
        }
    } catch let error as Ending {
        complain("weir: \(error)")
        exit(error.code)
    } catch {
        complain("\(error)")
        exit(2)
    }
}

private func perform(_ arguments: Arguments) throws -> CInt {
    switch arguments.path {
    case ["run"]: try runLoop(arguments)
    case ["replay"]: try replayCaptures(arguments)
    case ["limits", "list"], ["limits"]: try listLimits(arguments)
    case ["limits", "add"]: try addLimit(arguments)
    case ["limits", "release"]: try releaseLimits(arguments)
    case ["startup"]: try showStartup(arguments)
    case ["stalls"]: try showStalls(arguments)
    case ["evidence"]: try showEvidence(arguments)
    case ["top"]: try showTop(arguments)
    case ["tail"]: try tailTopic(arguments)
    case ["explain"]: try explainSource(arguments)
    case ["trace"]: try traceStory(arguments)
    case ["query"]: try queryArchive(arguments)
    case ["doctor"]: try examine(arguments)
    case ["broker"]: try serveBroker()
    case ["completion"]: try printCompletion(arguments)
    case ["manual"]: try printManual(arguments)
    case ["policy", "check"]: try checkPolicy(arguments)
    case ["policy", "rehearse"]: try rehearsePolicy(arguments)
    default: throw Ending.wrong("\(arguments.path.joined(separator: " ")): no such command")
    }
}

/// SIGTERM and Ctrl-C, for what ends with them.
func endingSignals() throws -> Signals {
    do { return try Signals([Signals.terminate, Signals.interrupt]) } catch { throw Ending.cannot("signals: \(error)") }
}

func complain(_ message: String) {
    let line = Array("\(message)\n".utf8)
    unsafe _ = write(2, line, line.count)
}

private func printCompletion(_ arguments: Arguments) throws -> CInt {
    guard let shell = Shell(rawValue: arguments.positionals[0]) else { throw Ending.wrong("no such shell") }
    print(shell.completion(of: .weir), terminator: "")
    return 0
}

private func printManual(_ arguments: Arguments) throws -> CInt {
    let name = arguments.positionals[0]
    guard let program = Command.programs.first(where: { $0.name == name }) else { throw Ending.wrong("no such program") }
    print(program.manual(version: version), terminator: "")
    return 0
}
