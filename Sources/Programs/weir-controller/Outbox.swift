internal import ControllerCore
internal import Kafka
internal import Messages
internal import Units

/// What has been decided and is not yet known to be stored. Every record stays here until its delivery report, so a broker that is away,
/// refuses or lost its state costs time and nothing else.
final class Outbox {
    private struct Record {
        let topic: String
        let key: String
        let value: [UInt8]?
        let headers: [(name: String, value: String)]
    }

    private let configuration: KafkaConfiguration
    private var producer: KafkaProducer
    /// By their numbers, which are the producer's tokens.
    private var records: [Int64: Record] = [:]
    private var window = DeliveryWindow()
    private var last: Int64 = 0
    private(set) var failures = 0
    private(set) var recreated = 0

    private static let topics = [Topic.limits, Topic.decisions]

    /// Above it the controller reads no further events: what waits for a broker must fit in memory.
    static let comfortable = 10_000

    init(_ configuration: KafkaConfiguration) throws(KafkaError) {
        self.configuration = configuration
        producer = try KafkaProducer(configuration, name: "weir-controller")
    }

    var eventDescriptor: CInt { producer.eventDescriptor }
    var count: Int { records.count }
    var isComfortable: Bool { records.count < Self.comfortable }

    /// Takes an output; the token will be handed to `delivered`.
    /// - Parameters:
    ///   - position: of the event that caused it; `nil` when time alone did.
    ///   - time: of that event.
    func put(_ output: Controller.Output, from position: LogPosition?, at time: Instant) -> UInt64 {
        let source = "weir-controller"
        func headers(_ type: String, _ traceID: String, or another: String) -> [(name: String, value: String)] {
            cloudEventHeaders(
                id: position?.id ?? "\(source):\(another):\(time.nanoseconds)", source: source, type: type, time: time, traceID: traceID)
        }
        let record =
            switch output {
            case .limit(let limit):
                Record(
                    topic: Topic.limits.name, key: limit.key.description, value: limit.encoded(),
                    headers: headers(Limit.type, limit.traceID, or: "\(limit.key):\(limit.generation)"))
            case .forget(let key): Record(topic: Topic.limits.name, key: key.description, value: nil, headers: [])
            case .scale(let decision):
                Record(
                    topic: Topic.decisions.name, key: decision.workload, value: decision.encoded(),
                    headers: headers(ScaleDecision.type, decision.traceID, or: "\(decision.workload):\(decision.generation)"))
            }
        last += 1
        records[last] = record
        // Behind those that wait already, or a newer word could overtake an older one of the same key.
        if window.isNext(last) { _ = send(last) }
        return UInt64(last)
    }

    /// Tries again what waits. Call about once a second.
    func retry() {
        if fatal != nil { recreate() }
        while window.isDue(upTo: last) {
            let number = window.handedOver + 1
            // What is under way is not sent twice, and what was delivered is gone.
            if window.isUnderWay(number) || records[number] == nil { window.pass(number) } else if !send(number) { return }
        }
    }

    private var fatal: KafkaError?

    /// False when the producer does not take it for now.
    private func send(_ number: Int64) -> Bool {
        guard let record = records[number], fatal == nil else { return false }
        do throws(KafkaError) {
            guard
                try producer.produce(
                    topic: record.topic, key: record.key, value: record.value, headers: record.headers,
                    token: UInt64(number)) == .accepted
            else { return false }
            window.handOver(number)
            return true
        } catch {
            if error.isFatal { fatal = error }
            failures += 1
            return false
        }
    }

    @discardableResult
    func drain(delivered: (UInt64) -> Void, notice: (KafkaNotice) -> Void) -> Bool {
        producer.drain { event in hand(event, delivered, notice) }
    }

    private func hand(_ event: KafkaProducer.Event, _ delivered: (UInt64) -> Void, _ notice: (KafkaNotice) -> Void) {
        switch event {
        case .delivered(let token, nil):
            records[Int64(token)] = nil
            window.delivered(Int64(token))
            delivered(token)
        case .delivered(let token, .some):
            failures += 1
            window.failed(Int64(token))
        case .notice(let what):
            if case .failure(let error) = what, error.isFatal { fatal = error }
            notice(what)
        }
    }

    /// The broker lost its state and this producer with it: what was under way is sent anew by another.
    private func recreate() {
        // Reports that the old one still owes are not waited for: their records are here, and a second copy has the same id.
        guard let another = try? KafkaProducer(configuration, name: "weir-controller") else { return }
        producer = another
        producer.open(Self.topics)
        recreated += 1
        fatal = nil
        window.beginAnew(from: records.keys.min() ?? last + 1)
    }

    /// Makes the topics that are not there; those that are stay as they are.
    func createTopics(withinMilliseconds milliseconds: Int) throws(KafkaError) -> [String: TopicOutcome] {
        let existing = try producer.topics(withinMilliseconds: milliseconds)
        let missing = Topic.all.filter { existing[$0.name] == nil }
        let outcomes = missing.isEmpty ? [:] : try producer.create(missing, withinMilliseconds: milliseconds)
        // Made as they should be; so the first decision need not wait for them to be looked up.
        producer.open(Self.topics)
        return outcomes
    }

    /// For the end: waits for what is in flight. Returns how much was not delivered.
    func close(withinMilliseconds milliseconds: Int, delivered: (UInt64) -> Void) -> Int {
        _ = producer.close(withinMilliseconds: milliseconds) { hand($0, delivered, { _ in }) }
        return records.count
    }
}
