package import ArchiveCore
internal import Linux
internal import Parquet
package import Units
internal import Vocabulary

/// The archive to its writer: batches become files and a commit, each record of a topic once, whoever else writes at the same time.
///
/// A commit says of each partition of a topic up to which offset the table has it. What a writer was faster with is dropped before the next
/// try; so a writer that was killed, or that stood still while others had its partitions, neither loses nor doubles a row.
package struct Archive: ~Copyable {
    package struct Counts: Sendable {
        package var rows = 0, files = 0, bytes = 0, commits = 0
        /// Commits that another writer was faster with.
        package var lost = 0
        /// Rows that were there already when they should have been committed.
        package var covered = 0
        package var compacted = 0, expired = 0, deleted = 0
    }

    package private(set) var table: Table
    package internal(set) var counts = Counts()
    let codec = Zstd()
    private let cluster: String
    private let token = String(UInt64.random(in: 0 ... .max), radix: 16)
    private var fileNumber = 0
    /// Partitions of the table with a file that could not be read when it was to be merged.
    var spoiled: Set<TablePartition> = []
    /// The last version that this writer made a checkpoint of, or began at.
    var checkpointed: Int64

    /// Seconds after which files that no commit names are given up by their writer. Only much older ones are cleared away by others,
    /// and not before a commit: who is late loses that race, and then looks at the clock.
    private static let draftSeconds: Int64 = 3600

    /// - Parameter cluster: whose topics they are; more than one cluster may write to a table.
    package init(_ root: String, cluster: String, now: Instant) throws(TableError) {
        let columns =
            ArchiveSchema.partitions.map { Table.Column($0, "string") } + ArchiveColumn.allCases.map { Table.Column($0.name, $0.deltaType) }
        table = try Table(
            writing: root, columns: columns, partitions: ArchiveSchema.partitions, codec: codec, now: now.milliseconds)
        self.cluster = cluster
        checkpointed = table.snapshot.version
    }

    /// The last offset of a partition that the table has, and how often its offsets have begun again.
    package func covered(_ topic: String, _ partition: Int) -> (partition: LogPartition, offset: Int64?) {
        var found = LogPartition(topic: topic, partition: partition)
        while true {
            var next = found
            next.epoch += 1
            guard table.snapshot.transactions[next.transactionName(of: cluster)] != nil else { break }
            found = next
        }
        return (found, offset(of: found))
    }

    package func offset(of partition: LogPartition) -> Int64? {
        table.snapshot.transactions[partition.transactionName(of: cluster)]?.version
    }

    /// When the last record of a partition that the table has was appended to it.
    package func time(of partition: LogPartition) -> Instant? {
        table.snapshot.transactions[partition.transactionName(of: cluster)].map { Instant(nanoseconds: $0.at &* 1_000_000) }
    }

    /// What others have committed meanwhile.
    package mutating func update() throws(TableError) { _ = try table.update() }

    /// Puts what the table does not have yet of a batch into it. When this returns, it has all of it, on the disk.
    package mutating func commit(_ batch: ArchiveBatch, now: () -> Instant) throws(TableError) {
        while true {
            let news = batch.news(beyond: { offset(of: $0) }), rows = batch.missing(from: { offset(of: $0) })
            counts.covered += batch.rows.count - rows.count
            guard !news.isEmpty else { return }
            let begun = now(), files = try write(batch.rows, rows, begun)
            let transactions = news.sorted { $0.key < $1.key }.map { partition, offset in
                Action.transaction(
                    name: partition.transactionName(of: cluster), version: offset, at: (batch.times[partition] ?? begun).milliseconds)
            }
            do throws(TableError) {
                if try publish(files, transactions, begun, now) { return }
            } catch {
                for file in files { table.folder.remove(file.path) }
                throw error
            }
            for file in files { table.folder.remove(file.path) }
            // Counted anew with what is left.
            counts.covered -= batch.rows.count - rows.count
        }
    }

    /// - Returns: false when others have committed some of it, or the files are too old to be relied on.
    private mutating func publish(_ files: [TableFile], _ transactions: [Action], _ begun: Instant, _ now: () -> Instant)
        throws(TableError) -> Bool
    {
        let actions = transactions + files.map { .add($0, isNews: true) } + [.note(operation: "STREAMING UPDATE", at: begun.milliseconds)]
        let names = Set(transactions.compactMap { if case .transaction(let name, _, _) = $0 { name } else { nil } })
        while true {
            switch try table.commit(actions) {
            case .committed:
                counts.commits += 1
                counts.files += files.count
                counts.bytes += files.reduce(0) { $0 + $1.size }
                counts.rows += files.reduce(0) { $0 + $1.rowCount }
                return true
            case .lost(let others):
                counts.lost += 1
                let isTouched = others.contains { if case .transaction(let name, _, _) = $0 { names.contains(name) } else { false } }
                if isTouched || now() - begun > .seconds(Self.draftSeconds) { return false }
            }
        }
    }

    /// Files of these rows, on the disk, and none of the table's yet.
    mutating func write(_ rows: ArchiveRows, _ chosen: [Int], _ now: Instant) throws(TableError) -> [TableFile] {
        let columns = rows.columns
        var files: [TableFile] = []
        do throws(TableError) {
            for (partition, order) in rows.sorted(chosen) {
                let file = ArchiveFile(columns, order: order, codec: codec)
                fileNumber += 1
                let path = "\(partition.folder)/part-\(token)-\(fileNumber).parquet"
                try table.folder.prepareFolder(of: path)
                try table.folder.write(path, file.bytes)
                files.append(
                    TableFile(
                        path: path, partition: ["place": partition.place, "hour": partition.hour], size: file.bytes.count,
                        modified: now.milliseconds, statistics: file.statistics, rowCount: file.rowCount))
                try table.folder.synchronise(folder: partition.folder)
            }
        } catch {
            for file in files { table.folder.remove(file.path) }
            throw error
        }
        return files
    }

    /// For maintenance: as `Table`'s.
    mutating func commit(_ actions: [Action]) throws(TableError) -> Table.Outcome { try table.commit(actions) }
    package mutating func checkpoint(_ now: Instant) throws(TableError) {
        try table.checkpoint(now: now.milliseconds, keeping: Self.logSeconds * 1000)
    }

    /// How long commits are kept that a checkpoint covers, and the names of files that are the table's no more.
    private static let logSeconds: Int64 = 7 * 86_400
}

extension Instant {
    var milliseconds: Int64 { nanoseconds / 1_000_000 }
}

extension ArchiveColumn {
    /// As Delta's schema calls its type (Delta's protocol, "Primitive Types").
    fileprivate var deltaType: String {
        switch type {
        case .boolean: "boolean"
        case .int32: "integer"
        case .int64: "long"
        case .timestamp: "timestamp"
        case .text: "string"
        }
    }
}
