package import Units
package import Vocabulary
package import Wire

/// Totals per source address since the agent began, for `weir top`: bounded, and filled without allocating.
///
/// Anybody can send hellos under any address, so a source that nothing proves takes the place of no proven one.
package struct Board: Sendable {
    package struct Row: Sendable {
        package var address = Address(high: 0, low: 0)
        package var handshakes = 0
        package var anomalous = 0
        package var incomplete = 0
        package var admitted = 0
        package var reset = 0
        package var dropped = 0
        package var anomalies = AnomalySet()
        package var limitClass = LimitClass.anomalous
        package var limitPerSecond = 0
        /// In the records' clock; 0 when no limit was met.
        package var limitUntil: UInt64 = 0
        /// One of its handshakes at least was proven.
        package var isProven = false
        fileprivate var isUsed = false
        /// In the records' clock.
        fileprivate var lastSeen: UInt64 = 0
    }

    /// In sets of eight: an address belongs to one set, and only there it takes a place.
    private var rows: [Row]
    /// Handshakes of unproven sources that did not fit.
    package private(set) var unlisted = 0
    /// Sources that went to make room for others.
    package private(set) var displaced = 0

    private static let ways = 8
    /// A source that was silent for so long goes before one that was not.
    private static let silence: UInt64 = 60_000_000_000

    /// - Parameter capacity: a power of two, eight at least.
    package init(capacity: Int = 2048) {
        precondition(capacity >= Self.ways && capacity & (capacity - 1) == 0, "a board's capacity is a power of two")
        rows = Array(repeating: Row(), count: capacity)
    }

    package mutating func note(_ handshake: Handshake, anomalies: AnomalySet) {
        guard let index = index(of: handshake) else {
            unlisted += 1
            return
        }
        rows[index].handshakes += 1
        rows[index].lastSeen = handshake.seenNanoseconds
        if handshake.proof > .unproven { rows[index].isProven = true }
        if handshake.completeness == .incomplete { rows[index].incomplete += 1 }
        if !anomalies.isEmpty {
            rows[index].anomalous += 1
            rows[index].anomalies.formUnion(anomalies)
        }
        switch handshake.outcome {
        case .observed, .passed, .allowed: return
        case .admitted: rows[index].admitted += 1
        case .reset: rows[index].reset += 1
        case .dropped: rows[index].dropped += 1
        }
        rows[index].limitClass = handshake.limitClass
        rows[index].limitPerSecond = handshake.limitPerSecond
        rows[index].limitUntil = handshake.untilNanoseconds
    }

    private mutating func index(of handshake: Handshake) -> Int? {
        let address = handshake.source
        var hash = (address.high ^ 0x9e37_79b9_7f4a_7c15) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 32 ^ address.low) &* 0xc4ce_b9fe_1a85_ec53
        let start = Int(truncatingIfNeeded: hash ^ hash >> 32) & (rows.count - 1) & ~(Self.ways - 1)
        for index in start..<start + Self.ways where rows[index].isUsed && rows[index].address == address { return index }
        var least = start
        for index in start + 1..<start + Self.ways where goes(index, before: least, at: handshake.seenNanoseconds) {
            least = index
        }
        if rows[least].isUsed {
            if rows[least].isProven, handshake.proof == .unproven { return nil }
            displaced += 1
        }
        rows[least] = Row()
        rows[least].isUsed = true
        rows[least].address = address
        return least
    }

    /// Empty places first, then the unproven, then the silent, then whoever did least. By index: a row is long, and this is asked seven
    /// times for every source that is new.
    private func goes(_ one: Int, before other: Int, at now: UInt64) -> Bool {
        if rows[one].isUsed != rows[other].isUsed { return !rows[one].isUsed }
        if rows[one].isProven != rows[other].isProven { return !rows[one].isProven }
        let isSilent = isSilent(one, at: now)
        if isSilent != self.isSilent(other, at: now) { return isSilent }
        if rows[one].anomalous != rows[other].anomalous { return rows[one].anomalous < rows[other].anomalous }
        return rows[one].handshakes < rows[other].handshakes
    }

    private func isSilent(_ index: Int, at now: UInt64) -> Bool { now > rows[index].lastSeen && now - rows[index].lastSeen > Self.silence }

    /// The busiest first.
    package func busiest(_ count: Int) -> [Row] {
        Array(rows.filter(\.isUsed).sorted { ($0.anomalous, $0.handshakes) > ($1.anomalous, $1.handshakes) }.prefix(count))
    }
}
