internal import Kafka
internal import Linux
internal import Log
internal import Wire
internal import Messages

/// Throttle events, and this node's reports of itself, to Kafka. The library's own bounded queue holds them while no broker answers.
final class Publisher {
    /// Reports are told apart from events by their token.
    private static let event: UInt64 = 0, report: UInt64 = 1

    struct Reports {
        var delivered = 0
        var lost = 0
        /// The queue was full; tried again at the next tick.
        var refused = 0
        /// One waits for its delivery. There is never a second: what a node was like while no broker answered is of no interest to anybody.
        var isUnderWay = false
        /// The last one will not arrive, and nobody has asked about it yet.
        var isLost = false
        /// There is something on the topic that a clean stop has to take back.
        var isKnown = false
    }

    private(set) var reports = Reports()
    private var producer: KafkaProducer
    private let configuration: KafkaConfiguration
    private let node: String
    private let log: Log
    private(set) var delivered = 0
    /// Events that Kafka will never have, because the queue was full or the broker lost its state.
    private(set) var lost = 0
    private var isLosing = false
    private var isPrepared = false

    init(_ configuration: KafkaConfiguration, node: String, log: Log) throws(KafkaError) {
        self.configuration = configuration
        self.node = node
        self.log = log
        producer = try KafkaProducer(configuration, name: node)
    }

    var eventDescriptor: CInt { producer.eventDescriptor }
    var inFlight: Int { producer.inFlight }

    /// The topics are there (a broker that makes them on demand would make them otherwise than a controller does): the first event need not wait for them to
    /// be looked up.
    func prepare() {
        guard !isPrepared else { return }
        isPrepared = true
        producer.open([Topic.events, Topic.nodes])
    }

    func publish(_ event: ThrottleEvent) {
        do throws(KafkaError) {
            let acceptance = try producer.produce(topic: Topic.events.name, key: event.sourcePrefix.description, value: event.encoded(), headers: event.headers, token: Self.event)
            if acceptance == .accepted {
                isLosing = false
                return
            }
            if !isLosing { log.write(.warning, "the queue for Kafka is full; events are lost until it drains", [("queued", "\(producer.inFlight)")]) }
            isLosing = true
            lost += 1
        } catch {
            lost += 1
            if error.isFatal { begin(anew: error) }
        }
    }

    /// Whether it was taken.
    func publish(_ status: NodeStatus) -> Bool {
        guard !reports.isUnderWay else { return false }
        do throws(KafkaError) {
            guard try producer.produce(topic: Topic.nodes.name, key: status.node, value: status.encoded(), headers: status.headers, token: Self.report) == .accepted else {
                reports.refused += 1
                return false
            }
            reports.isUnderWay = true
            reports.isKnown = true
            return true
        } catch {
            reports.lost += 1
            if error.isFatal { begin(anew: error) }
            return false
        }
    }

    /// A clean stop: this node is none of those that are asked any more.
    func retire() {
        guard reports.isKnown else { return }
        _ = try? producer.produce(topic: Topic.nodes.name, key: node, value: nil, token: Self.report)
    }

    /// Whether the last report got lost; asked once, it is answered by another.
    func takeLoss() -> Bool {
        defer { reports.isLost = false }
        return reports.isLost
    }

    /// Takes what the library has to say. True when the producer was made anew, and with it its descriptor.
    func drain() -> Bool {
        var fatal: KafkaError?
        producer.drain { event in
            switch event {
            case .delivered(Self.report, let error):
                reports.isUnderWay = false
                if error == nil { reports.delivered += 1 } else { loseReport() }
            case .delivered(_, nil): delivered += 1
            case .delivered(_, .some): lost += 1
            case .notice(.connected): log.write(.info, "Kafka answers", [("queued", "\(producer.inFlight)")])
            case .notice(.disconnected(let reason)): log.write(.warning, "Kafka does not answer; detecting and limiting go on", [("reason", reason)])
            case .notice(.failure(let error)) where error.isFatal: fatal = error
            case .notice: break
            }
        }
        guard let fatal else { return false }
        return begin(anew: fatal)
    }

    private func loseReport() {
        reports.isUnderWay = false
        reports.lost += 1
        reports.isLost = true
    }

    /// After a broker has lost its state the library's instance is of no use any more.
    @discardableResult
    private func begin(anew error: KafkaError) -> Bool {
        guard let fresh = try? KafkaProducer(configuration, name: node) else { return false }
        let events = producer.inFlight - (reports.isUnderWay ? 1 : 0)
        log.write(.error, "Kafka lost its state; beginning anew", [("reason", "\(error)"), ("lost", "\(events)")])
        lost += events
        if reports.isUnderWay { loseReport() }
        producer.purge()
        producer = fresh
        if isPrepared { producer.open([Topic.events, Topic.nodes]) }
        return true
    }

    /// Waits for what is in flight, but not longer than that. How many events were given up.
    func close(withinMilliseconds milliseconds: Int) -> Int {
        let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        while producer.inFlight > 0, Clock.monotonic < end {
            _ = drain()
            if producer.inFlight > 0 { pause(milliseconds: 5) }
        }
        return producer.inFlight
    }
}
