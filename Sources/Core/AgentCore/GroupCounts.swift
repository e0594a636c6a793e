package import Detection

/// Hellos by the groups that they offer and send shares of, of all whose bytes came here: those of new stacks, anomalous ones, and every
/// one over QUIC. Filled without allocating; of groups that are not listed all count as one, so nobody can make up labels.
package struct GroupCounts: Sendable {
    package static let listed: [UInt16] = [
        0x11ec, 0x11eb, 0x11ed, 0x0200, 0x0201, 0x0202, 0x6399, 0x639a, 0x001d, 0x0017, 0x0018, 0x0019, 0x001e
    ]
    private static let places = 14

    private var offers = InlineArray<14, UInt64>(repeating: 0)
    private var shares = InlineArray<14, UInt64>(repeating: 0)
    private var readiness = InlineArray<5, UInt64>(repeating: 0)

    package init() {}

    package mutating func note(_ message: RawSpan, version: UInt16) {
        let bytes = Span<UInt8>(_bytes: message)
        guard let found = HelloPlaces(glancing: bytes) else { return }
        var offered: UInt16 = 0, shared: UInt16 = 0
        var best = (NamedGroup.Strength.classical, NamedGroup.Strength.classical)
        found.eachGroup(in: bytes) { group in
            guard !group.isGREASE else { return }
            offered |= 1 << UInt16(Self.place(group))
            best.0.raise(to: group.strength)
        }
        found.eachKeyShare(in: bytes) { group in
            guard !group.isGREASE else { return }
            shared |= 1 << UInt16(Self.place(group))
            best.1.raise(to: group.strength)
        }
        for place in 0..<Self.places {
            offers[place] += UInt64(offered >> UInt16(place) & 1)
            shares[place] += UInt64(shared >> UInt16(place) & 1)
        }
        switch QuantumReadiness(version: version, groups: best.0, shares: best.1) {
        case .share: readiness[0] += 1
        case .offered: readiness[1] += 1
        case .draft: readiness[2] += 1
        case .classical: readiness[3] += 1
        case .older: readiness[4] += 1
        }
    }

    private static func place(_ group: NamedGroup) -> Int {
        switch group.number {
        case 0x11ec: 0
        case 0x11eb: 1
        case 0x11ed: 2
        case 0x0200: 3
        case 0x0201: 4
        case 0x0202: 5
        case 0x6399: 6
        case 0x639a: 7
        case 0x001d: 8
        case 0x0017: 9
        case 0x0018: 10
        case 0x0019: 11
        case 0x001e: 12
        default: 13
        }
    }

    /// For metrics: each listed group's name, then `other`.
    package func each(_ body: (_ group: String, _ offers: UInt64, _ shares: UInt64) -> Void) {
        for place in 0..<Self.places {
            body(place < Self.listed.count ? NamedGroup(Self.listed[place]).text : "other", offers[place], shares[place])
        }
    }

    package func each(_ body: (QuantumReadiness, UInt64) -> Void) {
        for (place, way) in QuantumReadiness.allCases.enumerated() { body(way, readiness[place]) }
    }
}
