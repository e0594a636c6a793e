internal import Arguments
internal import Detection
internal import Glibc
internal import Pcap
internal import PolicyFile
internal import Terminal

/// `weir replay FILE...`: 0 well, 1 when `--fail-on` found something, 2 for a capture or policy that is wrong, 3 when the machine cannot.
func replayCaptures(_ arguments: Arguments) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    var policy = Policy()
    if let path = arguments.text("policy") {
        do { policy = try PolicyFile.load(path: path) } catch { throw Ending.wrong("\(error)") }
    }
    var output: any ReplayOutput = arguments.text("format") == "json" ? JSONOutput() : TableOutput(terminal: Terminal(of: 1), showsAll: arguments.has("all"))
    var broker: KafkaOutput?
    if let brokers = arguments.text("kafka") {
        let rehearsal = try KafkaOutput(output, brokers: brokers, isPaced: arguments.text("speed") == "1")
        broker = rehearsal
        output = rehearsal
    }
    let replay = try Replay(policy: policy, kernel: arguments.text("engine") == "kernel", allPorts: arguments.has("all-ports"), output: output)
    var worst: Severity?
    for path in arguments.positionals {
        do {
            let summary = try replay.run(path, progress: Terminal(of: 2))
            if let severity = summary.worst { worst = max(worst ?? severity, severity) }
        } catch let error as CaptureError { throw Ending.wrong("\(error)") }
    }
    try broker?.finish()
    guard let least = arguments.text("fail-on").flatMap({ Severity(id: $0) }), let worst else { return 0 }
    return worst >= least ? 1 : 0
}
