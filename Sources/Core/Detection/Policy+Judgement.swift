package import Units
package import Vocabulary

extension Policy {
    /// Anomalies of at least this severity under this policy.
    package func anomalies(atLeast severity: Severity) -> AnomalySet {
        AnomalySet(detections.filter { $0.value.severity >= severity }.map(\.key))
    }

    /// Those that set a limit by themselves.
    package var limiting: AnomalySet { AnomalySet(detections.filter { $0.value.limit != nil }.map(\.key)) }

    /// The limit that these anomalies set: the first one's that has any, as the kernel and the agent have it.
    package func limitRule(for anomalies: AnomalySet) -> LimitRule? {
        // By its bits: a list of cases would be an array, made anew for each verdict.
        var rest = anomalies.rawValue
        while rest != 0 {
            if let anomaly = Anomaly(rawValue: UInt8(truncatingIfNeeded: rest.trailingZeroBitCount)), let limit = detections[anomaly]?.limit
            {
                return limit
            }
            rest &= rest - 1
        }
        return nil
    }

    /// The worst of what was found; `nil` when nothing was.
    package func severity(of anomalies: AnomalySet) -> Severity? {
        anomalies.list.compactMap { detections[$0]?.severity }.max()
    }

    /// The block of addresses that counts as one source.
    package func sourcePrefix(of address: Address) -> Prefix {
        Prefix(address, length: address.isIPv4 ? 96 + prefixes.ipv4 : prefixes.ipv6)
    }

    /// How long a source's `step`-th limit in a row lasts; the last step repeats.
    package func duration(ofStep step: Int) -> Duration {
        escalation.isEmpty ? .seconds(600) : escalation[Swift.min(step, escalation.count - 1)]
    }

    /// Whose answers prove a source to others, besides this node's own sockets'.
    package enum Vouching: Sendable, Equatable { case none, destinations([Prefix]), all }

    /// The destinations of the targets. A target without destinations stands for all that its ports lead to, unless it asks for names:
    /// then it says nothing about where they are.
    package var vouching: Vouching {
        let targets = scaleOut.targets
        if targets.contains(where: { $0.destinations.isEmpty && $0.serverNames.isEmpty }) { return .all }
        let destinations = Set(targets.flatMap(\.destinations))
        return destinations.isEmpty ? .none : .destinations(destinations.sorted { ($0.length, $0.address) < ($1.length, $1.address) })
    }

    /// The most destinations that all targets may have together: as many as the kernel's table `vouched` has room for.
    package static let mostDestinations = 1024

    /// Whom nothing limits: what `allow` names, and the proxies, for each is many people.
    package var neverLimited: [Prefix] { allow.cidrs + trust.proxies }

    /// The target that a hello's destination and name belong to, or `nil`.
    package func target(destination: Address, port: UInt16, serverName: String?) -> Target? {
        scaleOut.targets.first { target in
            (target.ports.isEmpty || target.ports.contains(port))
                && (target.destinations.isEmpty || target.destinations.contains { $0.contains(destination) })
                && (target.serverNames.isEmpty || serverName.map { name in target.serverNames.contains { Self.covers($0, name) } } ?? true)
        }
    }
}
