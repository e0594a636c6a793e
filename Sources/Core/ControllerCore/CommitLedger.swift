package import Units

/// How far each partition may be committed: up to the first event whose answers have not all been delivered.
package struct CommitLedger: Sendable {
    package struct Commit: Sendable, Equatable {
        package var partition: Int
        /// The next offset to read.
        package var offset: Int64
        /// The newest event time before it, from which a successor finds where its window begins.
        package var newest: Instant

        package init(partition: Int, offset: Int64, newest: Instant) {
            self.partition = partition
            self.offset = offset
            self.newest = newest
        }
    }

    private struct Partition {
        var next: Int64
        var newest: Instant
        var committed: Int64
        /// Events before this place were answered in an earlier life.
        var liveFrom: Int64
    }

    private var partitions: [Int: Partition] = [:]
    private var outstanding: [UInt64: (position: LogPosition, newest: Instant)] = [:]

    package init() {}

    /// Begins with a partition whose events from `liveFrom` on have not been answered; reading may begin earlier.
    package mutating func start(_ partition: Int, liveFrom: Int64, newest: Instant = .distantPast) {
        partitions[partition] = Partition(next: liveFrom, newest: newest, committed: liveFrom, liveFrom: liveFrom)
    }

    /// Forgets all partitions; reports that still come are of no interest.
    package mutating func stop() {
        partitions = [:]
        outstanding = [:]
    }

    package var assigned: Set<Int> { Set(partitions.keys) }
    package var outstandingCount: Int { outstanding.count }

    /// Notes an event read. Returns whether it was answered in an earlier life; `nil` when its partition is not ours.
    package mutating func read(_ position: LogPosition, time: Instant?) -> Bool? {
        guard var partition = partitions[position.partition] else { return nil }
        partition.next = max(partition.next, position.offset + 1)
        if let time { partition.newest = max(partition.newest, time) }
        partitions[position.partition] = partition
        return position.offset < partition.liveFrom
    }

    /// Notes an answer to the event at that place, which is on its way.
    package mutating func expect(_ token: UInt64, for position: LogPosition) {
        outstanding[token] = (position, partitions[position.partition]?.newest ?? .distantPast)
    }

    package mutating func delivered(_ token: UInt64) { outstanding[token] = nil }

    /// What may be committed now and has not been.
    package func due() -> [Commit] {
        var bounds: [Int: (offset: Int64, newest: Instant)] = [:]
        for (position, newest) in outstanding.values where position.offset < bounds[position.partition]?.offset ?? .max {
            bounds[position.partition] = (position.offset, newest)
        }
        return partitions.compactMap { number, partition in
            let bound = bounds[number] ?? (partition.next, partition.newest)
            return bound.offset > partition.committed ? Commit(partition: number, offset: bound.offset, newest: bound.newest) : nil
        }.sorted { $0.partition < $1.partition }
    }

    package mutating func committed(_ commits: [Commit]) {
        for commit in commits where partitions[commit.partition]?.committed ?? .max < commit.offset {
            partitions[commit.partition]?.committed = commit.offset
        }
    }
}
