internal import ArchiveCore
internal import Parquet
package import Units

// What keeps a table small: small files become large ones, old ones go. One writer does it, and another that does it as well harms nothing:
// each step is a commit, and whoever is late with one drops it.

extension Archive {
    /// A file of more bytes is left as it is.
    private static let smallBytes = 32 << 20
    /// Rows that are merged at once: they are in memory meanwhile.
    private static let mostRows = 500_000
    private static let mostFiles = 256
    /// So long after its end an hour is taken for complete.
    private static let patience = Duration.seconds(900)
    /// So long a file that the table has no more is kept for those who read an earlier version.
    private static let graceSeconds: Int64 = 86_400
    private static let commitsPerCheckpoint: Int64 = 100

    /// Merges the small files of one partition of the table, if there are any of an hour that is over.
    /// - Returns: whether it has merged some: there may be more.
    package mutating func compact(now: Instant) throws(TableError) -> Bool {
        guard let (partition, inputs) = candidates(now) else { return false }
        var rows = ArchiveRows()
        do throws(TableError) { for input in inputs { try read(input, into: &rows, partition) } } catch {
            // Until the next start: a damaged file must not keep the others from being merged.
            spoiled.insert(partition)
            throw error
        }
        let outputs = try write(rows, Array(0..<rows.count), now)
        let actions =
            inputs.map { Action.remove(path: $0.path, at: now.milliseconds, isNews: false) } + outputs.map { .add($0, isNews: false) }
            + [.note(operation: "OPTIMIZE", at: now.milliseconds)]
        let isDone: Bool
        do throws(TableError) { isDone = try commit(actions, unless: { table in inputs.contains { table.files[$0.path] == nil } }) } catch {
            for output in outputs { table.folder.remove(output.path) }
            throw error
        }
        guard isDone else {
            for output in outputs { table.folder.remove(output.path) }
            return false
        }
        counts.compacted += inputs.count
        return true
    }

    /// Four small files, or two of which the last one is an hour old: what trickles in late does not rewrite a file each time.
    private func candidates(_ now: Instant) -> (TablePartition, [TableFile])? {
        let open = TablePartition.hour(of: now - Self.patience)
        var groups: [TablePartition: [TableFile]] = [:]
        for file in table.snapshot.files.values where file.size < Self.smallBytes {
            guard let place = file.partition["place"], let hour = file.partition["hour"], hour < open else { continue }
            groups[TablePartition(place: place, hour: hour), default: []].append(file)
        }
        for (partition, files) in groups.sorted(by: { $0.key < $1.key }) where files.count > 1 && !spoiled.contains(partition) {
            let last = files.map(\.modified).max() ?? 0
            guard files.count >= 4 || last < now.milliseconds - 3_600_000 else { continue }
            var inputs: [TableFile] = [], rows = 0
            for file in files.sorted(by: { ($0.size, $0.path) < ($1.size, $1.path) }).prefix(Self.mostFiles) {
                rows += statisticsRows(file)
                if rows <= Self.mostRows { inputs.append(file) }
            }
            if inputs.count > 1 { return (partition, inputs) }
        }
        return nil
    }

    /// `numRecords`, which every file of ours says first; one that does not say is taken for large.
    private func statisticsRows(_ file: TableFile) -> Int {
        guard let start = file.statistics.range(of: "\"numRecords\":") else { return Self.mostRows }
        return Int(file.statistics[start...].prefix { $0.isNumber }) ?? Self.mostRows
    }

    private func read(_ input: TableFile, into rows: inout ArchiveRows, _ partition: TablePartition) throws(TableError) {
        guard let file = try ReadableFile(table.folder, input.path) else {
            throw TableError("\(table.folder.root)/\(input.path): is gone, though the table's log names it")
        }
        do throws(ParquetError) {
            let reader = try FileReader(size: file.size, codec: codec, source: file.source)
            for group in reader.footer.groups.indices {
                var columns: [String: Column] = [:]
                for column in ArchiveColumn.allCases { columns[column.name] = try reader.column(column.name, in: group) }
                rows.append(columns, count: reader.footer.groups[group].rows, in: partition)
            }
        } catch { throw TableError("\(table.folder.root)/\(input.path): \(error)") }
    }

    /// Takes files out of the table whose hour is older than `keep`.
    package mutating func expire(olderThan keep: Duration, now: Instant) throws(TableError) {
        let first = TablePartition.hour(of: now - keep)
        let old = table.snapshot.files.values.filter { $0.partition["hour"].map { $0 < first } ?? false }.sorted { $0.path < $1.path }
        guard !old.isEmpty else { return }
        let actions =
            old.map { Action.remove(path: $0.path, at: now.milliseconds, isNews: true) } + [
                .note(operation: "DELETE", at: now.milliseconds)
            ]
        if try commit(actions, unless: { table in old.contains { table.files[$0.path] == nil } }) { counts.expired += old.count }
    }

    /// Deletes what the table has not had for a day: files that were taken out, and those of writers that died before their commit.
    package mutating func clear(now: Instant) throws(TableError) {
        let before = now.nanoseconds / 1_000_000_000 - Self.graceSeconds
        var doomed = table.snapshot.removed.filter { $0.value < before * 1000 && table.folder.exists($0.key) }.map(\.key)
        let orphans = try self.orphans(before)
        // A writer that stood still since before it wrote them cannot commit them any more: this commit is in its way, and then it
        // looks at the clock.
        if !orphans.isEmpty, try commit([.note(operation: "VACUUM START", at: now.milliseconds)], unless: { _ in false }) {
            doomed += orphans
        }
        for path in doomed where table.snapshot.files[path] == nil {
            table.folder.remove(path)
            counts.deleted += 1
        }
        for folder in Set(doomed.map { $0.split(separator: "/").dropLast().joined(separator: "/") }) {
            // Only an empty one goes, and a writer makes it again.
            table.folder.remove(folder: folder)
        }
        for name in try table.folder.names(in: "_delta_log") where name.hasPrefix(".draft-") || name.hasPrefix(".probe-") {
            if let modified = table.folder.modified("_delta_log/\(name)"), modified < before { table.folder.remove("_delta_log/\(name)") }
        }
    }

    /// Files of ours that no commit names.
    private func orphans(_ before: Int64) throws(TableError) -> [String] {
        var orphans: [String] = []
        for place in try table.folder.names(in: "") where place.hasPrefix("place=") {
            for hour in try table.folder.names(in: place) where hour.hasPrefix("hour=") {
                for name in try table.folder.names(in: "\(place)/\(hour)") where name.hasPrefix("part-") {
                    let path = "\(place)/\(hour)/\(name)"
                    guard table.snapshot.files[path] == nil, table.snapshot.removed[path] == nil,
                        let modified = table.folder.modified(path), modified < before
                    else { continue }
                    orphans.append(path)
                }
            }
        }
        return orphans
    }

    /// Writes a checkpoint when so many commits have come since the last one.
    package mutating func checkpointIfDue(now: Instant) throws(TableError) {
        let version = table.snapshot.version
        guard version / Self.commitsPerCheckpoint > checkpointed / Self.commitsPerCheckpoint else { return }
        try checkpoint(now)
        checkpointed = version
    }

    /// Commits, as long as `isVoid` does not hold of what others have committed meanwhile.
    private mutating func commit(_ actions: [Action], unless isVoid: (Snapshot) -> Bool) throws(TableError) -> Bool {
        while true {
            if case .committed = try commit(actions) { return true }
            counts.lost += 1
            if isVoid(table.snapshot) { return false }
        }
    }
}

extension String {
    /// Where `text` ends in it.
    fileprivate func range(of text: String) -> String.Index? {
        let all = utf8, wanted = Array(text.utf8)
        var index = all.startIndex
        while index < all.endIndex {
            if all[index...].starts(with: wanted) { return all.index(index, offsetBy: wanted.count) }
            index = all.index(after: index)
        }
        return nil
    }
}
