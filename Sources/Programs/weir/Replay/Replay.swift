internal import AgentCore
internal import ControllerCore
internal import Detection
internal import Fingerprints
internal import Messages
internal import Pcap
internal import Probe
internal import Wire

/// One capture through probe, agent and controller in its own time: the production code with a file in front. It starts
/// from nothing, so that a capture means the same whichever came before it.
final class Replay {
    private let engine: ReplayEngine
    private var agent: Agent
    private var cluster = ClusterLimits()
    private var controller: Controller
    private let policy: Policy
    /// What an event may be about, and what is said at all.
    private let counting: AnomalySet
    private let recorded: AnomalySet
    private var hellos = HelloReader()
    private var denials: Denials
    private var denied: [UInt64: Instant?] = [:]
    private var output: any ReplayOutput
    private let readsHellos: Bool
    /// Whether a policy, or a list of denied fingerprints, wants every hello looked into.
    private let looksIntoAll: (policy: Bool, denials: Bool)
    private var summary = ReplaySummary()
    private var clock = CaptureClock()
    private var frame = 0
    private var offset: Int64 = 0
    private var lengths: [UInt8] = []
    private var isLive = false
    /// What an output, or the engine, could not do while a frame was being judged.
    private var failure: (any Error)?

    /// - Parameter policy: as it is in force; replay says what it would have done, so it enforces whatever the mode.
    init(policy given: Policy, kernel: Bool, allPorts: Bool, decap: Bool = false, output: any ReplayOutput) throws {
        var policy = given
        policy.mode = .enforce
        // What nobody reads need not travel.
        policy.capture = output.readsHellos ? .all : .anomalous
        if decap { policy.decap = true }
        if allPorts { policy.ports = Array(1...UInt16.max) }
        self.policy = policy
        denials = Denials(policy)
        recorded = policy.recorded
        counting = policy.anomalies(atLeast: .medium).union(policy.limiting)
        self.output = output
        readsHellos = output.readsHellos
        looksIntoAll = (policy.readsEveryHello, !denials.isEmpty)
        engine = try ReplayEngine(kernel: kernel, KernelPolicy(policy))
        for prefix in policy.allow.cidrs { engine.allow(prefix) }
        _ = cluster.use(AllowList(policy.allow.cidrs), LimitBounds(policy), at: .distantPast)
        agent = Agent(policy: policy, node: "replay", bootID: "0", seed: 1)
        controller = Controller(policy: policy, sources: 100_000, limits: 100_000)
    }

    /// Reads the capture to its end. `progress` is told the bytes read, now and then.
    /// - Returns: the summary, which has been told too, and what ended the capture before its time.
    func run(_ capture: inout Capture, spent: () -> Duration, progress: (Int) -> Void) throws -> (ReplaySummary, CaptureError?) {
        summary.name = capture.name
        isLive = capture.bytesTotal == nil
        var broken: CaptureError?, room: [UInt8] = []
        do throws(CaptureError) {
            while try capture.nextEthernet(&room, { take($0, $1) }), failure == nil {
                if summary.frames & 1023 == 0 { progress(capture.bytesRead) }
            }
        } catch { broken = error }
        if let failure { throw failure }
        if let last = summary.last {
            engine.sweep(at: last, end: true) { judge($0, at: last) }
            for time in CaptureClock.after(last) { tick(at: time, number: 1) }
        }
        if let failure { throw failure }
        summary.counters = engine.counters
        summary.pushedOut = engine.pushedOut
        summary.withoutWorkload = controller.counts.unknownWorkload
        summary.spent = spent()
        try output.end(summary)
        return (summary, broken)
    }

    private func take(_ frame: Capture.Frame, _ bytes: RawSpan) {
        summary.frames += 1
        summary.bytes += bytes.byteCount
        if bytes.byteCount < frame.originalLength { summary.cutByCapture += 1 }
        summary.first = summary.first ?? frame.time
        summary.last = max(summary.last ?? frame.time, frame.time)
        clock.pass(until: frame.time) { time, number in tick(at: time, number: number) }
        self.frame = frame.number
        attempt {
            if try engine.run(bytes, wireSize: frame.originalLength, at: frame.time, { judge($0, at: frame.time) }) { summary.cutByEngine += 1 }
        }
    }

    /// What time alone brings, as often as on a node.
    private func tick(at time: Instant, number: Int) {
        for slot in agent.tick(at: time) { publish(slot, enforced: nil, until: nil) }
        guard number % 10 == 0 else { return }
        engine.sweep(at: time) { judge($0, at: time) }
        cluster.expire(at: time)
        for (fingerprint, until) in denied where until.map({ $0 <= time }) ?? false {
            engine.order(.admit(fingerprint))
            denied[fingerprint] = nil
        }
        if number % 100 == 0 { agent.forget(at: time) }
        let passing = controller.tick(at: time, partitions: [0])
        for workload in passing.ended { attempt { try output.ended(workload, at: time) } }
        tell(passing.outputs, at: time)
        attempt { try output.passed(time, isLive: isLive) }
    }

    /// One verdict, as the agent's loop takes it: the limit first, if it is not the kernel's to set; then the event, if one is due.
    private func judge(_ record: RawSpan, at time: Instant) {
        guard let handshake = Handshake(record) else { return }
        let raw = record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength)
        let order = agent.consider(handshake, hello: raw, found: look(into: raw, of: handshake, at: time), at: time)
        if let limit = order.limit { engine.order(.limit(limit.key, LimitEntry(limit.perSecond, limit.answer, .agent, limit.until))) }

        let anomalies = order.anomalies.intersection(recorded)
        if case .flow = handshake.kind, anomalies.isEmpty { return }
        let counts = counts(handshake, anomalies)
        let item = ReplayedHandshake(handshake: handshake, frame: frame, time: time, anomalies: anomalies, severity: anomalies.isEmpty ? nil : policy.severity(of: anomalies),
                                     hello: readsHellos || counts ? read(handshake, raw) : nil)
        summary.note(item)
        if summary.firstLimit == nil, handshake.isReflex || order.limit != nil { summary.firstLimit = time }
        attempt { try output.handshake(item) }
        if let slot = order.publish { publish(slot, enforced: order.limit == nil ? nil : time, until: order.limit?.until) }
    }

    /// Whether an event may be about it.
    private func counts(_ handshake: Handshake, _ anomalies: AnomalySet) -> Bool { !anomalies.intersection(counting).isEmpty && handshake.proof >= policy.proof }

    private func read(_ handshake: Handshake, _ raw: RawSpan) -> HelloReader.Reading? {
        handshake.hasHello && raw.byteCount > 0 ? hellos.read(raw) : nil
    }

    /// What only the hello's bytes tell, as the agent looks for it.
    private func look(into raw: RawSpan, of handshake: Handshake, at time: Instant) -> AnomalySet {
        guard handshake.mayBeLiteral || looksIntoAll.policy || looksIntoAll.denials, handshake.kind == .hello else { return AnomalySet(rawValue: 0) }
        var found = AnomalySet()
        if handshake.mayBeLiteral || looksIntoAll.policy, let hello = ClientHello(raw) { found = hello.anomalies(under: policy, nameIsAsked: handshake.mayBeLiteral) }
        switch denials.find(handshake, raw, at: time) {
        case .nothing: break
        case .thisHello: found.formUnion(AnomalySet(.fingerprintDenied))
        case .everyHello(let until):
            found.formUnion(AnomalySet(.fingerprintDenied))
            if denied[handshake.fingerprint] == nil {
                denied[handshake.fingerprint] = .some(until)
                engine.order(.deny(handshake.fingerprint))
            }
        }
        return found
    }

    private func publish(_ slot: Int, enforced: Instant?, until: Instant?) {
        let handshake = agent.latest(of: slot)
        let seen = Instant(nanoseconds: Int64(clamping: handshake.seenNanoseconds))
        let end = until ?? (handshake.untilNanoseconds == 0 ? nil : Instant(nanoseconds: Int64(clamping: handshake.untilNanoseconds)))
        let facts = agent.withHello(of: slot) { $0.byteCount > 0 ? hellos.read($0) : nil } ?? nil
        let event = agent.takeEvent(of: slot, interface: "", hello: facts.map { HelloFacts($0) }, seen: seen, decided: seen, enforced: enforced, until: end)
        summary.events += 1
        attempt { try output.event(event) }
        offset += 1
        tell(controller.consider(event, at: LogPosition(partition: 0, offset: offset)), at: seen)
    }

    private func tell(_ outputs: [Controller.Output], at time: Instant) {
        for said in outputs {
            switch said {
            case .limit(let limit):
                summary.limits = controller.counts.limitsSet + controller.counts.limitsRenewed
                attempt { try output.limit(limit) }
                if case .success(let change) = cluster.apply(limit, at: time) { apply(change) }
            case .scale(let decision):
                summary.decisions += 1
                attempt { try output.decision(decision, at: time) }
            case .forget(let key):
                apply(cluster.release(key))
            }
        }
    }

    private func apply(_ change: ClusterLimits.Change) {
        switch change {
        case .set(let key, let perSecond, let answer, let until): engine.order(.limit(key, LimitEntry(perSecond, answer, .cluster, until)))
        case .release(let key): engine.order(.release(key))
        }
        if cluster.lengths != lengths {
            lengths = cluster.lengths
            engine.order(.use(KernelPolicy(policy, lengths: lengths.sorted())))
        }
    }

    /// Keeps the first failure for the loop over the frames: a verdict is handed over by C, which nothing is thrown through.
    private func attempt(_ body: () throws -> Void) {
        guard failure == nil else { return }
        do { try body() } catch { failure = error }
    }
}

extension LimitEntry {
    fileprivate init(_ perSecond: Int, _ answer: Answer, _ origin: Origin, _ until: Instant) {
        self.init(perSecond: perSecond, answer: answer, origin: origin, untilNanoseconds: UInt64(clamping: until.nanoseconds))
    }
}
