internal import ControllerCore
internal import Detection
internal import Messages
internal import Units

/// What a record bears. Bytes are left out: the messages' encoding has tests of its own.
enum Body {
    case event(ThrottleEvent)
    case limit(Limit)
    case decision(ScaleDecision)
    case tombstone
}

struct Record {
    let key: String
    let body: Body
    /// CloudEvents id and time of an answer.
    var id: String?
    var time: Instant?
    var offset: Int64 = 0
    var appended = Instant(nanoseconds: 0)
}

/// A partition: records with rising offsets, some of which compaction has taken.
final class Log {
    private(set) var records: [Record] = []
    private(set) var next: Int64 = 0
    /// How often it was made anew.
    private(set) var life = 0

    func append(_ record: Record, at now: Instant) -> Int64 {
        var record = record
        (record.offset, record.appended) = (next, now)
        records.append(record)
        next += 1
        return record.offset
    }

    /// The first record at or behind an offset that readers may have by now.
    func first(from offset: Int64, appendedBefore bound: Instant) -> Record? {
        var low = 0, high = records.count
        while low < high {
            let middle = (low + high) / 2
            if records[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low < records.count && records[low].appended <= bound ? records[low] : nil
    }

    /// Keeps the last record of each key.
    func compact() {
        var last: [String: Int64] = [:]
        for record in records { last[record.key] = record.offset }
        records.removeAll { last[$0.key] != $0.offset }
    }

    func makeAnew() {
        (records, next) = ([], 0)
        life += 1
    }

    /// Where the first event that is not older lies; `nil` when there is none.
    func offset(atOrAfter time: Instant) -> Int64? { records.first { $0.appended >= time }?.offset }
}

enum TopicName { case events, limits, decisions }

/// Topics and a group, as far as Weir uses them.
final class Broker {
    let events: [Log]
    let limits = Log()
    let decisions = Log()
    var isUp = true
    var losesReports = false
    private(set) var committed: [Int: Succession.Committed] = [:]
    /// Members of the group by when they were heard last, and what they have.
    private var heard: [Int: Time] = [:]
    private(set) var assignment: [Int: Set<Int>] = [:]
    private(set) var generation = 0
    private static let sessionTimeout: Time = 3_000

    init(partitions: Int) { events = (0..<partitions).map { _ in Log() } }

    func log(_ topic: TopicName, _ partition: Int = 0) -> Log {
        switch topic {
        case .events: events[partition]
        case .limits: limits
        case .decisions: decisions
        }
    }

    func partition(of key: String) -> Int { Int(fnv(key) % UInt64(events.count)) }

    // MARK: The group

    func beat(_ member: Int, at now: Time) {
        guard isUp else { return }
        if heard.updateValue(now, forKey: member) == nil { rebalance() }
    }

    func leave(_ member: Int) { if heard.removeValue(forKey: member) != nil { rebalance() } }

    func expire(at now: Time) {
        guard isUp else { return }
        let gone = heard.filter { now - $0.value > Self.sessionTimeout }.map(\.key)
        for member in gone { heard[member] = nil }
        if !gone.isEmpty { rebalance() }
    }

    private func rebalance() {
        generation += 1
        assignment = [:]
        let members = heard.keys.sorted()
        guard !members.isEmpty else { return }
        for partition in events.indices { assignment[members[partition % members.count], default: []].insert(partition) }
    }

    /// Whoever is not of this generation any more may commit nothing.
    func commit(_ commits: [CommitLedger.Commit], generation: Int) -> Bool {
        guard isUp, generation == self.generation else { return false }
        for commit in commits {
            committed[commit.partition] = Succession.Committed(
                offset: commit.offset,
                newest: commit.newest == .distantPast ? nil : commit.newest)
        }
        return true
    }
}

/// FNV-1a.
func fnv(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
}

/// A producer: what it took is stored in its order, or comes back.
struct Sender {
    private var queue: [(number: Int64, topic: TopicName, record: Record, due: Time)] = []
    private var dice: Dice
    private static let most = 500
    private static let timeout: Time = 3_000

    init(_ dice: Dice) { self.dice = dice }

    var count: Int { queue.count }

    mutating func send(_ number: Int64, _ topic: TopicName, _ record: Record, at now: Time) -> Bool {
        guard queue.count < Self.most else { return false }
        queue.append((number, topic, record, now + dice.within(1...60)))
        return true
    }

    /// - Parameters:
    ///   - stored: told of each record that the broker has now.
    ///   - report: the number, and whether it was stored as far as anybody here knows.
    mutating func step(
        at now: Time, wall: Instant, _ broker: Broker, stored: (TopicName, Record, Int, Int64) -> Void,
        report: (Int64, Bool) -> Void
    ) {
        while let head = queue.first, head.due <= now {
            if !broker.isUp {
                guard now - head.due > Self.timeout else { return }
                queue.removeFirst()
                report(head.number, false)
                continue
            }
            queue.removeFirst()
            let partition = head.topic == .events ? broker.partition(of: head.record.key) : 0
            let offset = broker.log(head.topic, partition).append(head.record, at: wall)
            stored(head.topic, head.record, partition, offset)
            report(head.number, !(broker.losesReports && dice.happens(in: 30)))
        }
    }
}

/// A reader outside any group: every record, in order, some time after it was stored.
struct Follower {
    private(set) var next: Int64 = 0
    private var life = 0
    private var isBlockedUntil: Time = 0

    /// - Parameter madeAnew: told before the first record of a log that was made anew.
    mutating func read(_ log: Log, at now: Time, wall: Instant, _ dice: inout Dice, madeAnew: () -> Void = {}, _ body: (Record) -> Void) {
        if log.life != life {
            (life, next) = (log.life, 0)
            madeAnew()
        }
        guard now >= isBlockedUntil else { return }
        if dice.happens(in: 5) { isBlockedUntil = now + dice.within(10...400) }
        var left = 50
        while left > 0, let record = log.first(from: next, appendedBefore: wall) {
            body(record)
            next = record.offset + 1
            left -= 1
        }
        if log.first(from: next, appendedBefore: wall) == nil { next = max(next, log.next) }
    }

    func hasRead(_ log: Log) -> Bool { log.life == life && next >= log.next }
}
