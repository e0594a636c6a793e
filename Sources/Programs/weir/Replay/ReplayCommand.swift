internal import Arguments
internal import Detection
internal import Glibc
internal import Linux
internal import Pcap
internal import PolicyFile
internal import Terminal
internal import Wire

/// `weir replay FILE...`: 0 well, 1 when `--fail-on` found something, 2 for a capture or policy that is wrong, 3 when the machine cannot.
func replayCaptures(_ arguments: Arguments) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let policy: Policy
    do { policy = try arguments.text("policy").map { try PolicyFile.load(path: $0) } ?? Policy() } catch { throw Ending.wrong("\(error)") }
    guard arguments.positionals.filter({ $0 == "-" }).count < 2 else { throw Ending.wrong("standard input can be read once") }

    let isTable = arguments.text("format") != "json"
    let least = arguments.text("fail-on").flatMap { Severity(id: $0) }
    let rehearsal = try arguments.text("kafka").map { try Rehearsal(brokers: $0, isPaced: arguments.text("speed") == "1") }
    // Lines that appear and a bar that is drawn over do not go together.
    let terminal = Terminal(of: 2), showsProgress = isTable || isatty(1) == 0
    var worst: Severity?, isBroken = false
    for path in arguments.positionals {
        var output: any ReplayOutput =
            isTable
            ? TableOutput(terminal: Terminal(of: 1), showsAll: arguments.has("all"), summaryOnly: arguments.has("summary-only"))
            : JSONOutput(showsRaw: arguments.has("ja4-raw"))
        if arguments.has("summary-only") { output = SummaryOutput(output) }
        if let rehearsal { output = KafkaOutput(output, rehearsal) }
        // An exit code or a broker waits for the end, whoever has stopped reading.
        if least != nil || rehearsal != nil { output = PatientOutput(output) }
        do {
            let (summary, broken) = try replay(path, policy, arguments, output, showsProgress ? terminal : nil)
            if let severity = summary.worst { worst = max(worst ?? severity, severity) }
            if let broken { throw broken }
        } catch let error as CaptureError {
            complain("weir: \(error)")
            isBroken = true
        } catch is ReaderGone {
            return isBroken ? 2 : 0
        }
    }
    try rehearsal?.finish()
    if isBroken { return 2 }
    guard let least, let worst else { return 0 }
    return worst >= least ? 1 : 0
}

private func replay(_ path: String, _ policy: Policy, _ arguments: Arguments, _ output: any ReplayOutput, _ terminal: Terminal?) throws -> (
    ReplaySummary, CaptureError?
) {
    var capture = try Capture(path: path, accepting: Capture.LinkType.readable)
    let replay = try Replay(
        policy: policy, kernel: arguments.text("engine") == "kernel", allPorts: arguments.has("all-ports"), decap: arguments.has("decap"),
        output: output)
    let began = Clock.monotonic
    func spent() -> Duration { .nanoseconds(Int64(Clock.monotonic &- began)) }
    var progress = Progress(capture.name, total: capture.bytesTotal, now: .zero)
    let result = try replay.run(&capture) {
        // The bar goes before the figures come.
        if let terminal { Standard.error.show(terminal.lineStart) }
        return spent()
    } progress: { done in
        if let terminal, let line = progress.line(done: done, now: spent(), on: terminal) { Standard.error.show(line) }
    }
    return result
}
