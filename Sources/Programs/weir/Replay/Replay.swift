internal import AgentCore
internal import ControllerCore
internal import Detection
internal import Fingerprints
internal import Messages
internal import Pcap
internal import Probe
internal import Units
internal import Vocabulary
internal import Wire

/// One capture through probe, agent and controller in its own time: the production code with a file in front. It starts
/// from nothing, so that a capture means the same whichever came before it.
final class Replay {
    private let engine: ReplayEngine
    private let world: ReplayWorld
    private var core: NodeCore<HelloFactsReader>
    private var controller: Controller
    private let policy: Policy
    /// What is said at all.
    private let recorded: AnomalySet
    private let output: OutputStage
    private var summary = ReplaySummary()
    private var clock = CaptureClock()
    private var datagrams = Datagrams()
    private var frame = 0
    private var offset: Int64 = 0
    private var isLive = false
    /// What an output, or the engine, could not do while a frame was being judged.
    private var failure: (any Error)?

    /// - Parameters:
    ///   - policy: as it is in force; replay says what it would have done, so it enforces whatever the mode.
    ///   - apart: the output has a thread of its own.
    init(policy given: Policy, kernel: Bool, allPorts: Bool, decap: Bool = false, apart: Bool = false, output: any ReplayOutput) throws {
        var policy = given
        policy.mode = .enforce
        // What nobody reads need not travel.
        policy.capture = output.readsHellos ? .all : .anomalous
        if decap { policy.decap = true }
        if allPorts {
            // Where the policy expects TLS from the first byte, nothing else is passed over.
            for port in policy.ports where policy.upgrades[port] == nil && policy.upgrades.count < Policy.mostUpgrades {
                policy.upgrades[port] = Preamble.none
            }
            policy.upgradesAnywhere = true
            policy.ports = Array(1...UInt16.max)
        }
        self.policy = policy
        recorded = policy.recorded
        self.output = OutputStage(output, apart: apart)
        engine = try ReplayEngine(kernel: kernel, KernelPolicy(policy, vouchesForAll: true))
        world = ReplayWorld(engine)
        core = NodeCore(policy, NodeOptions(node: "replay", bootID: "0", seed: 1, countsGroups: false, tellsEverySource: true))
        // Of the node's own addresses a capture knows nothing.
        core.use(KnownAddresses(), at: .distantPast, in: world)
        controller = Controller(policy: policy, sources: 100_000, limits: 100_000)
    }

    /// Reads the capture to its end. `progress` is told the bytes read, now and then.
    /// - Returns: the summary, which has been told too, and what ended the capture before its time.
    func run(_ capture: any Frames, spent: () -> Duration, progress: (Int) -> Void) throws -> (ReplaySummary, CaptureError?) {
        summary.name = capture.name
        isLive = capture.bytesTotal == nil
        var broken: CaptureError?
        do throws(CaptureError) {
            while try capture.next({ take($0, $1) }), failure == nil {
                if summary.frames & 1023 == 0 { progress(capture.bytesRead) }
            }
        } catch { broken = error }
        if let failure { throw failure }
        if let last = summary.last {
            datagrams.flush { run($0, wireSize: $1, at: last) }
            engine.sweep(at: last, end: true) { judge($0, at: last) }
            for time in CaptureClock.after(last) { tick(at: time, number: 1) }
        }
        if let failure { throw failure }
        summary.frames = capture.framesRead
        summary.unread = capture.unread
        summary.counters = engine.counters
        summary.pushedOut = engine.pushedOut
        summary.withoutWorkload = controller.counts.unknownWorkload
        summary.spent = spent()
        let end = summary
        try output.say { try $0.end(end) }
        try output.finish()
        return (summary, broken)
    }

    private func take(_ frame: Capture.Frame, _ bytes: RawSpan) {
        summary.frames = frame.number
        summary.bytes += bytes.byteCount
        if bytes.byteCount < frame.originalLength { summary.cutByCapture += 1 }
        summary.first = summary.first ?? frame.time
        summary.last = max(summary.last ?? frame.time, frame.time)
        clock.pass(until: frame.time) { time, number in tick(at: time, number: number) }
        self.frame = frame.number
        datagrams.take(bytes, wireSize: frame.originalLength, at: frame.time) { run($0, wireSize: $1, at: frame.time) }
    }

    private func run(_ bytes: RawSpan, wireSize: Int, at time: Instant) {
        attempt {
            if try engine.run(bytes, wireSize: wireSize, at: time, { judge($0, at: time) }) { summary.cutByEngine += 1 }
        }
    }

    /// What time alone brings, as often as on a node.
    private func tick(at time: Instant, number: Int) {
        world.wall = time
        if number % 10 == 0 { engine.sweep(at: time) { judge($0, at: time) } }
        core.tick(number, at: time, in: world)
        publish()
        guard number % 10 == 0 else { return }
        let passing = controller.tick(at: time, partitions: [0])
        for workload in passing.ended { attempt { try output.say { try $0.ended(workload, at: time) } } }
        tell(passing.outputs, at: time)
        let isLive = isLive
        attempt { try output.say(now: isLive) { try $0.passed(time, isLive: isLive) } }
    }

    /// One verdict, as a node's loop takes it. There is always time for the events that are due.
    private func judge(_ record: RawSpan, at time: Instant) {
        guard let handshake = Handshake(record) else { return }
        world.wall = time
        let raw = record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength)
        let anomalies = core.take(handshake, hello: raw, in: world).intersection(recorded)
        if case .flow = handshake.kind, anomalies.isEmpty { return publish() }
        let severity = anomalies.isEmpty ? nil : policy.severity(of: anomalies)
        summary.note(handshake, anomalies, severity)
        if summary.firstLimit == nil, handshake.isReflex || world.hasLimited { summary.firstLimit = time }
        let judgement = OutputStage.Judgement(frame: frame, time: time, anomalies: anomalies, severity: severity)
        attempt { try output.handshake(handshake, record, judgement) }
        publish()
    }

    private func publish() {
        while let event = core.nextEvent(in: world) {
            summary.events += 1
            attempt { try output.say { try $0.event(event) } }
            offset += 1
            tell(controller.consider(event, at: LogPosition(partition: 0, offset: offset)), at: event.time)
        }
    }

    private func tell(_ outputs: [Controller.Output], at time: Instant) {
        for said in outputs {
            switch said {
            case .limit(let limit):
                summary.limits = controller.counts.limitsSet + controller.counts.limitsRenewed
                attempt { try output.say { try $0.limit(limit) } }
                core.take(limit, at: time, in: world)
            case .scale(let decision):
                summary.decisions += 1
                attempt { try output.say { try $0.decision(decision, at: time) } }
            case .forget(let key): core.lift(key, in: world)
            }
        }
    }

    /// Keeps the first failure for the loop over the frames: a verdict is handed over by C, which nothing is thrown through.
    private func attempt(_ body: () throws -> Void) {
        guard failure == nil else { return }
        do { try body() } catch { failure = error }
    }
}
