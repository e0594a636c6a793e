import ControllerCore
import Detection
import Glibc
import JSON
import Kafka
import Messages
import PolicyFile
import Testing
import Wire

/// A real controller, a real broker, kill -9.
@Suite(.serialized, .timeLimit(.minutes(5))) struct KillTests {
    private struct Said: Hashable {
        var id: String
        var key: String
        var value: [UInt8]
    }

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
        let events = try broker.records(of: [Topic.events.name]) { records in records.count { sources.contains($0.key) } >= attack.events.count }.filter { sources.contains($0.key) }
        #expect(events.count == attack.events.count)
        var core = Controller(policy: try PolicyFile.load(path: policy.path)), reader = MessageReader()
        var expected: Set<Said> = []
        for record in events {
            let position = LogPosition(partition: record.partition, offset: record.offset)
            let value = try #require(record.value)
            let event = try reader.throttleEvent(value.span.bytes)
            for output in core.consider(event, at: position, appended: record.milliseconds.map { Instant(nanoseconds: $0 * 1_000_000) }) {
                switch output {
                case .limit(let limit): expected.insert(Said(id: position.id, key: limit.key.description, value: limit.encoded()))
                case .scale(let decision): expected.insert(Said(id: position.id, key: decision.workload, value: decision.encoded()))
                case .forget: break
                }
            }
        }
        #expect(expected.count > 20)

        func ours(_ records: [StoredRecord]) -> [StoredRecord] { records.filter { policy.workloads.contains($0.key) || sources.contains(String($0.key.prefix { $0 != "|" })) } }
        let said = ours(try broker.records(of: [Topic.limits.name, Topic.decisions.name]) { records in Set(ours(records).map(\.id)).count >= Set(expected.map(\.id)).count })
        let differing = Set(said.map { Said(id: $0.id, key: $0.key, value: $0.value ?? []) }).symmetricDifference(expected)
        #expect(differing.isEmpty, "\(differing.map { "\($0.id) \(String(decoding: $0.value, as: UTF8.self)) \(expected.contains($0) ? "lost" : "too much")" }.sorted().joined(separator: "\n"))")
        // A word that was on its way when its speaker died may stand there twice, with the same id and generation; not more often than that.
        #expect(said.count - expected.count <= 5)
        #expect(controller.process.terminate().code == 0)
    }
}
