/// Ports that kube-proxy forwards on every address of a node. The uplink sees a frame before it is translated, so the node port is
/// the one to watch.
package struct NodePorts: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var port: UInt16
        /// `namespace/service:port`, where the table says it.
        package var service: String
        /// The service's own port and its pods', ascending.
        package var leadsTo: [UInt16]
    }

    /// By port.
    package private(set) var entries: [Entry] = []

    package init() {}

    /// What `iptables-save -t nat` prints: a rule of KUBE-NODEPORTS for each, then chains down to the pods' addresses.
    package init(iptables text: String) {
        var nodePorts: [(port: UInt16, service: String, chain: Substring)] = []
        var jumps: [Substring: [Substring]] = [:], ports: [Substring: Set<UInt16>] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("-A KUBE-") {
            let words = line.split(separator: " ")
            func value(after option: Substring) -> Substring? {
                words.lastIndex(of: option).flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil }
            }
            guard let target = value(after: "-j") ?? value(after: "-g") else { continue }
            let chain = words[1], port = value(after: "--dport").flatMap { UInt16($0) }
            if chain == "KUBE-NODEPORTS", let port, value(after: "-p") == "tcp" {
                nodePorts.append((port, value(after: "--comment").map { $0.filter { $0 != "\"" } } ?? "", target))
            } else if chain == "KUBE-SERVICES", let port {
                // The service's own port, at the chain that all its kinds lead to.
                ports[target, default: []].insert(port)
            } else if let to = value(after: "--to-destination")?.split(separator: ":").last, let port = UInt16(to) {
                ports[chain, default: []].insert(port)
            } else {
                jumps[chain, default: []].append(target)
            }
        }
        for (port, service, chain) in nodePorts { add(port, service, Self.reached(from: chain, jumps, ports)) }
    }

    private static func reached(
        from chain: Substring, _ jumps: [Substring: [Substring]],
        _ ports: [Substring: Set<UInt16>]
    ) -> Set<UInt16> {
        var found: Set<UInt16> = [], seen: Set<Substring> = [chain], waiting = [chain]
        while let next = waiting.popLast() {
            found.formUnion(ports[next] ?? [])
            for target in jumps[next] ?? [] where seen.insert(target).inserted { waiting.append(target) }
        }
        return found
    }

    /// Kubernetes' range (`--service-node-port-range`): IPVS's table does not tell a node's address from a service's.
    package static let range: ClosedRange<UInt16> = 30_000...32_767

    /// What /proc/net/ip_vs holds (net/netfilter/ipvs/ip_vs_ctl.c, `ip_vs_info_seq_show`): a virtual service a line, then its real servers.
    package init(ipvs text: String) {
        var service: UInt16?
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            func port(_ word: Substring) -> UInt16? { word.split(separator: ":").last.flatMap { UInt16($0, radix: 16) } }
            if words.count >= 2, words[0] == "TCP" {
                service = port(words[1]).flatMap { Self.range.contains($0) ? $0 : nil }
            } else if words.count >= 2, words[0] == "->" {
                if let service, let port = port(words[1]) { add(service, "", [port]) }
            } else {
                service = nil
            }
        }
    }

    private mutating func add(_ port: UInt16, _ service: String, _ leadsTo: Set<UInt16>) {
        if let index = entries.firstIndex(where: { $0.port == port }) {
            entries[index].leadsTo = leadsTo.union(entries[index].leadsTo).sorted()
        } else {
            entries.insert(
                Entry(port: port, service: service, leadsTo: leadsTo.sorted()),
                at: entries.firstIndex { $0.port > port } ?? entries.count)
        }
    }

    /// What several tables say together.
    package mutating func merge(_ other: NodePorts) { for entry in other.entries { add(entry.port, entry.service, Set(entry.leadsTo)) } }

    /// Those that lead to a watched port and are not watched themselves.
    package func unwatched(_ ports: [UInt16]) -> [Entry] {
        entries.filter { !ports.contains($0.port) && $0.leadsTo.contains { ports.contains($0) } }
    }
}
