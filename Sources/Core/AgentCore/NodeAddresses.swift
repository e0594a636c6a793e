package import Messages
package import Units

/// Addresses of the cluster's other nodes, as these publish them on the nodes topic. A record there is a claim, so what one can
/// exempt is bounded.
package struct NodeAddresses: Sendable {
    /// A node that has published nothing for so long is gone: its record may stay on a compacted topic for ever.
    package static let silence = Duration.seconds(3600)
    /// Nodes that are remembered, and addresses that are believed of all of them together.
    package static let mostNodes = 5_000, mostAddresses = 4_096
    /// RFC 1918, RFC 6598, RFC 4193: no address of the Internet, whoever claims it.
    private static let own = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"].compactMap { Prefix($0) }

    private struct Claim: Sendable {
        var addresses: [Address]
        var heard: Instant
    }

    private var claims: [String: Claim] = [:]
    /// Nodes that did not fit.
    package private(set) var unlisted = 0
    /// Whether a claim is another one since `believed`.
    package private(set) var hasNews = false

    package init() {}

    /// A node's report.
    /// - Parameter heard: when the broker had it. A clock ahead of ours makes nothing last longer.
    package mutating func take(_ status: NodeStatus, heard: Instant, at now: Instant) {
        let heard = min(heard, now)
        guard now - heard <= Self.silence else { return }
        guard claims[status.node] != nil || claims.count < Self.mostNodes else {
            unlisted += 1
            return
        }
        let addresses = Array(status.addresses.prefix(NodeStatus.mostAddresses))
        if claims[status.node]?.addresses != addresses { hasNews = true }
        claims[status.node] = Claim(addresses: addresses, heard: heard)
    }

    /// A node's tombstone: it stopped in good order.
    package mutating func forget(_ node: String) { if claims.removeValue(forKey: node) != nil { hasNews = true } }

    /// All of them: the topic was made anew.
    package mutating func forgetAll() {
        hasNews = !claims.isEmpty
        claims = [:]
    }

    /// Single addresses: private ones, and those inside a network that this node itself is attached to.
    package mutating func believed(at now: Instant, near networks: [Prefix]) -> [Prefix] {
        hasNews = false
        claims = claims.filter { now - $0.value.heard <= Self.silence }
        var believed: Set<Address> = []
        for (_, claim) in claims.sorted(by: { $0.key < $1.key }) {
            for address in claim.addresses
            where believed.count < Self.mostAddresses
                && (Self.own + networks).contains(where: { $0.contains(address) })
            {
                believed.insert(address)
            }
        }
        return believed.sorted().map { Prefix($0, length: 128) }
    }
}
