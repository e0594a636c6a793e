internal import AgentCore
internal import Kafka
internal import Linux
internal import Log
internal import Units
internal import Vocabulary
internal import Messages
internal import Spool

/// Throttle events, and this node's reports of itself, to Kafka. While no broker answers the library's own bounded queue holds them; events are in the
/// spool as well, if there is one, until Kafka has them, and so outlive this process.
final class Publisher {
    /// What a delivery report is about: reports and events without a place in the spool by these, an event with one by its id behind them.
    private static let event: UInt64 = 0, report: UInt64 = 1
    private static func token(of id: Int64) -> UInt64 { UInt64(id) + report }

    private(set) var reports = Reports()
    private var producer: KafkaProducer
    private let configuration: KafkaConfiguration
    private let node: String
    private let log: Log
    /// What became of events, in the terms of the account of events; what the spool's part of it is comes from there.
    private var counts = Accounts()
    /// Of those that have no place in a spool.
    private var plainUnderWay = 0
    private var isLosing = false
    private var isPrepared = false
    private var outbox: Outbox?
    private var lone: LoneClient?
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

    // MARK: The spool

    /// Another agent has it from now on; what of it is with Kafka's client is sent once more by that one, with the ids that it has.
    func giveUpSpool() {
        guard let outbox else { return }
        let (kept, left) = outbox.close()
        counts[.handedOver] += kept
        counts[.left] += left
        take(outbox.dropped)
        self.outbox = nil
    }

    func use(_ outbox: Outbox?) {
        giveUpSpool()
        self.outbox = outbox
        guard let outbox else { return }
        counts[.found] += outbox.lookThrough(at: Clock.wallSeconds)
        if outbox.count > 0 { log.write(.info, "events of an earlier run are sent now", [("events", "\(outbox.count)")]) }
    }

    private func take(_ dropped: Outbox.Dropped) {
        counts[.spoolFull] += dropped.spoolFull
        counts[.tooOld] += dropped.tooOld
        counts[.diskFull] += dropped.diskFull
        counts[.asideFull] += dropped.asideFull
    }

    // MARK: Accounts

    /// Everything of the account of events but what was made.
    func account(into accounts: inout Accounts) {
        for term in Accounts.Term.allCases where term.account == .events { accounts[term] += counts[term] }
        accounts[.underWay] += plainUnderWay
        guard let outbox else { return }
        accounts[.spoolFull] += outbox.dropped.spoolFull
        accounts[.tooOld] += outbox.dropped.tooOld
        accounts[.diskFull] += outbox.dropped.diskFull
        accounts[.asideFull] += outbox.dropped.asideFull
        accounts[.underWay] += outbox.underWay
        accounts[.waiting] += outbox.waiting
        accounts[.aside] += outbox.aside
    }

    /// Whether news goes to Kafka rather than to wait.
    var isFree: Bool { isUp && outbox?.isCrowded != true }
    var delivered: Int { counts[.delivered] }
    /// Events on the disk that Kafka does not have, and what all of the spool's take up; `nil` without one.
    var spooled: (events: Int, bytes: Int)? { outbox.map { ($0.onDisk, $0.bytesHeld) } }

    var eventDescriptor: CInt { producer.eventDescriptor }
    var inFlight: Int { producer.inFlight }

    /// The topics are there (a broker that makes them on demand would make them otherwise than a controller does): the first event need not wait for them to
    /// be looked up.
    func prepare() {
        guard !isPrepared else { return }
        isPrepared = true
        producer.open([Topic.events, Topic.nodes])
    }

    func publish(_ event: ThrottleEvent) { publish(event.sourcePrefix.description, event.encoded(), event.headers) }

    /// Among the events, by its node's name.
    func publish(_ notice: LossNotice) {
        counts[.notices] += 1
        publish(notice.node, notice.encoded(), notice.headers)
    }

    private func publish(_ key: String, _ value: [UInt8], _ headers: [(name: String, value: String)]) {
        if let outbox {
            let (item, way) = outbox.add(key, value, headers, at: Clock.wallSeconds)
            // Behind others of its source that wait in the spool it waits there, too: a source's events stay in order.
            switch way.map({ produce(item, $0, outbox) }) ?? false {
            case true?: outbox.sent(item, way!)
            case false?: outbox.wait(item)
            case nil: break
            }
            return
        }
        do throws(KafkaError) {
            let acceptance = try producer.produce(topic: Topic.events.name, key: key, value: value, headers: headers, token: Self.event)
            if acceptance == .accepted {
                isLosing = false
                plainUnderWay += 1
                return
            }
            if !isLosing {
                log.write(.warning, "the queue for Kafka is full; events are lost until it drains", [("queued", "\(producer.inFlight)")])
            }
            isLosing = true
            counts[.queueFull] += 1
        } catch {
            lose(error)
            if error.isFatal { begin(anew: error) }
        }
    }

    /// One event is given up.
    private func lose(_ error: KafkaError) {
        counts[.refused] += 1
        lossLog.write(
            log, .warning, "an event is lost: Kafka does not take it, and there is no --state to keep it in",
            [("reason", error.reason), ("lost", "\(counts[.refused])")])
    }

    /// What somebody has to mend, once.
    func hear(_ error: KafkaError) {
        guard troubles.isNews(error, at: Clock.monotonic) else { return }
        log.write(.warning, "Kafka refuses something", [("reason", error.reason)] + (error.advice.map { [("advice", $0)] } ?? []))
    }

    /// Hands over one of the spool's. False when the library takes no more for now, `nil` when it never takes this one.
    private func produce(_ item: Spool.Item, _ way: SendOrder.Way?, _ outbox: Outbox) -> Bool? {
        do throws(KafkaError) {
            let headers = item.headers.map { (name: $0.name, value: $0.value) }
            return try producer.produce(
                topic: Topic.events.name, key: item.key, value: item.value, headers: headers,
                token: Self.token(of: item.id)) == .accepted
        } catch {
            if error.isFatal { begin(anew: error) }
            guard error.subject == .record else { return false }
            outbox.refusedAtOnce(item, way, error.reason, at: Clock.monotonic)
            return nil
        }
    }

    /// Ten times a second: what the spool has kept back goes on, and what it was told is on the disk.
    func tick() {
        lossLog.flush(log)
        guard let outbox else { return }
        outbox.giveUpOld(at: Clock.wallSeconds)
        handOver()
        tryDoubtful(outbox)
        if !outbox.commit() {
            if !isUnwritable { log.write(.warning, "the spool cannot be written; events are only in memory until it can") }
            isUnwritable = true
        } else {
            if isUnwritable { log.write(.info, "the spool is written again") }
            isUnwritable = false
        }
    }

    /// What waits in the spool, a turn's worth of it.
    private func handOver() {
        guard let outbox else { return }
        outbox.eachWaiting(at: Clock.monotonic) { produce($0, nil, outbox) }
    }

    /// What was refused for what it is, one by one.
    private func tryDoubtful(_ outbox: Outbox) {
        let now = Clock.monotonic
        if let fatal = lone?.drain({ id, error in self.report(id, error) }) {
            hear(fatal)
            lone = nil
            outbox.loneBeginsAnew()
        }
        guard outbox.hasDoubts else { return }
        if lone == nil { lone = try? LoneClient(configuration, node: node) }
        guard let lone else { return }
        outbox.eachDoubtful(at: now) { item in
            do throws(KafkaError) { return try lone.produce(item) } catch {
                outbox.refused(item.id, error.reason, isCertain: error.subject == .record, at: now)
                return nil
            }
        }
    }

    /// What became of one of the spool's.
    private func report(_ id: Int64, _ error: KafkaError?) {
        guard let outbox else { return }
        guard let error else {
            // The one whose spool it is now counts it.
            if outbox.delivered(id) { counts[.delivered] += 1 }
            return
        }
        if !error.isPurged { hear(error) }
        switch error.subject {
        case .everything: outbox.failed(id, at: Clock.monotonic)
        case .record, .unclear:
            let before = outbox.aside + outbox.dropped.asideFull
            outbox.refused(id, error.reason, isCertain: error.subject == .record, at: Clock.monotonic)
            guard outbox.aside + outbox.dropped.asideFull > before else { return }
            lossLog.write(
                log, .warning, "an event is set aside: the broker refuses it, and takes others",
                [("reason", error.reason), ("aside", "\(outbox.aside)")])
        }
    }

    /// Whether it was taken.
    func publish(_ status: NodeStatus) -> Bool {
        guard !reports.isUnderWay else { return false }
        do throws(KafkaError) {
            guard
                try producer.produce(
                    topic: Topic.nodes.name, key: status.node, value: status.encoded(), headers: status.headers, token: Self.report)
                    == .accepted
            else {
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
            case .delivered(Self.event, nil):
                troubles.clear()
                plainUnderWay -= 1
                counts[.delivered] += 1
            case .delivered(Self.event, let error?):
                if !error.isPurged { hear(error) }
                plainUnderWay -= 1
                lose(error)
            case .delivered(let token, let error):
                if error == nil { troubles.clear() }
                report(Int64(token - Self.report), error)
            case .notice(.connected):
                if !isUp { log.write(.info, "Kafka answers", [("queued", "\(producer.inFlight)")]) }
                isUp = true
            case .notice(.disconnected(let outage)):
                isUp = false
                log.write(
                    .warning, "Kafka does not answer; detecting and limiting go on",
                    [("reason", outage.reason)] + (outage.advice.map { [("advice", $0)] } ?? []))
            case .notice(.failure(let error)) where error.isFatal: fatal = error
            case .notice(.failure(let error)): hear(error)
            case .notice: break
            }
        }
        if let fatal { return begin(anew: fatal) }
        handOver()
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
        (pending, begunAt) = (nil, now)
        if error.isAuthorization {
            hear(error)
        } else {
            log.write(.error, "Kafka lost its state; beginning anew", [("reason", "\(error)"), ("lost", "\(plainUnderWay)")])
        }
        counts[.clientLost] += plainUnderWay
        plainUnderWay = 0
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
        guard let outbox else { return (plainUnderWay, 0) }
        let (kept, left) = outbox.close()
        return (plainUnderWay + left, kept)
    }
}
