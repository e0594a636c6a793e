internal import AgentCore
internal import ControllerCore
internal import Detection
internal import Fingerprints
internal import Linux
internal import Messages
internal import Pcap
internal import Probe
internal import Terminal
internal import Wire

/// Captures through probe, agent and controller, in their own time: the production code with a file in front.
final class Replay {
    private let engine: ReplayEngine
    private var agent: Agent
    private var controller: Controller
    private let policy: Policy
    private var output: any ReplayOutput
    private var summary = ReplaySummary()
    private var frame = 0
    private var nextTick: Instant?
    private var offset: Int64 = 0
    /// The latest hello of each source whose event may be due.
    private var facts: [UInt64: HelloFacts] = [:]
    private static let factsLimit = 4096

    /// - Parameter policy: as it is in force; replay says what it would have done, so it enforces whatever the mode.
    init(policy given: Policy, kernel: Bool, allPorts: Bool, output: any ReplayOutput) throws {
        var policy = given
        policy.mode = .enforce
        policy.capture = .all
        if allPorts { policy.ports = Array(1...UInt16.max) }
        self.policy = policy
        self.output = output
        engine = try ReplayEngine(kernel: kernel, KernelPolicy(policy))
        for prefix in policy.allow.cidrs { engine.allow(prefix) }
        agent = Agent(policy: policy, node: "replay", bootID: "0", seed: 1)
        controller = Controller(policy: policy)
    }

    /// Reads one capture to its end. What was read before an error has been told, and its summary too.
    func run(_ path: String, progress terminal: Terminal) throws -> ReplaySummary {
        var capture = try Capture(path: path)
        summary = ReplaySummary(name: capture.name)
        nextTick = nil
        let began = Clock.monotonic
        var progress = Progress(capture.name, total: capture.bytesTotal, now: .nanoseconds(Int64(began)))
        var failure: (any Error)?
        do {
            while try step(&capture) {
                if summary.frames & 1023 == 0, let line = progress.line(done: capture.bytesRead, now: .nanoseconds(Int64(Clock.monotonic)), on: terminal) { say(line) }
            }
        } catch { failure = error }
        if terminal.isTerminal { say(terminal.lineStart) }
        if let last = summary.last {
            engine.sweep(at: last, end: true) { take($0, at: last, reason: .capture) }
            tick(at: last + .seconds(1))
        }
        summary.seconds = Double(Clock.monotonic - began) / 1e9
        output.end(summary)
        if let failure { throw failure }
        return summary
    }

    private func step(_ capture: inout Capture) throws -> Bool {
        var failure: (any Error)?
        let more = try capture.next { frame, bytes in
            summary.frames += 1
            summary.bytes += bytes.byteCount
            summary.first = summary.first ?? frame.time
            summary.last = max(summary.last ?? frame.time, frame.time)
            self.frame = frame.number
            pass(until: frame.time)
            do {
                if try engine.run(bytes, wireSize: frame.originalLength, at: frame.time, { take($0, at: frame.time) }) { summary.cut += 1 }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return more
    }

    /// What time alone brings, a second at a time; a gap in the capture is passed in one step.
    private func pass(until time: Instant) {
        guard let due = nextTick else {
            nextTick = time + .seconds(1)
            return
        }
        guard time >= due else { return }
        engine.sweep(at: due) { take($0, at: due) }
        tick(at: due)
        nextTick = time - due > .seconds(2) ? time + .seconds(1) : due + .seconds(1)
        if time - due > .seconds(2) {
            engine.sweep(at: time) { take($0, at: time) }
            tick(at: time)
        }
    }

    private func tick(at time: Instant) {
        for slot in agent.tick(at: time) { publish(slot) }
        tell(controller.tick(at: time, partitions: [0]).outputs, at: time)
    }

    private func take(_ record: RawSpan, at time: Instant, reason: IncompleteReason? = nil) {
        guard var handshake = Handshake(record) else { return }
        // The end of a capture is nobody's time-out.
        if let reason, handshake.completeness == .incomplete { handshake.incompleteReason = reason }
        let raw = record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength)
        let isHello = handshake.completeness != .incomplete && !handshake.anomalies.contains(.notTLS) && handshake.rawLength > 4
        let hello = isHello ? ClientHello(raw) : nil
        let isLiteral = hello?.anomalies.contains(.ipLiteralSNI) ?? false
        let anomalies = isLiteral && policy.detections[.ipLiteralSNI] != nil ? handshake.anomalies.union(AnomalySet(.ipLiteralSNI)) : handshake.anomalies
        let item = ReplayedHandshake(handshake: handshake, frame: frame, time: time, anomalies: anomalies, severity: policy.severity(of: anomalies), hello: hello,
                                     fingerprint: hello.flatMap { Fingerprint($0) })
        summary.note(item)
        output.handshake(item)
        let order = agent.consider(handshake, isLiteral: isLiteral, at: time)
        if !anomalies.isEmpty, let known = item.facts {
            if facts.count >= Self.factsLimit { facts.removeAll(keepingCapacity: true) }
            facts[Self.key(handshake)] = known
        }
        if let slot = order.publish { publish(slot) }
    }

    private static func key(_ handshake: Handshake) -> UInt64 { handshake.source.high ^ handshake.source.low &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(handshake.sourcePort) }

    private func publish(_ slot: Int) {
        let handshake = agent.latest(of: slot)
        let seen = Instant(nanoseconds: Int64(clamping: handshake.seenNanoseconds))
        let until = handshake.untilNanoseconds == 0 ? nil : Instant(nanoseconds: Int64(clamping: handshake.untilNanoseconds))
        let event = agent.takeEvent(of: slot, interface: "", hello: facts[Self.key(handshake)], seen: seen, decided: seen, enforced: nil, until: until)
        summary.events += 1
        output.event(event)
        offset += 1
        tell(controller.consider(event, at: LogPosition(partition: 0, offset: offset)), at: seen)
    }

    private func tell(_ outputs: [Controller.Output], at time: Instant) {
        for said in outputs {
            switch said {
            case .limit(let limit):
                summary.limits += 1
                output.limit(limit)
            case .scale(let decision):
                summary.decisions += 1
                output.decision(decision, at: time)
            case .forget: break
            }
        }
    }

    private func say(_ line: String) { Standard.error.write(line) }
}
