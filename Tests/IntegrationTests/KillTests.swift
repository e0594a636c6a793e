import Glibc
import Kafka
import Messages
import Testing

/// A real controller, a real broker, kill -9.
@Suite(.serialized, .timeLimit(.minutes(5))) struct KillTests {
    @Test("A controller killed in the middle of an attack neither loses nor doubles a word", arguments: BrokerKind.available)
    func killed(kind: BrokerKind) throws {
        let broker = try Broker(kind)
        let policy = TestPolicy(workloads: 3), attack = Attack(policy, each: 152)
        let log = Place.temporary("controller.log")
        let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        // Six lives: five are killed at different moments while they answer, the last one finishes.
        var controller = try ControllerProcess(broker, policy: policy.path, log: log)
        var remaining = attack.events[...]
        let part = attack.events.count / 12
        for life in 0..<6 {
            #expect(try producer.deliver(remaining.prefix(part)))
            // It is awake and answers (not only reads again what was answered before).
            #expect(eventually { controller.answered > 0 }, "life \(life)")
            #expect(try producer.deliver(remaining.dropFirst(part).prefix(part)))
            remaining = remaining.dropFirst(2 * part)
            guard life < 5 else { break }
            // Before the first commit, after one, and in between.
            poll(nil, 0, [0, 800, 10, 1200, 25][life])
            controller.process.kill()
            controller = try ControllerProcess(broker, policy: policy.path, log: log)
        }

        // What had to be said is what the core says of the log as it stands.
        let sources = attack.sources
        let events = try broker.records(of: [Topic.events.name]) { records in
            records.count { sources.contains($0.key) } >= attack.events.count
        }.filter { sources.contains($0.key) }
        #expect(events.count == attack.events.count)
        let expected = try Word.ofCore(on: events, policy)
        #expect(expected.count > 20)

        func ours(_ records: [StoredRecord]) -> [StoredRecord] {
            records.filter { policy.workloads.contains($0.key) || sources.contains(String($0.key.prefix { $0 != "|" })) }
        }
        let said = ours(
            try broker.records(of: [Topic.limits.name, Topic.decisions.name]) { records in
                Set(ours(records).map(\.id)).count >= Set(expected.map(\.id)).count
            })
        Word.expect(Set(said.map(Word.init)), toBe: expected)
        // A word that was on its way when its speaker died may stand there twice, with the same id and generation; not more often than that.
        #expect(said.count - expected.count <= 5)
        #expect(controller.process.terminate().code == 0)
    }
}
