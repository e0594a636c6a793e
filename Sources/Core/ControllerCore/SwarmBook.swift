internal import Wire

/// Which TLS stacks suddenly come from everywhere: distinct source prefixes by JA4, in windows of the events' own time. A stack that many
/// used in the window before is a popular client; one that few did is a swarm.
///
/// Each replica sees the sources of its partitions, so it counts a share of them.
struct SwarmBook {
    private struct Stack {
        var window: Int64
        /// Hashes of the prefixes seen in this window; no more than the threshold and one.
        var prefixes: Set<UInt64> = []
        /// How many there were in the window before.
        var before = 0
    }

    /// A stack is rare that fewer than this share of the threshold used before.
    private static let rareShare = 10

    private var stacks: [String: Stack] = [:]
    private let capacity: Int
    /// Stacks that did not fit, and are not counted.
    private(set) var refused = 0

    init(capacity: Int = 4096) { self.capacity = capacity }

    var count: Int { stacks.count }

    /// True when this source is one of a swarm.
    /// - Parameter most: prefixes that one stack may have in a window.
    mutating func consider(_ ja4: String, of prefix: Prefix, at time: Instant, window length: Int64, most: Int) -> Bool {
        let window = length > 0 ? time.nanoseconds / length : 0
        if stacks[ja4] == nil {
            if stacks.count >= capacity { stacks = stacks.filter { $0.value.window >= window } }
            guard stacks.count < capacity else { refused += 1; return false }
            stacks[ja4] = Stack(window: window)
        }
        guard var stack = stacks.removeValue(forKey: ja4) else { return false }
        if window > stack.window {
            stack.before = window == stack.window + 1 ? stack.prefixes.count : 0
            stack.window = window
            stack.prefixes.removeAll(keepingCapacity: true)
        }
        // A late event belongs to a window that is over.
        if window == stack.window, stack.prefixes.count <= most { stack.prefixes.insert(Self.hash(prefix)) }
        let isSwarm = window == stack.window && stack.prefixes.count > most && stack.before * Self.rareShare < most
        stacks[ja4] = stack
        return isSwarm
    }

    private static func hash(_ prefix: Prefix) -> UInt64 {
        var hash = (prefix.address.high ^ 0x9e37_79b9_7f4a_7c15) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ hash >> 29 ^ prefix.address.low ^ UInt64(prefix.length) << 56) &* 0x94d0_49bb_1331_11eb
        return hash ^ hash >> 31
    }
}
