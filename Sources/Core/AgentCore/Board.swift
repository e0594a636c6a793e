package import Wire

/// Totals per source address since the agent began, for `weir top`: bounded, and filled without allocating.
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
        fileprivate var isUsed = false
    }

    private var rows: [Row]
    private var used = 0
    /// Handshakes of sources that did not fit.
    package private(set) var unlisted = 0

    /// - Parameter capacity: a power of two.
    package init(capacity: Int = 1024) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a board's capacity is a power of two")
        rows = Array(repeating: Row(), count: capacity * 2)
    }

    package mutating func note(_ handshake: Handshake, anomalies: AnomalySet) {
        guard let index = index(of: handshake.source) else {
            unlisted += 1
            return
        }
        rows[index].handshakes += 1
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

    private mutating func index(of address: Address) -> Int? {
        let mask = rows.count - 1
        var hash = (address.high ^ 0x9e37_79b9_7f4a_7c15) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 32 ^ address.low) &* 0xc4ce_b9fe_1a85_ec53
        var index = Int(truncatingIfNeeded: hash ^ hash >> 32) & mask
        while rows[index].isUsed {
            if rows[index].address == address { return index }
            index = (index + 1) & mask
        }
        guard used * 2 < rows.count else { return nil }
        rows[index].isUsed = true
        rows[index].address = address
        used += 1
        return index
    }

    /// The busiest first.
    package func busiest(_ count: Int) -> [Row] {
        Array(rows.filter(\.isUsed).sorted { ($0.anomalous, $0.handshakes) > ($1.anomalous, $1.handshakes) }.prefix(count))
    }
}
