internal import Messages
internal import Units

/// What one node's word may move: how many new sources it brings to the cluster's limits in a minute of the events' own time, and how many nodes must have
/// told of a source before its limit leaves its node. After a restart the minute's budget begins anew.
struct TrustBook {
    private struct Witnesses {
        var last: Instant
        /// Hashes of names; as many as must agree, at most.
        var nodes: [UInt64]
    }

    private var spending: [String: SourceBudget] = [:]
    private var witnesses: [Prefix: Witnesses] = [:]
    private let mostNodes: Int
    private let mostSources: Int

    init(nodes: Int = 10_000, sources: Int = 100_000) {
        mostNodes = nodes
        mostSources = sources
    }

    /// Whether the node may bring this source in this minute. The networks of one IPv6 /48 are one: who has one has them all.
    mutating func admits(_ source: Prefix, by node: String, at time: Instant, budget: Int) -> Bool {
        if spending[node] == nil {
            if spending.count >= mostNodes {
                let minute = SourceBudget.minute(of: time)
                spending = spending.filter { $0.value.minute >= minute }
            }
            guard spending.count < mostNodes else { return false }
            spending[node] = SourceBudget(at: time)
        }
        // In place: the set must not be copied for each event of a flood.
        return spending[node]!.admits(source, at: time, most: budget)
    }

    /// Notes that a node tells of a source. True when enough nodes have, none of them longer than a window after another.
    mutating func agree(on source: Prefix, _ node: String, at time: Instant, nodes most: Int, window: Duration) -> Bool {
        guard most > 1 else { return true }
        if witnesses[source] == nil {
            if witnesses.count >= mostSources { witnesses = witnesses.filter { time - $0.value.last < window } }
            guard witnesses.count < mostSources else { return false }
        }
        let name = fingerprint(of: node.utf8)
        var found = witnesses[source] ?? Witnesses(last: time, nodes: [])
        if time - found.last >= window { found.nodes = [] }
        found.last = max(found.last, time)
        if !found.nodes.contains(name), found.nodes.count < most { found.nodes.append(name) }
        witnesses[source] = found
        return found.nodes.count >= most
    }
}
