import Kafka
import Messages
import Testing
import Units

/// What a controller makes of a node's word on what it has lost.
@Suite(.serialized, .timeLimit(.minutes(3))) struct LossTests {
    @Test(
        "A notice of loss is passed over, counted and said; the events around it are answered, and all is committed",
        arguments: BrokerKind.availableAndEmpty)
    func notice(kind: BrokerKind) throws {
        let broker = try Broker(kind), policy = TestPolicy(workloads: 1)
        let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        if kind != .mock { try producer.createTopics() }
        let controller = try ControllerProcess(broker, policy: policy.path)
        try #require(eventually(within: 60) { controller.isReady }, "\(controller.process.output)")
        let start = Instant.now, source = Source(attacking: policy.workloads[0])
        let notice = LossNotice(
            id: "lossy:1:loss:1", time: start, node: "lossy", since: start - .seconds(10), until: start,
            losses: [
                LossNotice.Loss(what: .records, cause: "ring_full", count: 512),
                LossNotice.Loss(what: .events, cause: "a_newer_cause", count: 7)
            ])
        for number in 0..<2 {
            // The same again: it is counted each time, for it limits nobody.
            _ = try producer.produce(topic: Topic.events.name, key: notice.node, value: notice.encoded(), headers: notice.headers, token: 9)
            #expect(try producer.deliver([source.event(number, at: start, until: start + .seconds(600))]))
        }
        func metric(_ line: String) -> Int? { controller.metric("weir_controller_\(line)") }
        let isRead = eventually { metric("loss_notices_total") == 2 && metric("events_total{outcome=\"considered\"}") == 2 }
        try #require(isRead, "\(controller.process.output)")
        #expect(metric("node_losses_total{what=\"records\"}") == 1_024 && metric("node_losses_total{what=\"events\"}") == 14)
        #expect(metric("failures_total{what=\"malformed_record\"}") == 0)
        let limits = try broker.limits { $0.count == 1 }
        #expect(limits.map(\.key.prefix) == [source.prefix])
        let said = controller.process.output
        #expect(said.contains("a node has lost something node=lossy records=512 events=7 causes=ring_full,a_newer_cause"), "\(said)")
        #expect(controller.process.terminate().code == 0)
    }
}
