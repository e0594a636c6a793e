internal import AgentCore
internal import Wire

/// What the latest anomalous hello of each source said, until its event is due.
struct LatestFacts {
    private var facts: [Prefix: (facts: HelloFacts, time: Instant)] = [:]
    /// Twice what the agent remembers of sources.
    private static let capacity = 16_384

    mutating func note(_ known: HelloFacts, of source: Prefix, at time: Instant) {
        if facts.count >= Self.capacity, facts[source] == nil {
            forget(before: time - .seconds(2))
            if facts.count >= Self.capacity { facts.removeAll(keepingCapacity: true) }
        }
        facts[source] = (known, time)
    }

    func latest(of source: Prefix) -> HelloFacts? { facts[source]?.facts }

    mutating func forget(before time: Instant) {
        guard !facts.isEmpty else { return }
        facts = facts.filter { $0.value.time >= time }
    }
}
