import ControllerCore
import Detection
import JSON
import Messages
import PolicyFile
import Testing
import Units

/// A limit or a decision as it stands on its topic, and the event that it answers.
struct Word: Hashable {
    var id: String
    var key: String
    var value: [UInt8]

    init(id: String, key: String, value: [UInt8]) { (self.id, self.key, self.value) = (id, key, value) }
    init(_ record: StoredRecord) { self.init(id: record.id, key: record.key, value: record.value ?? []) }

    /// What has to be said: what the core says of the log as it stands. Partitions may come in any order where no workload is attacked on two of them.
    static func ofCore(on events: [StoredRecord], _ policy: TestPolicy) throws -> Set<Word> {
        var core = Controller(policy: try PolicyFile.load(path: policy.path)), reader = MessageReader()
        var words: Set<Word> = []
        for record in events {
            let position = LogPosition(partition: record.partition, offset: record.offset)
            let value = try #require(record.value)
            let event = try reader.throttleEvent(value.span.bytes)
            for output in core.consider(event, at: position, appended: record.milliseconds.map { Instant(nanoseconds: $0 * 1_000_000) }) {
                switch output {
                case .limit(let limit): words.insert(Word(id: position.id, key: limit.key.description, value: limit.encoded()))
                case .scale(let decision): words.insert(Word(id: position.id, key: decision.workload, value: decision.encoded()))
                case .forget: break
                }
            }
        }
        return words
    }

    static func expect(_ said: Set<Word>, toBe expected: Set<Word>) {
        let differing = said.symmetricDifference(expected)
        #expect(
            differing.isEmpty,
            "\(differing.map { "\($0.id) \(String(decoding: $0.value, as: UTF8.self)) \(expected.contains($0) ? "lost" : "too much")" }.sorted().joined(separator: "\n"))"
        )
    }
}

extension Broker {
    /// What stands on the limits topic, in its order, without tombstones.
    func limits(enough: ([StoredRecord]) -> Bool = { _ in true }) throws -> [Limit] {
        var reader = MessageReader()
        return try records(of: [Topic.limits.name], enough: enough).compactMap { record in
            try record.value.map { try reader.limit($0.span.bytes) }
        }
    }
}
