import Detection
import Kafka
import Messages
import Testing
import Units
import Vocabulary

@Suite(.serialized, .timeLimit(.minutes(5))) struct LadderTests {
    @Test(
        "10 minutes, an hour, a day, a week: the next limit is a step up whichever controller said the last one, until a day has been quiet",
        arguments: BrokerKind.availableAndEmpty)
    func climbed(kind: BrokerKind) throws {
        let broker = try Broker(kind), producer = try KafkaProducer(try broker.configuration(), name: "weir-test"),
            policy = TestPolicy(workloads: 1)
        func source() -> Source { Source(attacking: policy.workloads[0]) }
        // The first step by a controller that ends, whose policy has a short one; what the node says of its own limit is nothing to it.
        let climber = source()
        let first = try ControllerProcess(broker, policy: TestPolicy(workloads: 1, first: "1s").path)
        // It makes the topics; a producer that comes before it might, with other settings.
        try #require(eventually { first.isReady })
        let start = Instant.now
        #expect(try producer.deliver([climber.event(0, at: start, until: start + .seconds(90))]))
        let words = try broker.records(of: [Topic.limits.name]) { !$0.isEmpty }, limit = try #require(try broker.limits().first)
        #expect(words.count == 1 && limit.key == climber.key && limit.step == 0 && limit.until == start + .seconds(1))
        #expect(first.process.terminate().code == 0)

        // The others by controllers of an hour and more ago. Each word answers an event of the log.
        let hour = Duration.seconds(3600)
        let rungs: [(last: Int, quiet: Duration, next: Int, length: Duration)] = [
            (0, .seconds(60), 1, hour), (1, hour, 2, hour * 24), (2, hour * 23, 3, hour * 168), (3, hour, 3, hour * 168),
            (3, hour * 25, 0, .seconds(600))
        ]
        var expected = [(source: climber, step: 1, length: hour)]
        for rung in rungs {
            let source = source()
            var limit = Limit(
                key: source.key, perSecond: 3, answer: .reset, until: start - rung.quiet, generation: 7, anomalies: AnomalySet(.missingSNI),
                traceID: limit.traceID)
            limit.step = rung.last
            #expect(try producer.deliver(.limits, key: "\(limit.key)", value: limit.encoded(), id: words[0].id))
            expected.append((source, rung.next, rung.length))
        }
        let second = try ControllerProcess(broker, policy: policy.path), group = try Group(broker)
        let now = max(Instant.now, start + .seconds(2))
        #expect(try producer.deliver(expected.map { $0.source.event(1, at: now, until: now + .seconds(600)) }))
        try #require(eventually { group.hasAnsweredEverything }, "\(second.process.output)")
        let said = try broker.limits()
        for (source, step, length) in expected {
            let last = try #require(said.last { $0.key == source.key })
            #expect((last.step, last.until) == (step, now + length), "\(last)")
        }
        #expect(second.process.terminate().code == 0)
    }
}
