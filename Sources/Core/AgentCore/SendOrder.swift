internal import Messages

/// In what order kept events go to Kafka's client, and how many of them are with it.
///
/// What waits goes in its own order (`DeliveryWindow`), at most `mostInTurn` at a time. An event that nothing of its source waits before
/// may pass all that: so after an outage the news does not stand behind an hour's worth of history, and a source's events stay in
/// their order all the same. What was refused for what it is leaves the order, and holds nobody up.
package struct SendOrder: Sendable {
    package enum Way: Sendable, Equatable {
        /// Nothing waits before it.
        case inTurn
        /// Nothing of its source does.
        case passing
    }

    private struct Sent: Sendable {
        let lane: Int
        let size: Int
    }

    private var window = DeliveryWindow()
    private var lanes: Lanes
    private var sent: [Int64: Sent] = [:]
    private let mostInTurn: Int
    private let mostPassing: Int

    /// What a client holds for a broker that is away is memory, so there is not much of it: the spool has the rest.
    package init(mostInTurn: Int = 1_000, mostPassing: Int = 4_000, lanes: Int = 1 << 14) {
        self.mostInTurn = mostInTurn
        self.mostPassing = mostPassing
        self.lanes = Lanes(count: lanes)
    }

    package var underWay: Int { window.count }
    package func isUnderWay(_ id: Int64) -> Bool { window.isUnderWay(id) }
    /// What waits has a higher id, or is under way.
    package var cursor: Int64 { window.handedOver }

    /// Whether something up to `last` may go now.
    package func isDue(upTo last: Int64, at now: UInt64) -> Bool { window.countInTurn < mostInTurn && window.isDue(upTo: last, at: now) }

    /// How a new event may go at once; `nil` where it has to wait (`wait`).
    package func way(of id: Int64, key: String) -> Way? {
        if window.isNext(id) { return window.countInTurn < mostInTurn ? .inTurn : nil }
        return lanes.isFree(lanes.lane(of: key)) && window.countPassing < mostPassing ? .passing : nil
    }

    /// It waits: an event of an earlier run, or one that may not go yet.
    package mutating func wait(key: String) { lanes.wait(lanes.lane(of: key)) }

    /// A new event is with the client.
    package mutating func sent(_ id: Int64, key: String, size: Int, _ way: Way) {
        switch way {
        case .inTurn: window.handOver(id)
        case .passing: window.pass(by: id)
        }
        sent[id] = Sent(lane: lanes.lane(of: key), size: size)
    }

    /// One that waited is with the client.
    package mutating func sentWaiting(_ id: Int64, key: String, size: Int) {
        let lane = lanes.lane(of: key)
        lanes.leave(lane)
        window.handOver(id)
        sent[id] = Sent(lane: lane, size: size)
    }

    /// There is nothing to send up to here: it is under way, or gone.
    package mutating func pass(_ id: Int64) { window.pass(id) }

    /// One that waited waits no more: it was given up, or set aside.
    package mutating func leave(key: String) { lanes.leave(lanes.lane(of: key)) }

    /// The broker has it. Its size, or `nil` where it was not under way.
    package mutating func delivered(_ id: Int64) -> Int? {
        window.delivered(id)
        return sent.removeValue(forKey: id)?.size
    }

    /// It came back, and waits.
    package mutating func failed(_ id: Int64, retryAt: UInt64) {
        guard let one = sent.removeValue(forKey: id) else { return }
        lanes.wait(one.lane)
        window.failed(id, retryAt: retryAt)
    }

    /// It came back for what it is, and leaves the order. Its size.
    package mutating func withdraw(_ id: Int64) -> Int? { delivered(id) }

    /// The client has forgotten all that it had.
    package mutating func beginAnew() {
        for one in sent.values { lanes.wait(one.lane) }
        sent.removeAll()
        window.beginAnew()
    }
}

/// Which keys have something waiting, in memory that does not grow: keys share lanes by a hash. So a stranger's backlog may hold a key
/// back, and none ever overtakes itself.
package struct Lanes: Sendable, Equatable {
    private var waiting: [UInt32]

    /// - Parameter count: a power of two.
    package init(count: Int = 1 << 14) {
        precondition(count > 0 && count & (count - 1) == 0, "lanes are a power of two")
        waiting = Array(repeating: 0, count: count)
    }

    package func lane(of key: String) -> Int { Int(truncatingIfNeeded: fingerprint(of: key.utf8)) & (waiting.count - 1) }
    package func isFree(_ lane: Int) -> Bool { waiting[lane] == 0 }
    package mutating func wait(_ lane: Int) { waiting[lane] += 1 }
    package mutating func leave(_ lane: Int) { if waiting[lane] > 0 { waiting[lane] -= 1 } }
}
