internal import Kafka
internal import Linux
internal import Log
internal import Wire
internal import Messages

/// Throttle events to Kafka. The library's own bounded queue holds them while no broker answers.
final class Publisher {
    private var producer: KafkaProducer
    private let configuration: KafkaConfiguration
    private let node: String
    private let log: Log
    private(set) var delivered = 0
    /// Events that Kafka will never have, because the queue was full or the broker lost its state.
    private(set) var lost = 0
    private var isLosing = false

    init(_ configuration: KafkaConfiguration, node: String, log: Log) throws(KafkaError) {
        self.configuration = configuration
        self.node = node
        self.log = log
        producer = try KafkaProducer(configuration, name: node)
    }

    var eventDescriptor: CInt { producer.eventDescriptor }
    var inFlight: Int { producer.inFlight }

    func publish(_ event: ThrottleEvent) {
        do throws(KafkaError) {
            let acceptance = try producer.produce(topic: Topic.events.name, key: event.sourcePrefix.description, value: event.encoded(), headers: event.headers, token: 0)
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

    /// Takes what the library has to say. True when the producer was made anew, and with it its descriptor.
    func drain() -> Bool {
        var fatal: KafkaError?
        producer.drain { event in
            switch event {
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

    /// After a broker has lost its state the library's instance is of no use any more.
    @discardableResult
    private func begin(anew error: KafkaError) -> Bool {
        guard let fresh = try? KafkaProducer(configuration, name: node) else { return false }
        log.write(.error, "Kafka lost its state; beginning anew", [("reason", "\(error)"), ("lost", "\(producer.inFlight)")])
        lost += producer.inFlight
        producer.purge()
        producer = fresh
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
