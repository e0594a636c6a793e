internal import Front
internal import Glibc
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Units
internal import Vocabulary

/// The limits topic as it stands: the last record of each key that is not a tombstone, with its place.
struct LimitsTopic {
    struct Entry {
        let limit: Limit
        let offset: Int64
    }

    private(set) var entries: [Entry] = []
    /// The offset of the next record to come.
    private(set) var end: Int64 = 0
    private var partitions = 1

    /// Offsets order the whole state only as long as there is one partition.
    var isOrdered: Bool { partitions == 1 }
    var disorder: String {
        "\(Topic.limits.name) has \(partitions) partitions instead of one, so that how far a node has come cannot be told"
    }

    init(_ kafka: KafkaConfiguration) throws {
        guard try hasTopic(.limits, kafka) else { return }
        let follower: KafkaFollower
        do { follower = try KafkaFollower(kafka, topics: [Topic.limits.name], name: "weir-limits", patience: 2000) } catch {
            throw Refusal.cannot("Kafka: \(error)")
        }
        var reader = MessageReader(), found: [String: Entry] = [:], unreadable = 0
        try follow(follower, kafka) { record in
            let parsed = record.isTombstone ? nil : record.withValue { bytes in try? reader.limit(bytes) }
            if !record.isTombstone, parsed == nil { unreadable += 1 }
            found[record.key] = parsed.map { Entry(limit: $0, offset: record.offset) }
        }
        if unreadable > 0 { complain("weir: \(unreadable) records of \(Topic.limits.name) were not understood") }
        entries = found.values.sorted {
            ($0.limit.key.prefix, $0.limit.key.limitClass.rawValue) < ($1.limit.key.prefix, $1.limit.key.limitClass.rawValue)
        }
        end = follower.nextOffset(of: KafkaPartition(topic: Topic.limits.name, partition: 0)) ?? 0
        partitions = follower.partitions.count
    }
}

/// Reads to the end of what there is, however much that is, as long as some of it comes within every ten seconds.
func follow(_ follower: borrowing KafkaFollower, _ kafka: KafkaConfiguration, _ body: (borrowing KafkaRecord) -> Void) throws {
    var end = Clock.monotonic + 10_000_000_000
    while !follower.isCaughtUp {
        guard Clock.monotonic < end else { throw unanswered(by: kafka) }
        let more = follower.drain { event in
            switch event {
            case .record(let record):
                body(record)
                end = Clock.monotonic + 10_000_000_000
            default: break
            }
        }
        if !more { usleep(2000) }
    }
}
