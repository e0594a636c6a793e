internal import Units
internal import Vocabulary
internal import Wire

/// What one source has done lately, for a bounded number of sources. Memory is taken at the start; nothing here allocates once it stands.
///
/// A source's place is in one row of eight. In a row that is full a newcomer takes the place that is missed least, so a flood of
/// sources cannot keep a new attacker out. Places do not move.
struct SourceTable {
    struct Source {
        var prefix = Prefix(Address(high: 0, low: 0), length: 0)
        var isUsed = false
        /// The last event, or what stands for it; `distantPast` if none.
        var lastEvent = Instant.distantPast
        var lastSeen = Instant.distantPast
        var since = Instant.distantPast
        /// Since the last event.
        var seen = 0
        var suppressed = 0
        var reset = 0
        var dropped = 0
        /// What an enforcing node would have refused since the last event, and the second that is counted for it.
        var wouldRefuse = 0
        var secondBegan = Instant.distantPast
        var inSecond = 0
        var anomalies = AnomalySet()
        /// Of all that is counted here: what others may act on and what they may not are never added up.
        var reach = Reach.source
        /// What the next event is about.
        var latest = Handshake()
        /// Where the bytes of that hello lie.
        var hello = HelloStore.Place()
        var isLimited = false
        /// It was over its limit at some time.
        var wasRefused = false
        /// Waits for its second to pass.
        var isQueued = false
        /// Its event was ordered, and not taken yet.
        var isDue = false
        /// Nobody was told of it, and the minute has no room for another new source (`Newcomers`).
        var isHeld = false

        /// Since the last event.
        var refused: Int { reset + dropped + wouldRefuse }

        mutating func clearCounts() {
            seen = 0
            suppressed = 0
            reset = 0
            dropped = 0
            wouldRefuse = 0
        }
    }

    static let ways = 8

    /// By slot. Written in place: an accessor of our own would be a coroutine, which may allocate its frame.
    var slots: [Source]
    /// Part of each slot's hash, so that a row is looked through within one cache line; 0 where nobody is.
    private var tags: [UInt32]
    private(set) var count = 0
    private let rows: Int, ways: Int
    private let key: UInt64

    /// - Parameters:
    ///   - capacity: how many sources at least, when they fall evenly on the rows; a power of two. There are twice as many slots.
    ///   - key: of the hash, so that nobody can choose addresses that share a row.
    init(capacity: Int, key: UInt64) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a table's capacity is a power of two")
        self.key = key
        ways = min(Self.ways, capacity * 2)
        rows = capacity * 2 / ways
        slots = Array(repeating: Source(), count: capacity * 2)
        tags = Array(repeating: 0, count: capacity * 2)
    }

    private func place(of prefix: Prefix) -> (row: Range<Int>, tag: UInt32) {
        var hash = (prefix.address.high ^ key ^ 0x9e37_79b9_7f4a_7c15) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 32 ^ prefix.address.low) &* 0xc4ce_b9fe_1a85_ec53
        let first = Int(truncatingIfNeeded: hash >> 16) & (rows - 1) * ways
        return (first..<first + ways, UInt32(truncatingIfNeeded: hash >> 32) | 1)
    }

    /// The slot of a source that is there.
    func slot(of prefix: Prefix) -> Int? {
        let (row, tag) = place(of: prefix)
        for slot in row where tags[slot] == tag && slots[slot].prefix == prefix { return slot }
        return nil
    }

    /// The slot that a new source gets: one that is free, or that of the source that is missed least. `nil` where each source of the
    /// row has an event that is about to be made.
    func slot(forNew prefix: Prefix) -> Int? {
        var best: (slot: Int, rank: Int, lastSeen: Instant)?
        for slot in place(of: prefix).row {
            if tags[slot] == 0 { return slot }
            if slots[slot].isDue { continue }
            // Who was over a limit is worth more than who came once, and what nobody was told of more than what was told.
            let rank = slots[slot].wasRefused ? 2 : slots[slot].seen > 0 ? 1 : 0, lastSeen = slots[slot].lastSeen
            if let best, (best.rank, best.lastSeen) <= (rank, lastSeen) { continue }
            best = (slot, rank, lastSeen)
        }
        return best?.slot
    }

    /// The slot is this source's from now on. Whose it was is forgotten.
    mutating func settle(_ prefix: Prefix, in slot: Int) {
        if tags[slot] == 0 { count += 1 }
        tags[slot] = place(of: prefix).tag
        // The queue has the slot once, whosever it is.
        let isQueued = slots[slot].isQueued
        slots[slot] = Source()
        slots[slot].prefix = prefix
        slots[slot].isUsed = true
        slots[slot].isQueued = isQueued
    }

    /// Forgets sources that were silent since `time`.
    mutating func forget(silentSince time: Instant) {
        for slot in slots.indices
        where slots[slot].isUsed && !slots[slot].isQueued && slots[slot].seen == 0 && slots[slot].lastSeen < time {
            slots[slot].isUsed = false
            tags[slot] = 0
            count -= 1
        }
    }
}
