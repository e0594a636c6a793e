package import Units

/// Records on their way into the table: rows, and which offsets of which partitions they cover, with those that gave no row.
package struct ArchiveBatch: Sendable {
    package var rows = ArchiveRows()
    /// Of each partition the last offset that was read.
    package private(set) var ends: [LogPartition: Int64] = [:]
    /// Of each partition when the last of them was appended.
    package private(set) var times: [LogPartition: Instant] = [:]
    /// Of each row where it comes from.
    private var origins: [(partition: LogPartition, offset: Int64)] = []
    /// What their records took up.
    package private(set) var bytes = 0

    package init() {}

    package var isEmpty: Bool { ends.isEmpty }

    /// Takes a record, which `body` may make a row of. One that it has already, because reading began anew, is passed over.
    package mutating func take(
        _ partition: LogPartition, offset: Int64, appended: Instant, bytes size: Int, _ body: (inout ArchiveRows) -> Void
    ) {
        if let end = ends[partition], offset <= end { return }
        let before = rows.count
        body(&rows)
        precondition(rows.count <= before + 1, "a record makes one row")
        if rows.count > before { origins.append((partition, offset)) }
        ends[partition] = offset
        times[partition] = max(times[partition] ?? appended, appended)
        bytes += size
    }

    /// The rows that a table does not have yet.
    /// - Parameter covered: of each partition the last offset in it.
    package func missing(from covered: (LogPartition) -> Int64?) -> [Int] {
        let known = Dictionary(uniqueKeysWithValues: ends.keys.map { ($0, covered($0) ?? -1) })
        return origins.indices.filter { origins[$0].offset > known[origins[$0].partition]! }
    }

    /// Of each partition the last offset that the table does not have yet.
    package func news(beyond covered: (LogPartition) -> Int64?) -> [LogPartition: Int64] {
        ends.filter { $0.value > covered($0.key) ?? -1 }
    }
}
