internal import ControllerCore
internal import Detection
internal import Front
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import Units
internal import Vocabulary

// Membership: which partitions, and from where.

extension Service {
    private static let patience = 600

    /// Goes on to the next state when what it needs is there. What fails is tried again at the next tick.
    func advance() {
        do throws(KafkaError) {
            switch core.membership.state {
            case .recollecting:
                if broker.isUp, !broker.hasTopics { try createTopics() }
                guard follower.isCaughtUp else { return }
                try consumer.subscribe([Topic.events.name])
                core.hear(.recollected)
                peers.load()
                tellWanted()
                log.write(
                    .info, "limits and decisions read",
                    [("limits", "\(core.controller.limitCount)"), ("workloads", "\(core.controller.wantedReplicas(at: now).count)")])
            case .assigned(let partitions):
                try begin(partitions.sorted().map { KafkaPartition(topic: Topic.events.name, partition: $0) })
            case .joined, .answering:
                if broker.isUp, !broker.hasTopics { try createTopics() }
            }
        } catch { broker.failed(error) }
    }

    private func createTopics() throws(KafkaError) {
        let outcomes = try outbox.createTopics(withinMilliseconds: Self.patience)
        broker.hasTopics = true
        for (name, outcome) in outcomes.sorted(by: { $0.key < $1.key }) {
            switch outcome {
            case .created: log.write(.info, "topic created", [("topic", name)])
            case .existed: break
            case .refused(let error):
                if !error.isUnsupported {
                    log.write(
                        .warning, "topic not created: \(error.reason)",
                        [("topic", name), ("advice", "allow CREATE on this topic, or make it as manifests/kafka/topics.yaml does")])
                }
            }
        }
    }

    /// Whoever had these partitions may have spoken last just now, so its words are read before anything is answered.
    private func begin(_ partitions: [KafkaPartition]) throws(KafkaError) {
        for partition in follower.partitions {
            guard follower.hasRead(partition, upTo: try consumer.endOffset(of: partition, withinMilliseconds: Self.patience)) else {
                return
            }
        }
        let committed = try consumer.committed(partitions, withinMilliseconds: Self.patience)
        let succession = Succession(
            partitions.map(\.partition),
            committed: Dictionary(
                uniqueKeysWithValues: committed.map { partition, position in
                    (partition.partition, Succession.Committed(offset: position.offset, newest: Commit.newest(position.metadata)))
                }), under: core.controller.policy, at: now)
        let times = Dictionary(
            uniqueKeysWithValues: succession.times.map { partition, time in
                (KafkaPartition(topic: Topic.events.name, partition: partition), time.nanoseconds / 1_000_000)
            })
        let found = try times.isEmpty ? [:] : consumer.offsets(forTimes: times, withinMilliseconds: Self.patience)
        let starts = succession.starts(found: Dictionary(uniqueKeysWithValues: found.map { ($0.key.partition, $0.value) }))
        let start = starts.map { start in
            KafkaPosition(topic: Topic.events.name, partition: start.partition, offset: start.from ?? KafkaPosition.beginning)
        }
        try consumer.assign(start)
        core.begin(starts)
        log.write(
            .info, "partitions assigned",
            [
                ("partitions", partitions.map { "\($0.partition)" }.joined(separator: ",")),
                ("rebuilt_from", start.map { "\($0.offset)" }.joined(separator: ","))
            ])
    }

    /// Others take over: what is in flight gets a moment, because they read it before they begin.
    func revoke(_ partitions: [KafkaPartition]) {
        let end = Clock.monotonic + 500_000_000
        while core.outstandingCount > 0, Clock.monotonic < end { outbox.drain(delivered: { core.delivered($0) }, notice: broker.hear) }
        let due = core.leftovers
        if !due.isEmpty { try? consumer.commit(Self.positions(due), withinMilliseconds: 500) }
        try? consumer.unassign()
        core.hear(.revoked)
        log.write(.info, "partitions revoked", [("partitions", partitions.map { "\($0.partition)" }.joined(separator: ","))])
    }

    /// Up to the first event whose answers have not all been stored.
    func commit() {
        let due = core.due
        guard !due.isEmpty else { return }
        do throws(KafkaError) {
            try consumer.commit(Self.positions(due))
            core.committed(due)
        } catch { broker.failed(error) }
    }

    static func positions(_ commits: [CommitLedger.Commit]) -> [KafkaPosition] {
        commits.map {
            KafkaPosition(topic: Topic.events.name, partition: $0.partition, offset: $0.offset, metadata: Commit.metadata($0.newest))
        }
    }
}

/// The note with a committed offset: the newest event time before it.
enum Commit {
    static func metadata(_ newest: Instant) -> String { newest == .distantPast ? "" : "t=\(newest.nanoseconds)" }
    static func newest(_ metadata: String) -> Instant? {
        metadata.hasPrefix("t=") ? Int64(metadata.dropFirst(2)).map { Instant(nanoseconds: $0) } : nil
    }
}
