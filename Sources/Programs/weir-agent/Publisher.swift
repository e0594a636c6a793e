internal import Kafka
internal import Linux
internal import Log
internal import Wire
internal import Messages
internal import Spool

/// Throttle events, and this node's reports of itself, to Kafka. While no broker answers the library's own bounded queue holds them; events are in the
/// spool as well, if there is one, until Kafka has them, and so outlive this process.
final class Publisher {
    /// What a delivery report is about: reports and events without a place in the spool by these, an event with one by its id behind them.
    private static let event: UInt64 = 0, report: UInt64 = 1
    private static func token(of id: Int64) -> UInt64 { UInt64(id) + report }

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
    private var outbox: Outbox?
    private var isUnwritable = false
    private var troubles = KafkaTroubles()
    /// As the log has it; a client made anew connects as well.
    private var isUp = false
    private var lossLog = LimitedLog(interval: 60_000_000_000)
    /// Why the library's instance is of no use any more, where making another at once would fail in the same way.
    private var pending: KafkaError?
    private var begunAt: UInt64 = 0
    private static let patience: UInt64 = 5_000_000_000

    init(_ configuration: KafkaConfiguration, node: String, log: Log) throws(KafkaError) {
        self.configuration = configuration
        self.node = node
        self.log = log
        producer = try KafkaProducer(configuration, name: node)
    }

    /// Another agent has it from now on; what of it is with Kafka's client is sent once more by that one, with the ids that it has.
    func giveUpSpool() {
        outbox?.commit()
        outbox = nil
    }

    func use(_ outbox: Outbox?) {
        self.outbox = outbox
        if let outbox, outbox.count > 0 { log.write(.info, "events of an earlier run are sent now", [("events", "\(outbox.count)")]) }
    }

    /// Events in the spool, and those that found no room there; `nil` without one.
    var spooled: (events: Int, refused: Int)? { outbox.map { ($0.count, $0.refused) } }

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
        let key = event.sourcePrefix.description, value = event.encoded(), headers = event.headers
        if let outbox, let id = outbox.add(key, value, headers) {
            // Behind others that wait in the spool it waits there, too: a source's events stay in order.
            if outbox.isNext(id) { _ = produce(Spool.Item(id: id, key: key, value: value, headers: headers.map { Spool.Header(name: $0.name, value: $0.value) }), outbox) }
            return
        }
        do throws(KafkaError) {
            let acceptance = try producer.produce(topic: Topic.events.name, key: key, value: value, headers: headers, token: Self.event)
            if acceptance == .accepted {
                isLosing = false
                return
            }
            if !isLosing { log.write(.warning, "the queue for Kafka is full; events are lost until it drains", [("queued", "\(producer.inFlight)")]) }
            isLosing = true
            lost += 1
        } catch {
            lose(error)
            if error.isFatal { begin(anew: error) }
        }
    }

    /// One event is given up.
    private func lose(_ error: KafkaError) {
        lost += 1
        lossLog.write(log, .warning, "an event is lost: Kafka does not take it, and there is no --state to keep it in", [("reason", error.reason), ("lost", "\(lost)")])
    }

    /// What somebody has to mend, once.
    func hear(_ error: KafkaError) {
        guard troubles.isNews(error, at: Clock.monotonic) else { return }
        log.write(.warning, "Kafka refuses something", [("reason", error.reason)] + (error.advice.map { [("advice", $0)] } ?? []))
    }

    /// Hands over one of the spool's. False when the library takes no more for now.
    private func produce(_ item: Spool.Item, _ outbox: Outbox) -> Bool {
        do throws(KafkaError) {
            let headers = item.headers.map { (name: $0.name, value: $0.value) }
            guard try producer.produce(topic: Topic.events.name, key: item.key, value: item.value, headers: headers, token: Self.token(of: item.id)) == .accepted else { return false }
            outbox.handOver(item.id)
            return true
        } catch {
            if error.isFatal { begin(anew: error) } else { outbox.handOver(item.id); outbox.failed(item.id, at: Clock.monotonic) }
            return false
        }
    }

    /// Ten times a second: what the spool has kept back goes on, and what it was told is on the disk.
    func tick() {
        lossLog.flush(log)
        guard let outbox else { return }
        outbox.eachWaiting(at: Clock.monotonic) { produce($0, outbox) }
        if !outbox.commit() {
            if !isUnwritable { log.write(.warning, "the spool cannot be written; events are only in memory until it can") }
            isUnwritable = true
        } else {
            isUnwritable = false
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
            case .delivered(let token, nil):
                delivered += 1
                troubles.clear()
                if token > Self.report { outbox?.delivered(Int64(token - Self.report)) }
            case .delivered(let token, let error?):
                if !error.isPurged { hear(error) }
                if token > Self.report { outbox?.failed(Int64(token - Self.report), at: Clock.monotonic) } else { lose(error) }
            case .notice(.connected):
                if !isUp { log.write(.info, "Kafka answers", [("queued", "\(producer.inFlight)")]) }
                isUp = true
            case .notice(.disconnected(let outage)):
                isUp = false
                log.write(.warning, "Kafka does not answer; detecting and limiting go on", [("reason", outage.reason)] + (outage.advice.map { [("advice", $0)] } ?? []))
            case .notice(.failure(let error)) where error.isFatal: fatal = error
            case .notice(.failure(let error)): hear(error)
            case .notice: break
            }
        }
        if let fatal { return begin(anew: fatal) }
        return pending.map { begin(anew: $0) } ?? false
    }

    private func loseReport() {
        reports.isUnderWay = false
        reports.lost += 1
        reports.isLost = true
    }

    /// After a broker has lost its state the library's instance is of no use any more.
    @discardableResult
    private func begin(anew error: KafkaError) -> Bool {
        // A permission that is missing now is missing a moment later.
        let now = Clock.monotonic
        pending = error
        guard begunAt == 0 || now - begunAt > Self.patience else { return false }
        guard let fresh = try? KafkaProducer(configuration, name: node) else { return false }
        let events = producer.inFlight - (reports.isUnderWay ? 1 : 0) - (outbox?.underWay ?? 0)
        (pending, begunAt) = (nil, now)
        if error.isAuthorization { hear(error) } else { log.write(.error, "Kafka lost its state; beginning anew", [("reason", "\(error)"), ("lost", "\(events)")]) }
        lost += events
        if reports.isUnderWay { loseReport() }
        producer.purge()
        producer = fresh
        outbox?.beginAnew()
        if isPrepared { producer.open([Topic.events, Topic.nodes]) }
        return true
    }

    /// Waits for what is in flight, but not longer than that. How many records were given up, and how many events the spool keeps for the next run.
    func close(withinMilliseconds milliseconds: Int) -> (givenUp: Int, kept: Int) {
        let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        while producer.inFlight > 0, Clock.monotonic < end {
            _ = drain()
            if producer.inFlight > 0 { pause(milliseconds: 5) }
        }
        outbox?.commit()
        return (producer.inFlight - (outbox?.underWay ?? 0), outbox?.count ?? 0)
    }
}
