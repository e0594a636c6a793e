/// A topic as the whole product agrees on it: its name, and what it is created with where nobody has made it yet.
package struct Topic: Sendable, Equatable {
    package let name: String
    package let partitions: Int
    /// The broker's own names (Apache Kafka, "Topic configs").
    package let configuration: [Property]

    package struct Property: Sendable, Equatable {
        package let name: String
        package let value: String
    }

    /// Keyed by source prefix, so one source is always counted in one place. Stamped by the broker: the controller holds an
    /// event's own time against it, and a node with a wrong clock must not stamp the yardstick as well.
    package static let events = Topic(
        "security-throttle-events", partitions: 12,
        [
            ("cleanup.policy", "delete"), ("retention.ms", days(7)), ("message.timestamp.type", "LogAppendTime")
        ])

    /// Keyed by `prefix|class`: the last record of a key is the limit, a tombstone releases it.
    package static let limits = Topic(
        "security-throttle-limits", partitions: 1,
        [
            ("cleanup.policy", "compact"), ("delete.retention.ms", days(1)), ("segment.ms", days(1)), ("min.cleanable.dirty.ratio", "0.1")
        ])

    /// Keyed by workload. Compaction stays an hour behind, because the hour's budget is counted from what was decided in it.
    package static let decisions = Topic(
        "security-scale-decisions", partitions: 1,
        [
            ("cleanup.policy", "compact,delete"), ("retention.ms", days(7)), ("min.compaction.lag.ms", "7200000"), ("segment.ms", days(1))
        ])

    /// Keyed by node. Stamped by the broker, so that a node's wrong clock makes nobody silent. Every node writes every ten seconds, so
    /// short segments keep little to read; a node that is gone without a word is forgotten after a day.
    package static let nodes = Topic(
        "security-throttle-nodes", partitions: 1,
        [
            ("cleanup.policy", "compact,delete"), ("retention.ms", days(1)), ("delete.retention.ms", "3600000"), ("segment.ms", "600000"),
            ("min.cleanable.dirty.ratio", "0.1"),
            ("message.timestamp.type", "LogAppendTime")
        ])

    /// Signed policies, by kind; the last one is the one that nodes take (docs/rollout.md). Nobody moves anything here without a key.
    package static let policies = Topic(
        "security-throttle-policies", partitions: 1,
        [
            ("cleanup.policy", "compact"), ("delete.retention.ms", days(1)), ("segment.ms", days(1)), ("min.cleanable.dirty.ratio", "0.1")
        ])

    package static let all = [events, limits, decisions, nodes, policies]

    package init(_ name: String, partitions: Int, _ configuration: [(String, String)] = []) {
        self.name = name
        self.partitions = partitions
        self.configuration = configuration.map { Property(name: $0, value: $1) }
    }

    private static func days(_ count: Int) -> String { String(count * 86_400_000) }
}
