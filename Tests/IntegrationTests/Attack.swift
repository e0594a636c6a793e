import Detection
import Glibc
import Kafka
import Messages
import Units
import Vocabulary

/// An attack on each workload by a source of its own, on the last one by a crowd, in event time around now.
struct Attack {
    let events: [ThrottleEvent]

    init(_ policy: TestPolicy, each count: Int, crowd: Int = 1) {
        let targets = policy.workloads + repeatElement(policy.workloads.last!, count: crowd - 1)
        let sources = targets.map { Source(attacking: $0) }, start = Instant.now - .seconds(25)
        events = (0..<count).flatMap { step in
            sources.map { source in
                // Within the half minute around the broker's time in which an event's own is believed.
                let time = start + .milliseconds(50_000 * step / count)
                return source.event(step, at: time, until: time + .seconds(600))
            }
        }
    }

    var sources: Set<String> { Set(events.map(\.sourcePrefix.description)) }
}

/// Who attacks one workload: an address that is nobody else's, and what a node says of it.
struct Source {
    let prefix = Prefix(Address(ipv4: .random(in: 0x0b00_0000...0xdf00_0000)), length: 128)
    private let workload: String
    private let run = UInt32.random(in: 0 ... .max)

    private let anomaly: Anomaly

    init(attacking workload: String, by anomaly: Anomaly = .missingSNI) {
        self.workload = workload
        self.anomaly = anomaly
    }

    var key: Limit.Key { Limit.Key(prefix: prefix, limitClass: .anomalous) }

    /// - Parameter until: when the node says that its own limit ends, which is nothing to a controller.
    func event(_ number: Int, at time: Instant, until: Instant) -> ThrottleEvent {
        var event = ThrottleEvent(
            id: "node-t:\(run):\(number)", time: time, node: "node-t", sourceAddress: prefix.address, sourcePrefix: prefix,
            destinationAddress: Address(ipv4: 1), anomalies: AnomalySet(anomaly), severity: .high,
            traceID: "4bf92f3577b34da6a3ce929d0e0e4736")
        event.workload = workload
        (event.counts.seen, event.counts.reset) = (5, 2)
        event.action = number == 0 ? .limited : .alreadyLimited
        event.limit = ThrottleEvent.Limit(limitClass: .anomalous, perSecond: 3, answer: .reset, until: until, enforced: true)
        return event
    }
}

extension Instant {
    static var now: Instant { Instant(nanoseconds: Int64(time(nil)) * 1_000_000_000) }
}

extension KafkaProducer {
    /// Makes the topics as a controller would, which would make those that are missing itself.
    func createTopics() throws {
        let are = eventually {
            (try? create(Topic.all, withinMilliseconds: 5000))?.values.allSatisfy { $0 == .created || $0 == .existed } == true
        }
        guard are else { throw Failure("the topics cannot be made") }
    }

    /// Writes as a controller or an operator would, and waits for the report.
    func deliver(_ topic: Topic, key: String, value: [UInt8]?, id: String) throws -> Bool {
        _ = try produce(topic: topic.name, key: key, value: value, headers: [("ce_id", id)], token: 0)
        return eventually {
            drain { _ in }; return inFlight == 0
        }
    }

    /// Produces and waits for all reports.
    func deliver(_ events: some Collection<ThrottleEvent>) throws -> Bool {
        for (token, event) in events.enumerated() {
            _ = try produce(
                topic: Topic.events.name, key: event.sourcePrefix.description, value: event.encoded(), headers: event.headers,
                token: UInt64(token))
        }
        return eventually {
            drain { _ in }; return inFlight == 0
        }
    }
}
