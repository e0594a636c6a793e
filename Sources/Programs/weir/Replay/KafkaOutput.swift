internal import Glibc
internal import Kafka
internal import Linux
internal import Messages
internal import Wire

/// The events to a real broker as well, to rehearse an autoscaler: in the capture's own time, or as fast as it goes.
final class KafkaOutput: ReplayOutput {
    private var next: any ReplayOutput
    private let producer: KafkaProducer
    private let isPaced: Bool
    private var anchor: (capture: Instant, here: UInt64)?
    private(set) var delivered = 0
    private(set) var failed = 0

    init(_ next: any ReplayOutput, brokers: String, isPaced: Bool) throws {
        self.next = next
        self.isPaced = isPaced
        do { producer = try KafkaProducer(KafkaConfiguration(bootstrap: brokers), name: "weir-replay") } catch { throw Ending.wrong("--kafka: \(error)") }
    }

    func handshake(_ handshake: ReplayedHandshake) { next.handshake(handshake) }
    func limit(_ limit: Limit) { next.limit(limit) }
    func decision(_ decision: ScaleDecision, at time: Instant) { next.decision(decision, at: time) }
    func end(_ summary: ReplaySummary) { next.end(summary) }

    func event(_ event: ThrottleEvent) {
        next.event(event)
        if isPaced { wait(until: event.time) }
        // A full queue waits for the broker: a rehearsal leaves nothing out.
        while true {
            let acceptance = try? producer.produce(topic: Topic.events.name, key: event.sourcePrefix.description, value: event.encoded(), headers: event.headers, token: 0)
            drain()
            if acceptance == .accepted { return }
            if acceptance == nil { failed += 1; return }
            usleep(1000)
        }
    }

    private func wait(until time: Instant) {
        guard let anchor else {
            self.anchor = (time, Clock.monotonic)
            return
        }
        let due = Int64(anchor.here) + (time - anchor.capture).wholeNanoseconds
        while Int64(Clock.monotonic) < due {
            drain()
            usleep(UInt32(clamping: min((due - Int64(Clock.monotonic)) / 1000 + 1, 50_000)))
        }
    }

    private func drain() {
        producer.drain { event in
            switch event {
            case .delivered(_, let error): if error == nil { delivered += 1 } else { failed += 1 }
            case .notice: break
            }
        }
    }

    /// Waits for the broker to have all, and says what it has not.
    func finish() throws {
        let end = Clock.monotonic + 10_000_000_000
        while producer.inFlight > 0, Clock.monotonic < end {
            drain()
            usleep(1000)
        }
        guard producer.inFlight == 0, failed == 0 else {
            throw Ending.cannot("Kafka took \(delivered) events and not the other \(producer.inFlight + failed); is the broker running, and is --kafka right?")
        }
    }
}
