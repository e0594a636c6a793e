package import ArchiveCore
internal import Glibc
internal import Parquet
internal import Synchronization

/// Asks the files of an archive, several at once: what cannot hold an answer is not read, by place, by the extremes that the log has of
/// each file, and by those that each file has of its row groups.
package struct ArchiveScan {
    package struct Read: Sendable, Equatable {
        package var files = 0, groups = 0, bytes = 0, rows = 0
        package var allFiles = 0, allGroups = 0, allBytes = 0
    }

    /// Threads at most; each reads a file at a time.
    private static let mostThreads = 8

    private let folder: TableFolder
    private let files: [FileAtHand]
    package let places: Set<String>
    private let all: Read

    private struct FileAtHand: Sendable {
        let file: TableFile
        let statistics: FileStatistics
    }

    package init(_ root: String) throws(TableError) {
        let table = try Table(reading: root, codec: Zstd())
        guard table.snapshot.metadata?.partitions == ArchiveSchema.partitions else {
            throw TableError("\(root): holds a table that weir-archive has not made")
        }
        folder = table.folder
        var reader = StatisticsReader(), all = Read(), places: Set<String> = []
        files = table.snapshot.files.values.sorted { $0.path < $1.path }.map { file in
            all.allFiles += 1
            all.allBytes += file.size
            if let place = file.partition["place"] { places.insert(place) }
            return FileAtHand(file: file, statistics: reader.read(file.statistics))
        }
        self.all = all
        self.places = places
    }

    /// The answer, and what it took to find it.
    /// - Parameter threads: as many as there are processors when it is `nil`.
    package func run(_ query: ArchiveQuery, threads: Int? = nil) throws(TableError) -> (tally: Tally, read: Read) {
        let chosen = files.filter { at in
            (query.places.isEmpty || query.places.contains(at.file.partition["place"] ?? ""))
                && at.statistics.times.map { query.concerns(times: $0) } ?? true
                && at.statistics.sources.map { query.concerns(sources: $0) } ?? true
        }
        let work = Work(folder, chosen.map(\.file), query, all)
        let processors = max(1, Int(sysconf(CInt(_SC_NPROCESSORS_ONLN))))
        work.run(threads: min(threads ?? processors, Self.mostThreads, max(1, chosen.count)))
        return try work.result()
    }

    fileprivate final class Work: Sendable {
        private struct State {
            var next = 0
            var tally = Tally()
            var read: Read
            var failure: TableError?
        }

        private let state: Mutex<State>
        private let folder: TableFolder
        private let files: [TableFile]
        private let query: ArchiveQuery

        init(_ folder: TableFolder, _ files: [TableFile], _ query: ArchiveQuery, _ all: Read) {
            self.folder = folder
            self.files = files
            self.query = query
            state = Mutex(State(read: all))
        }

        func run(threads: Int) {
            var others: [pthread_t] = []
            for _ in 1..<max(1, threads) {
                var thread = pthread_t()
                let held = unsafe Unmanaged.passRetained(self)
                if unsafe pthread_create(&thread, nil, scanThread, held.toOpaque()) == 0 {
                    others.append(thread)
                } else {
                    unsafe held.release()
                }
            }
            work()
            for thread in others { pthread_join(thread, nil) }
        }

        func work() {
            let codec = Zstd()
            var tally = Tally(), read = Read()
            while let file = take() {
                do throws(TableError) { try scan(file, codec, &tally, &read) } catch {
                    return state.withLock { $0.failure = $0.failure ?? error }
                }
            }
            state.withLock { state in
                state.tally.add(tally)
                state.read.files += read.files
                state.read.groups += read.groups
                state.read.allGroups += read.allGroups
                state.read.bytes += read.bytes
                state.read.rows += read.rows
            }
        }

        /// `nil` at the end, or where another thread has failed.
        private func take() -> TableFile? {
            state.withLock { state in
                guard state.next < files.count, state.failure == nil else { return nil }
                state.next += 1
                return files[state.next - 1]
            }
        }

        private func scan(_ file: TableFile, _ codec: Zstd, _ tally: inout Tally, _ read: inout Read) throws(TableError) {
            guard let open = try ReadableFile(folder, file.path) else {
                throw TableError("\(folder.root)/\(file.path): is gone, though the table's log names it")
            }
            do throws(ParquetError) {
                let reader = try FileReader(size: open.size, codec: codec, source: open.source)
                read.files += 1
                read.allGroups += reader.footer.groups.count
                for group in reader.footer.groups.indices {
                    let footer = reader.footer
                    guard footer.integers("time", in: group).map({ query.concerns(times: $0) }) ?? true,
                        footer.integers("source_number", in: group).map({ query.concerns(sources: $0) }) ?? true
                    else { continue }
                    try QueryRows(reader, group: group, query).add(to: &tally)
                    read.groups += 1
                    read.rows += footer.groups[group].rows
                }
                read.bytes += open.bytesRead
            } catch { throw TableError("\(folder.root)/\(file.path): \(error)") }
        }

        func result() throws(TableError) -> (tally: Tally, read: Read) {
            try state.withLock { state throws(TableError) in
                if let failure = state.failure { throw failure }
                return (state.tally, state.read)
            }
        }
    }
}

private func scanThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    unsafe Unmanaged<ArchiveScan.Work>.fromOpaque(argument).takeRetainedValue().work()
    return nil
}
