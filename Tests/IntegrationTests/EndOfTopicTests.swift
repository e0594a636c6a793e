import Kafka
import Messages
import Testing

/// The last offsets of a topic need not hold a record: a transaction leaves a mark, and what it did not commit is never handed out.
@Suite(.serialized, .timeLimit(.minutes(3))) struct EndOfTopicTests {
    @Test(
        "A topic that ends in a transaction's mark is read to its end, and a controller does not wait for what never comes",
        arguments: BrokerKind.available.filter { $0 != .mock }, [true, false])
    func marked(kind: BrokerKind, isCommitted: Bool) throws {
        let broker = try Broker(kind), policy = TestPolicy(workloads: 1), attack = Attack(policy, each: 13)
        let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        try producer.createTopics()
        let transaction = try Transaction(broker, id: policy.workloads[0])
        for topic in [Topic.limits, .decisions] { try transaction.write(topic.name, key: "a transaction's", value: [UInt8]("{}".utf8)) }
        try transaction.end(isCommitted: isCommitted)

        let consumer = try KafkaConsumer(try broker.configuration(), group: "weir-test", name: "weir-test")
        let follower = try KafkaFollower(try broker.configuration(), topics: [Topic.limits.name, Topic.decisions.name], name: "weir-test")
        var records = 0
        func drain() {
            follower.drain { event in
                switch event {
                case .record: records += 1
                default: break
                }
            }
        }
        #expect(
            eventually {
                drain(); return follower.isCaughtUp
            })
        if kind != .external { #expect(records == (isCommitted ? 2 : 0)) }
        for partition in follower.partitions {
            var end: Int64 = 0
            // The mark is there as soon as the broker has written it, which may be after it has said yes.
            try #require(
                eventually {
                    drain()
                    end = (try? consumer.endOffset(of: partition, withinMilliseconds: 5000)) ?? 0
                    return end >= 2 && follower.hasRead(partition, upTo: end)
                }, "\(partition.topic): read up to \(follower.nextOffset(of: partition) ?? -1) of \(end)")
        }

        let controller = try ControllerProcess(broker, policy: policy.path, log: Place.temporary("log"))
        try #require(eventually { controller.process.output.contains("partitions assigned") }, "\(controller.process.output)")
        #expect(try producer.deliver(attack.events))
        #expect(eventually { controller.answered >= 13 }, "\(controller.process.output)")
        #expect(controller.process.terminate().code == 0)
    }
}
