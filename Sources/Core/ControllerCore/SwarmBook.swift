internal import Units

/// Which TLS stacks suddenly come from everywhere: distinct source prefixes by JA4, in windows of the events' own time. A stack is a swarm that more than
/// so many use in a window, and less than a tenth of them did in the window before; what many used before is a popular client. A swarm that goes on does
/// not become popular by that: it stays one until a window in which it is none.
///
/// Each replica sees the sources of its partitions, so it counts a share of them.
struct SwarmBook {
    private struct Stack {
        var window: Int64
        /// Hashes of the prefixes seen in this window; so many that a tenth of the next window's can be told.
        var prefixes: Set<UInt64> = []
        /// How many there were in the window before, or before the swarm.
        var before = 0
        var isSwarm = false
    }

    /// From one window to the next a popular client's users do not become so many times more.
    private static let growth = 10

    /// The first window that was read. Who used what before it, nobody knows here; so its swarms are told, and do not outlast it.
    private var first: Int64?
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
        first = first ?? window
        if stacks[ja4] == nil {
            if stacks.count >= capacity { stacks = stacks.filter { $0.value.window >= window } }
            guard stacks.count < capacity else { refused += 1; return false }
            stacks[ja4] = Stack(window: window)
        }
        guard var stack = stacks.removeValue(forKey: ja4) else { return false }
        if window > stack.window {
            let goesOn = stack.isSwarm && stack.window != first
            stack.before = window > stack.window + 1 ? 0 : goesOn ? stack.before : stack.prefixes.count
            stack.window = window
            stack.isSwarm = false
            stack.prefixes.removeAll(keepingCapacity: true)
        }
        // A late event belongs to a window that is over.
        let isLate = window < stack.window
        if !isLate {
            if stack.prefixes.count <= most * Self.growth { stack.prefixes.insert(Self.hash(prefix)) }
            stack.isSwarm = stack.prefixes.count > most && stack.before * Self.growth < stack.prefixes.count
        }
        let isSwarm = !isLate && stack.isSwarm
        stacks[ja4] = stack
        return isSwarm
    }

    private static func hash(_ prefix: Prefix) -> UInt64 {
        var hash = (prefix.address.high ^ 0x9e37_79b9_7f4a_7c15) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ hash >> 29 ^ prefix.address.low ^ UInt64(prefix.length) << 56) &* 0x94d0_49bb_1331_11eb
        return hash ^ hash >> 31
    }
}
