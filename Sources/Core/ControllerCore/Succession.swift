package import Detection
package import Units

/// Where a replica begins to read the partitions that it was given, so that its windows are what its predecessor's were.
///
/// Windows go by event time: a successor begins a window before the newest event that was answered, however long ago that was.
package struct Succession: Sendable {
    /// What the group has committed of a partition.
    package struct Committed: Sendable, Equatable {
        package let offset: Int64
        /// Of the events before it; `nil` where the note with the offset is missing.
        package let newest: Instant?

        package init(offset: Int64, newest: Instant?) {
            self.offset = offset
            self.newest = newest
        }
    }

    package struct Start: Sendable, Equatable {
        package let partition: Int
        /// Where reading begins; `nil`: with the oldest event.
        package let from: Int64?
        /// Events from here on have not been answered.
        package let liveFrom: Int64
        package let newest: Instant

        package init(partition: Int, from: Int64?, liveFrom: Int64, newest: Instant) {
            self.partition = partition
            self.from = from
            self.liveFrom = liveFrom
            self.newest = newest
        }
    }

    private let partitions: [Int]
    private let committed: [Int: Committed]
    /// By partition: the broker is asked for the first event that is not older.
    package let times: [Int: Instant]

    package init(_ partitions: some Sequence<Int>, committed: [Int: Committed], under policy: Policy, at now: Instant) {
        self.partitions = partitions.sorted()
        self.committed = committed
        let span = policy.scaleOut.window + Controller.clamp * 4
        times = committed.mapValues { ($0.newest ?? now) - span }
    }

    /// - Parameter found: the broker's answers to `times`. Without one (a mock broker has none) the whole log is read, which is
    ///   only slower.
    package func starts(found: [Int: Int64]) -> [Start] {
        partitions.map { partition in
            // Nobody has read it: all of it is new.
            guard let known = committed[partition] else { return Start(partition: partition, from: nil, liveFrom: 0, newest: .distantPast) }
            return Start(
                partition: partition, from: found[partition].map { min($0, known.offset) }, liveFrom: known.offset,
                newest: known.newest ?? .distantPast)
        }
    }
}
