internal import Detection
internal import Units
internal import Vocabulary
internal import Wire

/// What sources do over many flows: how many stacks they look like, how many destinations they try, how much they leave
/// unfinished. Eight sources share a bucket and the longest silent one gives way, so a flood of sources costs no more.
struct Behaviour: Sendable {
    private struct Source: Sendable {
        var prefix = Prefix(Address(high: 0, low: 0), length: 0)
        var isUsed = false
        var lastSeen = Instant.distantPast
        /// Begin of the minute and of the five minutes that are counted.
        var minute = Instant.distantPast
        var window = Instant.distantPast
        var hellos = 0
        var silent = 0
        var alerts = 0
        var fingerprints = 0
        var destinations = 0
    }

    private var sources: [Source]
    /// A bit for each value of a source by its hash: fingerprints, then destinations. Two that meet count as one, so that what is
    /// counted is never more than there was.
    private var sets: [UInt64]
    private let mask: Int
    /// Sources that gave way to others.
    private(set) var displaced = 0

    private static let ways = 8
    /// Words of a set: 1,024 bits.
    private static let depth = 16

    /// - Parameter capacity: sources, a power of two, at least eight.
    init(capacity: Int) {
        precondition(capacity >= Self.ways && capacity & (capacity - 1) == 0, "a table's capacity is a power of two")
        sources = Array(repeating: Source(), count: capacity)
        sets = Array(repeating: 0, count: capacity * 2 * Self.depth)
        mask = capacity / Self.ways - 1
    }

    /// What this verdict makes of its source. Only proven ones are to be given: nobody shall be counted by what others forge.
    mutating func consider(_ handshake: Handshake, of prefix: Prefix, _ thresholds: Policy.Thresholds, at now: Instant) -> AnomalySet {
        let slot = slot(of: prefix, at: now)
        if now - sources[slot].minute >= .seconds(60) {
            sources[slot].minute = now
            sources[slot].alerts = 0
            forget(slot, 1)
            sources[slot].destinations = 0
        }
        if now - sources[slot].window >= .seconds(300) {
            sources[slot].window = now
            sources[slot].hellos = 0
            sources[slot].silent = 0
            forget(slot, 0)
            sources[slot].fingerprints = 0
        }
        return handshake.kind == .flow ? flow(handshake, slot, thresholds) : hello(handshake, slot, thresholds)
    }

    private mutating func hello(_ handshake: Handshake, _ slot: Int, _ thresholds: Policy.Thresholds) -> AnomalySet {
        var found = AnomalySet()
        guard handshake.fingerprint != 0 else { return found }
        sources[slot].hellos += 1
        if isNew(handshake.fingerprint, slot, 0) {
            sources[slot].fingerprints += 1
            if sources[slot].fingerprints > thresholds.fingerprints, sources[slot].fingerprints * 2 > sources[slot].hellos {
                found.formUnion(AnomalySet(.fingerprintChurn))
            }
        }
        if isNew(Self.hash(handshake.destination), slot, 1) {
            sources[slot].destinations += 1
            if sources[slot].destinations > thresholds.destinations { found.formUnion(AnomalySet(.tlsScan)) }
        }
        return found
    }

    private mutating func flow(_ handshake: Handshake, _ slot: Int, _ thresholds: Policy.Thresholds) -> AnomalySet {
        var found = AnomalySet()
        if handshake.notes.contains(.silent) {
            sources[slot].silent += 1
            if sources[slot].hellos >= thresholds.incompleteLeast,
                sources[slot].silent * 100 > sources[slot].hellos * thresholds.incompletePercent
            {
                found.formUnion(AnomalySet(.handshakeIncomplete))
            }
        }
        if handshake.notes.contains(.fatalAlert) {
            sources[slot].alerts += 1
            if sources[slot].alerts > thresholds.alertsPerMinute { found.formUnion(AnomalySet(.fatalAlertRate)) }
        }
        return found
    }

    private mutating func isNew(_ value: UInt64, _ slot: Int, _ set: Int) -> Bool {
        let bit = Int(truncatingIfNeeded: (value &* 0x9e37_79b9_7f4a_7c15) >> 54), index = (slot * 2 + set) * Self.depth + bit >> 6
        let mask: UInt64 = 1 << UInt64(bit & 63)
        defer { sets[index] |= mask }
        return sets[index] & mask == 0
    }

    private mutating func forget(_ slot: Int, _ set: Int) {
        let start = (slot * 2 + set) * Self.depth
        for index in start..<(start + Self.depth) { sets[index] = 0 }
    }

    private mutating func slot(of prefix: Prefix, at now: Instant) -> Int {
        let start = (Int(truncatingIfNeeded: Self.hash(prefix.address) >> 20) & mask) * Self.ways
        var oldest = start
        for index in start..<(start + Self.ways) {
            if sources[index].isUsed, sources[index].prefix == prefix {
                sources[index].lastSeen = now
                return index
            }
            if !sources[index].isUsed {
                oldest = index
            } else if sources[oldest].isUsed, sources[index].lastSeen < sources[oldest].lastSeen {
                oldest = index
            }
        }
        if sources[oldest].isUsed { displaced += 1 }
        sources[oldest] = Source()
        sources[oldest].prefix = prefix
        sources[oldest].isUsed = true
        sources[oldest].lastSeen = now
        return oldest
    }

    private static func hash(_ address: Address) -> UInt64 {
        var hash = (address.high ^ 0x9e37_79b9_7f4a_7c15) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 32 ^ address.low) &* 0xc4ce_b9fe_1a85_ec53
        return hash ^ hash >> 32 | 1
    }
}
