internal import Arguments
internal import Front
internal import Glibc
internal import Linux

private let program = Program(.weir)

func run() {
    let arguments = program.arguments()
    do { exit(try perform(arguments)) } catch { program.refuse(error) }
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
    default: throw Refusal.wrong("\(arguments.path.joined(separator: " ")): no such command")
    }
}

/// SIGTERM and Ctrl-C, for what ends with them.
func endingSignals() throws -> Signals {
    do { return try Signals([Signals.terminate, Signals.interrupt]) } catch { throw Refusal.cannot("signals: \(error)") }
}

func complain(_ message: String) {
    let line = Array("\(message)\n".utf8)
    unsafe _ = write(2, line, line.count)
}

private func printCompletion(_ arguments: Arguments) throws -> CInt {
    guard let shell = Shell(rawValue: arguments.positionals[0]) else { throw Refusal.wrong("no such shell") }
    print(shell.completion(of: .weir), terminator: "")
    return 0
}

private func printManual(_ arguments: Arguments) throws -> CInt {
    let name = arguments.positionals[0]
    guard let program = Command.programs.first(where: { $0.name == name }) else { throw Refusal.wrong("no such program") }
    print(program.manual(version: version), terminator: "")
    return 0
}
