internal import Units
internal import Vocabulary
internal import Wire

/// What one source has done lately, for a bounded number of sources. Open addressing over memory taken at start: nothing
/// here allocates once it stands.
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
        /// Waits for its second to pass.
        var isQueued = false
        /// Its event was ordered, and not taken yet.
        var isDue = false

        mutating func clearCounts() {
            seen = 0
            suppressed = 0
            reset = 0
            dropped = 0
            wouldRefuse = 0
        }
    }

    /// By slot. Written in place: an accessor of our own would be a coroutine, which may allocate its frame.
    var slots: [Source]
    private(set) var count = 0
    private let mask: Int

    /// - Parameter capacity: how many sources at most; a power of two. A quarter more slots would be slower to probe than half of them empty.
    init(capacity: Int) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a table's capacity is a power of two")
        slots = Array(repeating: Source(), count: capacity * 2)
        mask = capacity * 2 - 1
    }

    var isFull: Bool { count * 2 >= slots.count }

    private func home(_ prefix: Prefix) -> Int {
        var hash = (prefix.address.high ^ 0x9e37_79b9_7f4a_7c15) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 32 ^ prefix.address.low) &* 0xc4ce_b9fe_1a85_ec53
        return Int(truncatingIfNeeded: hash ^ hash >> 32) & mask
    }

    /// The slot of a source that is there, or a new one; `nil` when the table is full.
    mutating func slot(of prefix: Prefix) -> Int? {
        var index = home(prefix)
        while slots[index].isUsed {
            if slots[index].prefix == prefix { return index }
            index = (index + 1) & mask
        }
        if isFull { return nil }
        slots[index] = Source()
        slots[index].prefix = prefix
        slots[index].isUsed = true
        count += 1
        return index
    }

    /// Forgets sources that were silent since `time`, and closes the gaps (Knuth, volume 3, algorithm 6.4R).
    mutating func forget(silentSince time: Instant) {
        var index = 0
        while index < slots.count {
            if slots[index].isUsed, !slots[index].isQueued, slots[index].seen == 0, slots[index].lastSeen < time {
                remove(index)
            } else {
                index += 1
            }
        }
    }

    private mutating func remove(_ start: Int) {
        var hole = start, index = start
        slots[hole].isUsed = false
        count -= 1
        while true {
            index = (index + 1) & mask
            guard slots[index].isUsed else { return }
            let wanted = home(slots[index].prefix)
            // A source may not move before its home slot.
            let isBetween = hole <= index ? hole < wanted && wanted <= index : hole < wanted || wanted <= index
            if isBetween { continue }
            slots[hole] = slots[index]
            slots[index].isUsed = false
            hole = index
        }
    }
}
