internal import Messages
internal import Spool

/// What of the spool is with the Kafka client, and what still waits for it. A class, so that a report that comes in while records are handed over finds it.
final class Outbox {
    private var spool: Spool
    private var window = DeliveryWindow()
    /// Events that it had no room for, or that could not be written.
    private(set) var refused = 0

    /// As many a tick, so that a long outage's worth does not hold up the loop.
    private static let most = 2_000
    /// What the broker would not take is offered again after so long, in nanoseconds.
    private static let patience: UInt64 = 1_000_000_000

    /// - Parameter name: what errors call the directory.
    init(_ directory: String, named name: String) throws(SpoolError) {
        spool = try Spool(directory: directory, named: name)
        count = spool.count
        // Where nothing waits the first event goes at once.
        if count == 0 { window.pass(spool.last) }
    }

    /// Events on the disk, as of the last commit.
    private(set) var count = 0
    var underWay: Int { window.count }

    /// `nil` when there is no room.
    func add(_ key: String, _ value: [UInt8], _ headers: [(name: String, value: String)]) -> Int64? {
        let id = spool.add(key: key, headers: headers.map { Spool.Header(name: $0.name, value: $0.value) }, value: value)
        if id == nil { refused += 1 }
        return id
    }

    /// Whether nothing that was added before it waits.
    func isNext(_ id: Int64) -> Bool { window.isNext(id) }
    func handOver(_ id: Int64) { window.handOver(id) }

    func delivered(_ id: Int64) {
        window.delivered(id)
        spool.remove(id)
    }

    /// It is offered again, and what was added after it and is with the client already is not.
    func failed(_ id: Int64, at now: UInt64) { window.failed(id, retryAt: now + Self.patience) }

    /// The client has forgotten all that it had.
    func beginAnew() { window.beginAnew() }

    /// Those that are not with the client, in their order, until `body` says no.
    func eachWaiting(at now: UInt64, _ body: (Spool.Item) -> Bool) {
        guard window.isDue(upTo: spool.last, at: now) else { return }
        var left = Self.most
        while left > 0 {
            let items = spool.items(after: window.handedOver, atMost: min(left, 250))
            guard !items.isEmpty else { return window.pass(spool.last) }
            for item in items {
                if window.isUnderWay(item.id) { window.pass(item.id) } else if !body(item) { return }
            }
            left -= items.count
        }
    }

    // MARK: What the limits topic said last

    var limits: [[UInt8]] { spool.limits.map(\.value) }
    func keep(_ limit: Limit) { spool.keep(limit: limit.key.description, value: limit.encoded()) }
    func forget(_ key: Limit.Key) { spool.forget(limit: key.description) }

    /// False when the disk does not take it.
    @discardableResult
    func commit() -> Bool {
        guard spool.commit() else {
            // What was taken out is in it again, if SQLite has given the transaction up: it goes once more, with the id that it had.
            window.lookAgain()
            return false
        }
        count = spool.count
        return true
    }
}
