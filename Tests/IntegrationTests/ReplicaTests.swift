import Kafka
import Messages
import Testing

/// Three controllers in one group are one controller: what they say together is what one would have said, and each answers for all.
@Suite(.serialized, .timeLimit(.minutes(5)), Answer.canBeAsked)
struct ReplicaTests {
    @Test(
        "One of three is killed during an attack: nothing is lost or said twice, and the others, like one that starts later, answer Envoy and KEDA the same",
        arguments: BrokerKind.availableAndEmpty)
    func killed(kind: BrokerKind) throws {
        let broker = try Broker(kind), group = try Group(broker)
        // One source for each workload, so that its answers are a function of one partition; and many for the last, which all replicas raise at once.
        // Almost every event is answered, so nothing but its place in the log tells whoever takes over what has been said.
        let policy = TestPolicy(workloads: 12, cooldown: "0s"), crowded = policy.workloads.last!
        var replicas = try (0..<3).map { try ControllerProcess(broker, policy: policy.path, replica: $0) }
        try #require(
            eventually {
                replicas.allSatisfy { $0.partitions > 0 } && replicas.reduce(0) { $0 + $1.partitions } == Topic.events.partitions
            }, "\(replicas.map(\.process.output).joined(separator: "\n"))")
        let attack = Attack(policy, each: 100, crowd: 12), quarter = attack.events.count / 4
        func part(_ number: Int) -> ArraySlice<ThrottleEvent> { attack.events[number * quarter..<(number + 1) * quarter] }

        let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        #expect(try producer.deliver(part(0)))
        try #require(eventually { group.hasAnsweredEverything })
        // When the one that has most to do dies, some of the second quarter is answered and not committed, and some is not answered.
        let before = replicas.map(\.answered), victim = try #require(replicas.indices.max { before[$0] < before[$1] })
        #expect(before[victim] > 0)
        #expect(try producer.deliver(part(1).prefix(quarter / 2)))
        #expect(eventually { replicas[victim].answered > before[victim] })
        #expect(try producer.deliver(part(1).dropFirst(quarter / 2)))
        replicas.remove(at: victim).process.kill()
        #expect(try producer.deliver(part(2)))
        if !broker.missesMembers { replicas.append(try ControllerProcess(broker, policy: policy.path, replica: victim)) }
        try #require(
            eventually(within: 60) { replicas.reduce(0) { $0 + $1.partitions } == Topic.events.partitions },
            "\(replicas.map(\.process.output).joined(separator: "\n"))")
        #expect(try producer.deliver(part(3)))
        try #require(eventually { group.hasAnsweredEverything }, "\(replicas.map(\.process.output))")

        let events = try broker.records(of: [Topic.events.name])
        #expect(events.count == attack.events.count)
        let words = try broker.records(of: [Topic.limits.name, Topic.decisions.name]), said = Set(words.map(Word.init))
        func exact(_ words: Set<Word>) -> Set<Word> { words.filter { $0.key != crowded } }
        let expected = exact(try Word.ofCore(on: events, policy))
        #expect(expected.count > 500)
        Word.expect(exact(said), toBe: expected)
        // A replica that raises the crowded workload does not wait for what another is just saying of it; but no event is answered twice.
        #expect(said.count == words.count)
        #expect(Set(said.map { "\($0.id) \($0.key)" }).count == said.count)

        // Compaction keeps the last decision of a workload; the attack is not over for minutes.
        let decided = try policy.workloads.map { workload in
            let last = try #require(words.last { $0.key == workload }?.value), replicas = try Answer.desired(last)
            return "\(workload) weir-replicas \(replicas) \(replicas).0 active"
        }
        func expectTheSame() throws {
            var answers: [String] = []
            #expect(
                eventually {
                    answers = Answer.of(replicas, policy.workloads); return answers.count == replicas.count && Set(answers).count == 1
                }, "\(answers)")
            let answer = try Answer(try #require(answers.first))
            #expect(answer.sources == attack.sources.sorted())
            #expect(answer.wanted == decided)
        }
        try expectTheSame()
        let late = try ControllerProcess(broker, policy: policy.path, replica: 3)
        replicas.append(late)
        try #require(eventually { late.isReady })
        try expectTheSame()
        for replica in replicas { #expect(replica.process.terminate().code == 0) }
    }

    @Test(
        "A controller without a partition is not ready, and says so; it is as soon as it has one",
        arguments: BrokerKind.available.filter { $0 == .noida || $0 == .apache })
    func idle(kind: BrokerKind) throws {
        let broker = try Broker(kind), policy = TestPolicy(workloads: 1)
        let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        // One partition, for two who want it.
        _ = try producer.create([Topic(Topic.events.name, partitions: 1)], withinMilliseconds: 10_000)
        var replicas = try (0..<2).map { try ControllerProcess(broker, policy: policy.path, replica: $0) }
        let isSettled = eventually { replicas.filter(\.isReady).count == 1 }
        try #require(isSettled, "\(replicas.map(\.process.output))")
        let found = replicas.firstIndex { $0.isReady }
        let busy = try #require(found), idle = replicas[1 - busy]
        #expect(
            eventually { idle.partitions == 0 && idle.reason == "no partition of the events topic is assigned to it\n" }, "\(idle.reason)")
        #expect(!idle.isReady)
        _ = replicas.remove(at: busy).process.terminate()
        if !broker.missesMembers { replicas.append(try ControllerProcess(broker, policy: policy.path, replica: busy)) }
        #expect(eventually(within: 60) { replicas.contains { $0.partitions == 1 && $0.isReady } })
    }
}
