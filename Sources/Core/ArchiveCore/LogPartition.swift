/// A partition of a topic as the table's log knows it.
package struct LogPartition: Hashable, Comparable, Sendable {
    package let topic: String
    package let partition: Int
    /// How often its offsets have begun again, because somebody made the topic anew.
    package var epoch: Int

    package init(topic: String, partition: Int, epoch: Int = 0) {
        self.topic = topic
        self.partition = partition
        self.epoch = epoch
    }

    /// The name under which its last offset in the table is kept (Delta's `txn.appId`).
    package func transactionName(of cluster: String) -> String {
        "\(cluster)/\(topic)/\(partition)" + (epoch > 0 ? "/\(epoch)" : "")
    }

    package static func < (left: LogPartition, right: LogPartition) -> Bool {
        (left.topic, left.partition, left.epoch) < (right.topic, right.partition, right.epoch)
    }
}
