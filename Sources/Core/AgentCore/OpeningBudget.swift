package import Units

/// How much of a processor may be spent on opening QUIC Initials: whoever can send datagrams decides how many there are.
///
/// The policy's share of one core, in nanoseconds that time earns. Half of it is kept for prefixes of which somebody has proven itself in
/// the last minutes, so a flood of strangers leaves those who are here their verdicts.
package struct OpeningBudget: Sendable {
    /// Of one core.
    package var percent: Int
    /// Nanoseconds that a second earns.
    private var perSecond: UInt64 { UInt64(percent) * 10_000_000 }
    /// What may lie unspent: a tenth of a second's worth.
    private var most: Int64 { Int64(percent) * 1_000_000 }
    private static let memory: UInt64 = 300_000_000_000
    private static let places = 4096

    private var all: Int64
    private var strangers: Int64
    private var last: UInt64 = 0
    /// When somebody of a prefix was last proven, by a hash; a newer one takes an older one's place.
    private var proven = [(hash: UInt64, at: UInt64)](repeating: (0, 0), count: places)
    /// Datagrams that were not opened.
    package private(set) var spared = 0
    package private(set) var spent: UInt64 = 0

    package init(percent: Int = 5) {
        self.percent = percent
        all = Int64(percent) * 1_000_000
        strangers = all / 2
    }

    private static func hash(_ address: Address) -> UInt64 {
        // A /24 or a /64: who shares one is as good as one.
        let kept = address.isIPv4 ? address.low & ~0xff : 0
        var x = (address.high ^ kept) &* 0x9e37_79b9_7f4a_7c15
        x ^= x >> 32
        return x | 1
    }

    /// Whether this datagram may be opened; it is counted where it may not.
    /// - Parameter proves: it shows that its client is there, so there are few of them.
    package mutating func allows(_ source: Address, proves: Bool, at now: UInt64) -> Bool {
        let earned = Int64(clamping: min(now &- last, 1_000_000_000) * perSecond / 1_000_000_000)
        if earned > 0 {
            all = min(most, all + earned)
            strangers = min(most / 2, strangers + earned / 2)
            last = now
        }
        let hash = Self.hash(source), known = proven[Int(hash >> 52) % Self.places]
        if proves || (known.hash == hash && now &- known.at < Self.memory ? all > 0 : strangers > 0) { return true }
        spared += 1
        return false
    }

    /// - Parameter nanoseconds: what opening one took.
    package mutating func spend(_ nanoseconds: UInt64) {
        spent &+= nanoseconds
        all -= Int64(clamping: nanoseconds)
        strangers -= Int64(clamping: nanoseconds)
    }

    package mutating func isProven(_ source: Address, at now: UInt64) {
        let hash = Self.hash(source)
        proven[Int(hash >> 52) % Self.places] = (hash, now)
    }
}
