internal import Front
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary

/// What the topics say of one source, or under one trace: events, limits and scale decisions, in the order of time.
struct TopicStory {
    enum Subject {
        /// Whatever is of this block, lies in it or covers it.
        case source(Prefix)
        case trace(String)
    }

    enum Word {
        case event(ThrottleEvent)
        case limit(Limit)
        /// A tombstone: the limit of this key is gone.
        case forgotten(Limit.Key)
        case decision(ScaleDecision)
    }

    struct Record {
        let time: Instant
        let word: Word
        /// The record's value; `nil` of a tombstone.
        let value: [UInt8]?
    }

    /// As many are kept, the newest; of all others only what they come to.
    static let most = 10_000

    private(set) var records: [Record] = []
    private(set) var sum = Sum()
    /// Earlier ones that are not among `records`.
    private(set) var leftOut = 0
    private var subject: Subject
    private var unreadable: [String: Int] = [:]

    /// What the events come to, all of them.
    struct Sum {
        var events = 0
        var hellos = 0
        var reset = 0
        var dropped = 0
        var anomalies = AnomalySet()
        var nodes: Set<String> = []
        var first: Instant?
        /// The latest event's, in event time.
        var latest: ThrottleEvent?

        mutating func add(_ event: ThrottleEvent) {
            events += 1
            hellos += event.counts.seen
            reset += event.counts.reset
            dropped += event.counts.dropped
            anomalies.formUnion(event.anomalies)
            nodes.insert(event.node)
            first = min(first ?? event.time, event.time)
            if latest.map({ $0.time <= event.time }) ?? true { latest = event }
        }
    }

    /// Reads the three topics to their ends as they are now; what is not there yet has nothing to say.
    init(_ kafka: KafkaConfiguration, about subject: Subject) throws {
        self.subject = subject
        let topics = try topicsThere(among: [.events, .limits, .decisions], kafka)
        guard !topics.isEmpty else { return }
        let follower: KafkaFollower
        do { follower = try KafkaFollower(kafka, topics: topics.map(\.name), name: "weir-explain", patience: 2000) } catch {
            throw Refusal.cannot("Kafka: \(error)")
        }
        var reader = MessageReader(), story = self
        try follow(follower, kafka) { story.take($0, &reader) }
        self = story
        trim()
        for (topic, count) in unreadable.sorted(by: { $0.key < $1.key }) {
            complain("weir: \(count) records of \(topic) were not understood")
        }
    }

    private mutating func take(_ record: borrowing KafkaRecord, _ reader: inout MessageReader) {
        let topic = record.topic
        guard let word = word(of: record, topic, &reader) else { return }
        guard concerns(word) else { return }
        if case .event(let event) = word { sum.add(event) }
        records.append(Record(time: Self.time(of: word, record), word: word, value: record.value))
        // Partitions come one after the other, so that only time says which are the newest.
        if records.count >= 2 * Self.most { trim() }
    }

    private mutating func trim() {
        records.sort { $0.time < $1.time }
        let surplus = max(0, records.count - Self.most)
        records.removeFirst(surplus)
        leftOut += surplus
    }

    private mutating func word(of record: borrowing KafkaRecord, _ topic: String, _ reader: inout MessageReader) -> Word? {
        // It is about a node, not about a source.
        if topic == Topic.events.name, record.isLossNotice { return nil }
        if record.isTombstone { return topic == Topic.limits.name ? Limit.Key(record.key).map { .forgotten($0) } : nil }
        let word: Word? = record.withValue { bytes in
            switch topic {
            case Topic.events.name: (try? reader.throttleEvent(bytes)).map { .event($0) }
            case Topic.limits.name: (try? reader.limit(bytes)).map { .limit($0) }
            default: (try? reader.scaleDecision(bytes)).map { .decision($0) }
            }
        }
        if word == nil { unreadable[topic, default: 0] += 1 }
        return word
    }

    private func concerns(_ word: Word) -> Bool {
        switch subject {
        case .source(let prefix):
            let other =
                switch word {
                case .event(let event): event.sourcePrefix
                case .limit(let limit): limit.key.prefix
                case .forgotten(let key): key.prefix
                case .decision(let decision): decision.sourcePrefix
                }
            return prefix.contains(other) || other.contains(prefix)
        case .trace(let id):
            switch word {
            case .event(let event): return event.traceID == id
            case .limit(let limit): return limit.traceID == id
            case .forgotten: return false
            case .decision(let decision): return decision.traceID == id
            }
        }
    }

    /// An event bears its own; of the others it is when they were said.
    private static func time(of word: Word, _ record: borrowing KafkaRecord) -> Instant {
        if case .event(let event) = word { return event.time }
        return record.header("ce_time").flatMap { Instant(rfc3339: $0) }
            ?? Instant(nanoseconds: (record.timestamp?.milliseconds ?? 0) * 1_000_000)
    }
}
