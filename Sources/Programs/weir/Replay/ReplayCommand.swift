internal import Arguments
internal import Detection
internal import Front
internal import Glibc
internal import Linux
internal import Pcap
internal import PolicyFile
internal import Terminal
internal import WeirCommands
internal import Units
internal import Vocabulary

/// `weir replay FILE...`: 0 well, 1 when `--fail-on` found something, 2 for a capture or policy that is wrong, 3 when the machine cannot.
func replayCaptures(_ arguments: Arguments<ReplayOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let policy: Policy
    do { policy = try arguments.policy.map { try PolicyFile.load(path: $0) } ?? Policy() } catch { throw Refusal.wrong("\(error)") }
    guard arguments.files.filter({ $0 == "-" }).count < 2 else { throw Refusal.wrong("standard input can be read once") }
    let jobs = arguments.jobs, files = arguments.files
    if jobs > 1, arguments.kafka != nil {
        throw Refusal.wrong("--kafka sends events in the order of their captures, so it takes no --jobs")
    }
    if jobs > 1, arguments.engine == .kernel {
        throw Refusal.wrong("--engine kernel runs one frame after the other, so it takes no --jobs")
    }

    let others = [("all", arguments.all), ("summary-only", arguments.summaryOnly), ("ja4-raw", arguments.ja4Raw)]
    if arguments.report != nil, let other = others.first(where: \.1)?.0 {
        throw Refusal.wrong("--report has an output of its own, so it takes no --\(other)")
    }
    let rehearsal = try arguments.kafka.map { try Rehearsal(brokers: $0.bootstrap, isPaced: arguments.speed == .own) }
    let command = ReplayCommand(arguments, policy, rehearsal, jobs: jobs)
    let least = arguments.failOn
    var found = Found()
    if jobs > 1, files.count > 1 {
        try command.runSideBySide(files, into: &found)
    } else {
        for path in files where !found.isReaderGone { try found.note(Result { try command.run(path, to: Sink(), showsProgress: true) }) }
    }
    // An exit code or a broker waits for the end, whoever has stopped reading; else the end is here.
    if found.isReaderGone { return found.isBroken ? 2 : 0 }
    try rehearsal?.finish()
    if found.isBroken { return 2 }
    guard let least, let worst = found.worst else { return 0 }
    return worst >= least ? 1 : 0
}

/// What the captures so far came to.
private struct Found {
    var worst: Severity?
    var isBroken = false
    var isReaderGone = false

    mutating func note(_ result: Result<(ReplaySummary, CaptureError?), any Error>) throws {
        do {
            let (summary, broken) = try result.get()
            if let severity = summary.worst { worst = max(worst ?? severity, severity) }
            if let broken { throw broken }
        } catch let error as CaptureError {
            complain("weir: \(error)")
            isBroken = true
        } catch is ReaderGone {
            isReaderGone = true
        }
    }
}

private struct ReplayCommand {
    let arguments: Arguments<ReplayOptions>
    let policy: Policy
    let rehearsal: Rehearsal?
    let jobs: Int
    // Lines that appear and a bar that is drawn over do not go together.
    let terminal = Terminal(of: 2)
    let isTable: Bool

    init(_ arguments: Arguments<ReplayOptions>, _ policy: Policy, _ rehearsal: Rehearsal?, jobs: Int) {
        (self.arguments, self.policy, self.rehearsal, self.jobs) = (arguments, policy, rehearsal, jobs)
        isTable = arguments.format != .json
    }

    /// Goes on when nobody reads any more.
    private var isPatient: Bool { arguments.failOn != nil || rehearsal != nil }

    private func output(to sink: Sink) -> any ReplayOutput {
        var output: any ReplayOutput =
            isTable
            ? TableOutput(
                to: sink, terminal: Terminal(of: 1), showsAll: arguments.all, summaryOnly: arguments.summaryOnly)
            : JSONOutput(to: sink, showsRaw: arguments.ja4Raw)
        if arguments.summaryOnly { output = SummaryOutput(output) }
        if arguments.report == .pqc { output = QuantumReport(to: sink, terminal: Terminal(of: 1), isJSON: !isTable) }
        if let rehearsal { output = KafkaOutput(output, rehearsal) }
        if isPatient { output = PatientOutput(output) }
        return output
    }

    /// One capture. With two threads its frames are read ahead, or what is told of each hello is told apart; with three both.
    func run(_ path: String, to sink: Sink, threads: Int? = nil, showsProgress: Bool = false) throws -> (ReplaySummary, CaptureError?) {
        let threads = threads ?? jobs, output = output(to: sink)
        let capture = FramesHere(try Capture(path: path, accepting: Capture.LinkType.readable))
        let tellsApart = threads > 2 || threads == 2 && output.readsHellos
        // From a pipe a frame may come alone, and is not to wait for others.
        let readsAhead = capture.bytesTotal != nil && (threads > 2 || threads == 2 && !tellsApart)
        var frames: any Frames = capture
        if readsAhead, let ahead = FramesAhead(capture) { frames = ahead }
        let replay = try Replay(
            policy: policy, kernel: arguments.engine == .kernel, allPorts: arguments.allPorts,
            decap: arguments.decap, apart: tellsApart, output: output)
        let terminal = showsProgress && (isTable || isatty(1) == 0) ? terminal : nil
        let began = Clock.monotonic
        func spent() -> Duration { .nanoseconds(Int64(Clock.monotonic &- began)) }
        var progress = Progress(frames.name, total: frames.bytesTotal, now: .zero)
        return try replay.run(frames) {
            // The bar goes before the figures come.
            if let terminal { Standard.error.show(terminal.lineStart) }
            return spent()
        } progress: { done in
            if let terminal, let line = progress.line(done: done, now: spent(), on: terminal) { Standard.error.show(line) }
        }
    }

    /// Several captures at a time; what is said of them, errors too, comes in their order.
    func runSideBySide(_ files: [String], into found: inout Found) throws {
        let turns = Turns(), sinks = files.indices.map { Sink(turns, $0) }, count = min(jobs, files.count)
        let next = Channel<Int>(capacity: files.count)
        for number in files.indices { next.send(number) }
        next.close()
        let results = files.map { _ in Channel<Result<(ReplaySummary, CaptureError?), any Error>>(capacity: 1) }
        func work() {
            while let number = next.receive() {
                results[number].send(Result { try run(files[number], to: sinks[number], threads: jobs / count) })
            }
        }
        var workers: [Channel<Void>] = []
        for _ in 0..<count {
            let done = Channel<Void>(capacity: 1)
            let worker = Worker {
                work()
                done.close()
            }
            guard let worker else { break }
            worker.detach()
            workers.append(done)
        }
        if workers.isEmpty { throw Refusal.cannot("no thread is to be had") }
        defer {
            turns.end()
            // What nobody has begun nobody begins.
            while next.receive() != nil {}
            for worker in workers { _ = worker.receive() }
        }
        for number in files.indices {
            guard let result = results[number].receive() else { return }
            let isRead = try sinks[number].flush()
            try found.note(result)
            if !isRead, !isPatient { found.isReaderGone = true }
            if found.isReaderGone { return }
            turns.pass()
        }
    }
}
