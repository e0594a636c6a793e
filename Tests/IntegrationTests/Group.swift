import Kafka
import Messages

/// How far a group has come with the events, seen from outside it.
final class Group {
    private let observer: KafkaConsumer

    init(_ broker: Broker, _ name: String = "weir-controller") throws {
        observer = try KafkaConsumer(try broker.configuration(), group: name, name: "weir-test")
    }

    /// Only what is answered is committed, and only when the answers are stored.
    var hasAnsweredEverything: Bool {
        let partitions = (0..<Topic.events.partitions).map { KafkaPartition(topic: Topic.events.name, partition: $0) }
        guard let committed = try? observer.committed(partitions, withinMilliseconds: 5000) else { return false }
        return partitions.allSatisfy { partition in
            (try? observer.endOffset(of: partition, withinMilliseconds: 5000)).map { $0 == committed[partition]?.offset ?? 0 } ?? false
        }
    }
}
