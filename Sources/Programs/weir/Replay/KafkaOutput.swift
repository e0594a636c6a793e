internal import Front
internal import Glibc
internal import Kafka
internal import Linux
internal import Messages
internal import Units
internal import Wire

/// The events to a real broker as well, to rehearse an autoscaler.
struct KafkaOutput: ReplayOutput {
    private var next: PatientOutput
    private let rehearsal: Rehearsal

    init(_ next: any ReplayOutput, _ rehearsal: Rehearsal) {
        // The broker is to have all, whoever has stopped reading.
        self.next = PatientOutput(next)
        self.rehearsal = rehearsal
    }

    var readsHellos: Bool { next.readsHellos }

    mutating func event(_ event: ThrottleEvent) throws {
        try next.event(event)
        try rehearsal.send(event)
    }

    mutating func handshake(_ handshake: ReplayedHandshake, _ message: RawSpan) throws { try next.handshake(handshake, message) }
    mutating func limit(_ limit: Limit) throws { try next.limit(limit) }
    mutating func decision(_ decision: ScaleDecision, at time: Instant) throws { try next.decision(decision, at: time) }
    mutating func ended(_ workload: String, at time: Instant) throws { try next.ended(workload, at: time) }
    mutating func passed(_ time: Instant, isLive: Bool) throws { try next.passed(time, isLive: isLive) }
    mutating func end(_ summary: ReplaySummary) throws { try next.end(summary) }
}

/// A broker that takes what replay would have sent: in the captures' own time, or as fast as it goes.
final class Rehearsal {
    private let producer: KafkaProducer
    private let brokers: String
    private let isPaced: Bool
    /// Tells this rehearsal's events from the last one's.
    private let bootID: String
    private var sequence = 0
    private var anchor: (capture: Instant, here: UInt64)?
    private var delivered = 0
    private var failed: KafkaError?
    /// So long without a single delivery, and the broker is taken for gone.
    private static let patience: UInt64 = 10_000_000_000

    init(brokers: String, isPaced: Bool) throws {
        self.brokers = brokers
        self.isPaced = isPaced
        bootID = String(UInt32(truncatingIfNeeded: Clock.wall ^ Int64(getpid()) << 16), radix: 16)
        let configuration: KafkaConfiguration
        do { configuration = try KafkaConfiguration(bootstrap: brokers) } catch { throw Refusal.wrong("--kafka: \(error)") }
        do {
            producer = try KafkaProducer(configuration, name: "weir-replay")
            // Asked first, so that a wrong address is told now and not after the capture.
            let there = try producer.topics(withinMilliseconds: 5000)
            if there[Topic.events.name] == nil { _ = try producer.create([Topic.events], withinMilliseconds: 5000) }
        } catch { throw Refusal.cannot("Kafka at \(brokers): \(error); is it running, and is --kafka right?") }
    }

    func send(_ event: ThrottleEvent) throws {
        // A replay numbers its events from 1 each time, and a consumer drops what it has seen: rehearsed again, the
        // same capture would say nothing, and of two captures with one source the second.
        sequence += 1
        var event = event
        event.id = "\(event.node):\(bootID):\(sequence)"
        // What an old capture says of living people is not to limit them.
        event.isRehearsal = true
        if isPaced { wait(until: event.time) }
        var since = Clock.monotonic, before = delivered
        // A full queue waits for the broker: a rehearsal leaves nothing out.
        while true {
            let acceptance: KafkaProducer.Acceptance
            do {
                acceptance = try producer.produce(
                    topic: Topic.events.name, key: event.sourcePrefix.description, value: event.encoded(), headers: event.headers, token: 0)
            } catch { throw refusal(error) }
            drain()
            if let failed { throw refusal(failed) }
            if acceptance == .accepted { return }
            if delivered > before { (since, before) = (Clock.monotonic, delivered) }
            guard Clock.monotonic - since < Self.patience else { throw refusal(nil) }
            usleep(1000)
        }
    }

    private func wait(until time: Instant) {
        // Another capture, or one whose clock was set: it begins anew from here.
        guard let anchor, time >= anchor.capture else {
            self.anchor = (time, Clock.monotonic)
            return
        }
        let due = Int64(anchor.here) &+ (time - anchor.capture).wholeNanoseconds
        while Int64(Clock.monotonic) < due {
            drain()
            usleep(UInt32(clamping: min((due - Int64(Clock.monotonic)) / 1000 + 1, 50_000)))
        }
    }

    private func drain() {
        producer.drain { event in
            switch event {
            case .delivered(_, nil): delivered += 1
            case .delivered(_, let error?): failed = error
            case .notice(.failure(let error)) where error.isFatal: failed = error
            case .notice: break
            }
        }
    }

    private func refusal(_ error: KafkaError?) -> Refusal {
        .cannot(
            "Kafka at \(brokers) took \(delivered) events and not the next \(producer.inFlight)\(error.map { ": \($0)" } ?? "; it does not answer any more")"
        )
    }

    /// Waits for the broker to have all, as long as it goes on.
    func finish() throws {
        var since = Clock.monotonic, before = delivered
        while producer.inFlight > 0, failed == nil {
            drain()
            if delivered > before { (since, before) = (Clock.monotonic, delivered) }
            guard Clock.monotonic - since < Self.patience else { throw refusal(nil) }
            usleep(1000)
        }
        if let failed { throw refusal(failed) }
    }
}
