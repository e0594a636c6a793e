internal import Arguments
internal import Front
internal import Glibc
internal import Linux
internal import WeirCommands

private let program = Program(weirCommand)

func run() {
    let request = program.request()
    do { exit(try perform(request)) } catch { program.refuse(error) }
}

private func perform(_ request: WeirRequest) throws -> CInt {
    switch request {
    case .run(let arguments): try runLoop(arguments)
    case .replay(let arguments): try replayCaptures(arguments)
    case .limitsList(let arguments): try listLimits(arguments)
    case .limitsAdd(let arguments): try addLimit(arguments)
    case .limitsRelease(let arguments): try releaseLimits(arguments)
    case .startup(let arguments): try showStartup(arguments)
    case .stalls(let arguments): try showStalls(arguments)
    case .evidence(let arguments): try showEvidence(arguments)
    case .rewind(let arguments): try rewindHistory(arguments)
    case .verify(let arguments): try verifyEvent(arguments)
    case .top(let arguments): try showTop(arguments)
    case .tail(let arguments): try tailTopic(arguments)
    case .explain(let arguments): try explainSource(arguments)
    case .trace(let arguments): try traceStory(arguments)
    case .query(let arguments): try queryArchive(arguments)
    case .doctor(let arguments): try examine(arguments)
    case .broker: try serveBroker()
    case .completion(let arguments): show(arguments.shell.completion(of: weirCommand))
    case .manual(let arguments): show(arguments.program.manual(version: version))
    case .policyCheck(let arguments): try checkPolicy(arguments)
    case .policyRehearse(let arguments): try rehearsePolicy(arguments)
    case .policyKeygen(let arguments): try makePolicyKey(arguments)
    case .policySign(let arguments): try signPolicy(arguments)
    case .policyPromote(let arguments): try promotePolicy(arguments)
    case .policyShow(let arguments): try showBundle(arguments)
    case .policyPublish(let arguments): try publishBundle(arguments)
    case .policyStatus(let arguments): try showBundleStatus(arguments)
    }
}

private func show(_ text: String) -> CInt {
    print(text, terminator: "")
    return 0
}

/// SIGTERM and Ctrl-C, for what ends with them.
func endingSignals() throws -> Signals {
    do { return try Signals([Signals.terminate, Signals.interrupt]) } catch { throw Refusal.cannot("signals: \(error)") }
}

func complain(_ message: String) {
    let line = Array("\(message)\n".utf8)
    unsafe _ = write(2, line, line.count)
}
