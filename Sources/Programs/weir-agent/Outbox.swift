internal import AgentCore
internal import Messages
internal import Spool

/// Events on the disk (`Spool`), in what order they go to Kafka's client (`SendOrder`), and what becomes of those that cannot stay or
/// cannot go. A class, so that a report that comes in while records are handed over finds it.
///
/// Where it is full, the oldest that wait make room: they are of least use to whoever limits and scales now. Nothing leaves uncounted.
final class Outbox {
    struct Bounds {
        /// What the events may take up.
        let bytes: Int
        /// Seconds that one may wait.
        let age: Int64
    }

    /// What left otherwise than to Kafka, since the start.
    struct Dropped {
        var spoolFull = 0, tooOld = 0, diskFull = 0, asideFull = 0
    }

    /// One that the broker refused for what it is, as far as anybody knows: it goes alone from then on.
    private struct Doubt {
        let size: Int
        var refusals: Int
        var retryAt: UInt64
        var isUnderWay = false
        /// How many others had been delivered when it was refused.
        var delivered: Int
    }

    private var spool: Spool
    private var order: SendOrder
    private var doubts: [Int64: Doubt] = [:]
    private let bounds: Bounds
    private var bytes = 0
    private var delivered = 0
    private(set) var dropped = Dropped()

    /// A turn, so that a long outage's worth holds up neither verdicts nor the news.
    private static let mostATurn = 100
    /// What the broker would not take is offered again after so long, in nanoseconds.
    private static let patience: UInt64 = 1_000_000_000
    /// Then it goes aside.
    private static let mostRefusals = 3
    private let mostDoubts: Int
    /// Written before the tick; and where the disk takes nothing, no more is kept than twice that.
    private static let writtenEarly = 4 << 20
    static let mostGivenUpATurn = 1_000

    /// - Parameters:
    ///   - name: what errors call the directory.
    ///   - now: seconds since the Unix epoch.
    init(_ directory: String, named name: String, _ bounds: Bounds, at now: Int64) throws(SpoolError) {
        spool = try Spool(directory: directory, named: name, now: now)
        self.bounds = bounds
        // What is with the client, or goes alone, makes no room for others: so it is half of a small spool at most. An event takes 2 KiB.
        let events = bounds.bytes / 2_048
        order = SendOrder(mostInTurn: min(1_000, events / 8), mostPassing: min(4_000, events / 4))
        mostDoubts = min(1_000, events / 8)
        // Where nothing waits the first event goes at once.
        if spool.count == 0 { order.pass(spool.last) }
    }

    /// Looks at what an earlier run has left, all of it: far from the start's way to the interfaces. How much there is.
    /// - Parameter now: seconds since the Unix epoch.
    func lookThrough(at now: Int64) -> Int {
        spool.eachKey { key, size in
            order.wait(key: key)
            bytes += size
        }
        let found = spool.count + spool.asideCount
        // Before any of it is with the client.
        giveUpOld(at: now, atMost: .max)
        keepBounds()
        return found
    }

    /// Events that Kafka does not have, those aside left out.
    var count: Int { spool.count }
    /// Those of them that a kill would leave, as of the last commit.
    var onDisk: Int { spool.written }
    var underWay: Int { order.underWay + doubts.count { $0.value.isUnderWay } }
    var waiting: Int { spool.count - underWay }
    var aside: Int { spool.asideCount }
    var bytesHeld: Int { bytes }
    /// News of losses would cost others their place.
    var isCrowded: Bool { bytes > bounds.bytes / 8 * 7 }

    // MARK: News

    /// Keeps a new one, and says how it may go at once: then `sent` or `wait` is to follow.
    func add(
        _ key: String, _ value: [UInt8], _ headers: [(name: String, value: String)],
        at now: Int64
    ) -> (item: Spool.Item, way: SendOrder.Way?) {
        let item = spool.add(key: key, headers: headers.map { Spool.Header(name: $0.name, value: $0.value) }, value: value, at: now)
        bytes += item.size
        return (item, order.way(of: item.id, key: key))
    }

    func sent(_ item: Spool.Item, _ way: SendOrder.Way) {
        order.sent(item.id, key: item.key, size: item.size, way)
        keepBounds()
    }

    func wait(_ item: Spool.Item) {
        order.wait(key: item.key)
        keepBounds()
    }

    // MARK: Reports

    /// False where nobody waited for it.
    func delivered(_ id: Int64) -> Bool {
        guard let size = doubts.removeValue(forKey: id)?.size ?? order.delivered(id) else { return false }
        spool.remove(id)
        bytes -= size
        delivered += 1
        return true
    }

    /// It is offered again, and what was added after it and is with the client already is not.
    func failed(_ id: Int64, at now: UInt64) {
        if doubts[id] != nil {
            doubts[id]!.isUnderWay = false
            doubts[id]!.retryAt = now + Self.patience
        } else {
            order.failed(id, retryAt: now + Self.patience)
        }
    }

    /// The broker refuses it, not the rest. It is offered alone, and goes aside when it was refused three times.
    /// - Parameter isCertain: the broker says so; otherwise a refusal counts only if others were taken since the last one.
    func refused(_ id: Int64, _ reason: String, isCertain: Bool, at now: UInt64) {
        guard var doubt = doubts[id] else {
            guard doubts.count < mostDoubts else { return failed(id, at: now) }
            guard let size = order.withdraw(id) else { return }
            doubts[id] = Doubt(size: size, refusals: 1, retryAt: now + Self.patience, delivered: delivered)
            return
        }
        if isCertain || delivered > doubt.delivered { doubt.refusals += 1 }
        (doubt.isUnderWay, doubt.retryAt, doubt.delivered) = (false, now + Self.patience, delivered)
        doubts[id] = doubt
        guard doubt.refusals >= Self.mostRefusals, let item = item(id) else { return }
        doubts[id] = nil
        bytes -= doubt.size
        dropped.asideFull += spool.setAside(item, reason: reason)
    }

    /// It is too large for the client itself, or the like: as if the broker had refused it.
    func refusedAtOnce(_ item: Spool.Item, _ way: SendOrder.Way?, _ reason: String, at now: UInt64) {
        if let way { sent(item, way) } else { order.sentWaiting(item.id, key: item.key, size: item.size) }
        refused(item.id, reason, isCertain: true, at: now)
    }

    private func item(_ id: Int64) -> Spool.Item? { spool.items(after: id - 1, atMost: 1).first.flatMap { $0.id == id ? $0 : nil } }

    /// The client has forgotten all that it had.
    func beginAnew() { order.beginAnew() }
    func loneBeginsAnew() { for id in doubts.keys { doubts[id]!.isUnderWay = false } }

    // MARK: What waits

    var hasDoubts: Bool { !doubts.isEmpty }
    private func isBusy(_ id: Int64) -> Bool { order.isUnderWay(id) || doubts[id] != nil }

    /// Those whose turn it is, in their order, until `body` says no. Where it says nothing it has dealt with the item itself.
    func eachWaiting(at now: UInt64, _ body: (Spool.Item) -> Bool?) {
        var left = Self.mostATurn
        while left > 0, order.isDue(upTo: spool.last, at: now), doubts.count < mostDoubts {
            let items = spool.items(after: order.cursor, atMost: min(left, 50))
            guard !items.isEmpty else { return order.pass(spool.last) }
            for item in items {
                guard order.isDue(upTo: spool.last, at: now) else { return }
                if isBusy(item.id) {
                    order.pass(item.id)
                } else if let isTaken = body(item) {
                    guard isTaken else { return }
                    order.sentWaiting(item.id, key: item.key, size: item.size)
                }
            }
            left -= items.count
        }
    }

    /// Those that go alone and may be tried again, until `body` says no.
    func eachDoubtful(at now: UInt64, _ body: (Spool.Item) -> Bool?) {
        for id in doubts.filter({ !$0.value.isUnderWay && $0.value.retryAt <= now }).keys.sorted().prefix(Self.mostATurn) {
            guard let item = item(id), let isTaken = body(item) else { continue }
            guard isTaken else { return }
            doubts[id]!.isUnderWay = true
        }
    }

    // MARK: Bounds

    private func keepBounds() {
        if bytes > bounds.bytes {
            // A little more than it takes, so that not each newcomer looks for one to go.
            let enough = bounds.bytes - bounds.bytes / 64
            dropped.spoolFull += giveUp(atMost: .max) { _ in bytes > enough }
        }
        guard spool.freshBytes > Self.writtenEarly, !commit(), spool.freshBytes > 2 * Self.writtenEarly else { return }
        // The disk takes nothing, and memory is bounded, too.
        let floor = spool.oldestFresh?.id ?? 0
        dropped.diskFull += giveUp(after: floor - 1, atMost: .max, among: { spool.isFresh($0.id) }) { _ in
            spool.freshBytes > 2 * Self.writtenEarly
        }
    }

    /// What waited too long. From the tick.
    /// - Parameter now: seconds since the Unix epoch.
    func giveUpOld(at now: Int64, atMost most: Int = Outbox.mostGivenUpATurn) {
        guard waiting > 0 else { return }
        dropped.tooOld += giveUp(atMost: most) { $0.added < now - bounds.age }
    }

    /// Gives up the oldest that wait, as long as `condition` holds. How many those were.
    private func giveUp(
        after start: Int64? = nil, atMost most: Int, among: (Spool.Item) -> Bool = { _ in true },
        while condition: (Spool.Item) -> Bool
    ) -> Int {
        var count = 0, place = start ?? order.cursor
        while count < most {
            let items = spool.items(after: place, atMost: 64)
            guard let last = items.last?.id else { return count }
            for item in items where !isBusy(item.id) && among(item) {
                guard count < most, condition(item) else { return count }
                order.leave(key: item.key)
                spool.remove(item.id)
                bytes -= item.size
                count += 1
            }
            place = last
        }
        return count
    }

    // MARK: What the limits topic said last

    var limits: [[UInt8]] { spool.limits.map(\.value) }
    func keep(_ limit: Limit) { spool.keep(limit: limit.key.description, value: limit.encoded()) }
    func forget(_ key: Limit.Key) { spool.forget(limit: key.description) }

    /// False when the disk does not take it; then it is kept in memory, and written with the next.
    @discardableResult
    func commit() -> Bool { spool.commit() }

    /// For the last time: what is on the disk, those aside as well, and what could not be written there.
    func close() -> (kept: Int, left: Int) {
        let isKept = spool.close(), left = isKept ? 0 : spool.freshCount
        return (spool.count + spool.asideCount - left, left)
    }
}
