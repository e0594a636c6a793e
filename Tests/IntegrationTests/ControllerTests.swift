import Detection
import Glibc
import Kafka
import Messages
import Testing
import Units

@Suite(.serialized, .timeLimit(.minutes(5))) struct ControllerTests {
    @Test("An attack becomes a limit and a decision, and SIGTERM ends it all within a second", arguments: BrokerKind.available)
    func answers(kind: BrokerKind) throws {
        let broker = try Broker(kind), policy = TestPolicy(workloads: 1), attack = Attack(policy, each: 13)
        let controller = try ControllerProcess(broker, policy: policy.path, log: Place.temporary("log"), arguments: ["--log", "json"])
        #expect(eventually { controller.isReady }, "\(controller.process.output)")
        let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        #expect(try producer.deliver(attack.events))
        let decision = try #require(
            try broker.records(of: [Topic.decisions.name]) { $0.contains { $0.key == policy.workloads[0] } }.last {
                $0.key == policy.workloads[0]
            })
        #expect(
            String(decoding: decision.value ?? [], as: UTF8.self).contains(
                "\"desired_replicas\":3,\"previous_replicas\":2,\"mode\":\"enforce\""))
        #expect(decision.headers["ce_type"] == "dev.weir.scale-decision.v1")
        #expect(decision.headers["traceparent"]?.contains("4bf92f3577b34da6a3ce929d0e0e4736") == true)
        let limit = try broker.records(of: [Topic.limits.name]).filter { $0.key == "\(attack.events[0].sourcePrefix)|anomalous" }
        #expect(limit.count == 1)
        #expect(controller.metric("weir_controller_outputs_total{decision=\"scale_step\"}") == 1)
        #expect(controller.page("/healthz") == "ok\n")
        let end = controller.process.terminate()
        #expect(end.code == 0)
        #expect(end.milliseconds < 1000)
        // Each line is an object.
        #expect(controller.process.output.split(separator: "\n").allSatisfy { $0.hasPrefix("{\"time\":\"") && $0.hasSuffix("}") })
    }

    @Test("Whatever stands on the topics, it is counted and passed over", arguments: BrokerKind.available)
    func malformed(kind: BrokerKind) throws {
        let broker = try Broker(kind), policy = TestPolicy(workloads: 1), attack = Attack(policy, each: 13)
        let controller = try ControllerProcess(broker, policy: policy.path, log: Place.temporary("log"))
        #expect(eventually { controller.isReady }, "\(controller.process.output)")
        let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        let good = attack.events[0].encoded()
        var count = 0
        for value in [
            [], [0xff, 0xfe], Array("null".utf8), Array("{}".utf8), Array(good.dropLast()), [UInt8](repeating: 0x5b, count: 100_000)
        ] as [[UInt8]] {
            for topic in [Topic.events, .limits, .decisions] {
                count += 1
                _ = try producer.produce(
                    topic: topic.name, key: attack.events[0].sourcePrefix.description, value: value, token: UInt64(count))
            }
        }
        _ = try producer.produce(topic: Topic.events.name, key: "", value: nil, token: 0)
        _ = try producer.produce(topic: Topic.limits.name, key: "no key of ours", value: nil, token: 0)
        #expect(try producer.deliver(attack.events))
        _ = try broker.records(of: [Topic.decisions.name]) { $0.contains { $0.key == policy.workloads[0] } }
        #expect(eventually { controller.metric("weir_controller_failures_total{what=\"malformed_record\"}") ?? 0 >= count + 2 })
        #expect(controller.metric("weir_controller_outputs_total{decision=\"scale_step\"}") == 1)
        // Eighteen and more of them, one line.
        #expect(controller.process.output.split(separator: "malformed record passed over").count == 2)
        #expect(controller.process.terminate().code == 0)
    }

    @Test(
        "A broker that is away at the start and again later is told of once each time, and everything is answered in the end",
        arguments: BrokerKind.available.filter { $0 == .mock || $0 == .apache })
    func outage(kind: BrokerKind) throws {
        let broker = try Broker(kind), policy = TestPolicy(workloads: 1), attack = Attack(policy, each: 39)
        if kind == .apache {
            // Its topics must be there before an outage can be about anything else.
            let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
            try producer.createTopics()
        }
        try broker.set(isDown: true)
        let controller = try ControllerProcess(broker, policy: policy.path, log: Place.temporary("log"))
        #expect(
            eventually { controller.process.output.contains("Kafka does not answer; what is decided waits") },
            "\(controller.process.output)")
        #expect(controller.page("/healthz") == "ok\n")
        #expect(!controller.isReady)
        try broker.set(isDown: false)
        #expect(eventually { controller.isReady }, "\(controller.process.output)")
        let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        #expect(try producer.deliver(attack.events.prefix(20)))
        try broker.set(isDown: true)
        #expect(
            eventually { controller.process.output.split(separator: "Kafka does not answer").count == 3 }, "\(controller.process.output)")
        try broker.set(isDown: false)
        #expect(try producer.deliver(attack.events.dropFirst(20)))
        #expect(
            eventually { controller.metric("weir_controller_events_total{outcome=\"considered\"}") ?? 0 >= 39 },
            "\(controller.process.output)")
        let decisions = try broker.records(of: [Topic.decisions.name]) { $0.count { $0.key == policy.workloads[0] } >= 7 }.filter {
            $0.key == policy.workloads[0]
        }
        #expect(decisions.count == 7)
        #expect(Set(decisions.map(\.id)).count == decisions.count)
        let lines = controller.process.output.split(separator: "\n")
        #expect(lines.count { $0.contains("Kafka does not answer") } == 2)
        #expect(lines.count { $0.contains("Kafka is back") } == 2)
        #expect(controller.process.terminate().code == 0)
    }

    @Test("A new policy is taken over whole; a wrong one is refused and the running one stays")
    func reload() throws {
        let broker = try Broker(.mock), policy = TestPolicy(workloads: 1)
        let controller = try ControllerProcess(broker, policy: policy.path, log: Place.temporary("log"))
        #expect(eventually { controller.isReady })
        write(policy.path, "nonsense: [")
        #expect(eventually { controller.process.output.contains("policy refused, the running one stays") })
        #expect(controller.metric("weir_controller_failures_total{what=\"policy_refused\"}") == 1)
        write(policy.path, "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: other}\nspec: {mode: observe}\n")
        #expect(eventually { controller.process.output.contains("policy in force policy=other") })
        #expect(controller.process.terminate().code == 0)
    }

    @Test(
        "Wrong use is one line and exit code 2",
        arguments: [
            ([], "no broker"), (["--kafka", "nowhere"], "--kafka"), (["--kafka", "a:1", "--policy", "/no/such/file"], "/no/such/file"),
            (["--kafka", "a:1", "--kafka-config", "/no/such/file"], "/no/such/file"), (["--kafka", "a:1", "--grpc", "nowhere"], "--grpc"),
            (["--nonsense"], "--nonsense"), (["--log", "xml"], "xml")
        ] as [([String], String)])
    func wrongUse(arguments: [String], word: String) throws {
        let process = try Process(["\(Place.programs)/weir-controller"] + arguments, log: Place.temporary("log"))
        #expect(process.wait() == 2)
        #expect(process.output.split(separator: "\n").count == 1)
        #expect(process.output.contains(word))
    }
}
