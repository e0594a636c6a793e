import Kafka
import JSON
import Messages
import Testing
import Units
import Vocabulary

@Suite(.serialized, .timeLimit(.minutes(5)), Answer.canBeAsked) struct ReleaseTests {
    @Test(
        "Whom an operator has released, a controller that starts later leaves alone until the release ends, also when compaction has left nothing else of it; others are limited as ever",
        arguments: BrokerKind.availableAndEmpty, [false, true])
    func fresh(kind: BrokerKind, isCompacted: Bool) throws {
        var broker = try Broker(kind), producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        let policy = TestPolicy(workloads: 1, first: "25s")
        let released = Source(attacking: policy.workloads[0]), limited = Source(attacking: policy.workloads[0], by: .invalidSNI),
            new = Source(attacking: policy.workloads[0], by: .invalidSNI)
        let first = try ControllerProcess(broker, policy: policy.path)
        // It makes the topics; a producer that comes before it might, with other settings.
        try #require(eventually { first.isReady })
        // An event's own time is believed within half a minute of the broker's, so no end has to be waited for.
        let start = Instant.now, end = start + .seconds(25), later = start + .seconds(625)
        #expect(try producer.deliver([released.event(0, at: start, until: end), limited.event(0, at: start, until: later)]))
        #expect(try broker.limits { $0.count == 2 }.count == 2)
        #expect(
            output(of: ["\(Place.programs)/weir", "limits", "release", "\(released.prefix)", "--kafka", broker.bootstrap])
                == "\(released.prefix): released (anomalous)")
        #expect(first.process.terminate().code == 0)

        if isCompacted {
            broker = try broker.compacted()
            producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        }
        let known = try broker.limits().count, release = try #require(try broker.limits().last)
        #expect(release.key == released.key && release.isRelease)
        #expect(known == (isCompacted ? 2 : 3))
        let second = try ControllerProcess(broker, policy: policy.path), group = try Group(broker)
        let further = (1...15).flatMap { number in
            [released, limited, new].map { $0.event(number, at: start + .seconds(number), until: later) }
        }
        #expect(try producer.deliver(further))
        try #require(eventually { group.hasAnsweredEverything }, "\(second.process.output)")
        #expect(try broker.limits().dropFirst(known).map(\.key) == [new.key])
        func isListed(_ sources: [Source]) -> Bool {
            eventually {
                Answer.of([second], policy.workloads).first.flatMap { try? Answer($0).sources }
                    == sources.map(\.prefix.description).sorted()
            }
        }
        #expect(isListed([limited, new]))

        #expect(try producer.deliver([released.event(16, at: end + .seconds(1), until: later)]))
        try #require(eventually { group.hasAnsweredEverything }, "\(second.process.output)")
        let again = try #require(try broker.limits().dropFirst(known + 1).first)
        #expect(again.key == released.key && again.origin == .controller && again.step == 0 && again.generation == release.generation + 1)
        #expect(isListed([released, limited, new]))
        #expect(second.process.terminate().code == 0)
    }
}
