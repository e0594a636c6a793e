package import Parquet
package import Wire

/// A question to the archive: which records, counted by what.
package struct ArchiveQuery: Sendable {
    package enum Grouping: String, CaseIterable, Sendable {
        case source, hour, anomaly, ja4, workload, node, destination, severity

        /// `nil` for what is worked out of the time.
        package var column: ArchiveColumn? {
            switch self {
            case .source: .sourcePrefix
            case .hour: nil
            case .anomaly: .anomalies
            case .ja4: .ja4
            case .workload: .workload
            case .node: .node
            case .destination: .destinationAddress
            case .severity: .severity
            }
        }
    }

    package var kind = ArchiveKind.event
    /// From, and up to but not with.
    package var from: Instant
    package var until: Instant
    /// Empty for all.
    package var places: Set<String> = []
    package var source: Prefix?
    package var anomaly: Anomaly?
    /// At least.
    package var severity: Severity?
    /// Values that a column has to have.
    package var equal: [ArchiveColumn: String] = [:]
    /// Records of rehearsals count as well.
    package var heedsRehearsals = false
    package var grouping: Grouping

    package init(from: Instant, until: Instant, by grouping: Grouping) {
        self.from = from
        self.until = until
        self.grouping = grouping
    }

    /// Columns that have to be read.
    package var columns: Set<ArchiveColumn> {
        var columns: Set<ArchiveColumn> = [.kind, .time, .rehearsal, .seen, .reset, .dropped]
        if let column = grouping.column { columns.insert(column) }
        if source != nil { columns.formUnion([.sourcePrefix, .sourceAddress]) }
        if anomaly != nil { columns.insert(.anomalies) }
        if severity != nil { columns.insert(.severity) }
        return columns.union(equal.keys)
    }

    /// Whether rows between these times can be asked for.
    package func concerns(times: ClosedRange<Int64>) -> Bool {
        times.upperBound >= from.microseconds && times.lowerBound < until.microseconds
    }

    /// Whether rows of sources between these numbers can be asked for. A limit's block may be wider than what is asked about, and has
    /// one number all the same.
    package func concerns(sources: ClosedRange<Int64>) -> Bool {
        guard let source, kind == .event else { return true }
        return source.archiveNumbers.overlaps(sources)
    }
}

/// A row group's columns, and which of its rows are asked for.
package struct QueryRows {
    private let columns: [ArchiveColumn: Column]
    private var rows: [Int]
    private let query: ArchiveQuery

    /// - Parameter columns: those of `query.columns` that the file has, each of `count` rows.
    package init(_ columns: [ArchiveColumn: Column], count: Int, _ query: ArchiveQuery) {
        self.columns = columns
        self.query = query
        rows = Array(0..<count)
        filter()
    }

    private func texts(_ column: ArchiveColumn) -> Texts? {
        guard case .texts(let texts) = columns[column] else { return nil }
        return texts
    }

    private func numbers(_ column: ArchiveColumn) -> [Int64]? {
        guard case .integers(let integers) = columns[column] else { return nil }
        return integers.values
    }

    private mutating func filter() {
        let query = query
        keep(.kind) { $0 == query.kind.rawValue }
        for (column, value) in query.equal { keep(column) { $0 == value } }
        if let anomaly = query.anomaly { keep(.anomalies) { $0.split(separator: ",").contains { $0 == anomaly.id } } }
        if let least = query.severity { keep(.severity) { Severity(id: $0).map { $0 >= least } ?? false } }
        if let source = query.source { keep(source) }
        let from = query.from.microseconds, until = query.until.microseconds
        if let times = numbers(.time) {
            rows.removeAll { times[$0] < from || times[$0] >= until }
        } else {
            rows = []
        }
        if !query.heedsRehearsals, let flags = numbers(.rehearsal) { rows.removeAll { flags[$0] != 0 } }
    }

    /// Each different text is looked at once.
    private mutating func keep(_ column: ArchiveColumn, _ isWanted: (String) -> Bool) {
        guard let texts = texts(column) else { return rows = [] }
        let wanted = texts.ends.indices.map { isWanted(texts.text(UInt32($0))) }
        // All rows mostly say the same.
        if wanted.allSatisfy(\.self), !texts.codes.contains(Texts.null) { return }
        rows.removeAll { texts.codes[$0] == Texts.null || !wanted[Int(texts.codes[$0])] }
    }

    /// An event's source is in the block; a limit's or a decision's block overlaps with it.
    private mutating func keep(_ source: Prefix) {
        guard query.kind != .event else { return keep(.sourceAddress) { Address($0).map { source.contains($0) } ?? false } }
        keep(.sourcePrefix) { Prefix($0).map { source.contains($0) || $0.contains(source) } ?? false }
    }

    package var count: Int { rows.count }

    /// Adds what the rows come to.
    package func add(to tally: inout Tally) {
        guard !rows.isEmpty, let times = numbers(.time) else { return }
        let seen = numbers(.seen), reset = numbers(.reset), dropped = numbers(.dropped)
        func add(_ row: Int, to sums: inout Sums) {
            sums.add(hellos: seen?[row] ?? 0, refused: (reset?[row] ?? 0) &+ (dropped?[row] ?? 0), time: times[row])
        }
        guard let column = query.grouping.column else {
            var hours: [Int64: Sums] = [:]
            for row in rows { add(row, to: &hours[times[row] / 3_600_000_000, default: Sums()]) }
            for (hour, sums) in hours {
                let text = Array(TablePartition.hour(of: Instant(microseconds: hour * 3_600_000_000)).utf8)
                tally.add(sums, to: text, text.indices)
            }
            return
        }
        // A column that a file lacks is null in all its rows.
        guard let texts = texts(column) else { return tally.add(rows.reduce(into: Sums()) { add($1, to: &$0) }, to: [], 0..<0) }
        var sums = [Sums](repeating: Sums(), count: texts.ends.count + 1)
        for row in rows { add(row, to: &sums[texts.codes[row] == Texts.null ? texts.ends.count : Int(texts.codes[row])]) }
        var keyed: [(sums: Sums, range: Range<Int>)] = []
        for (code, sums) in sums.enumerated() where sums.records > 0 {
            let range = code < texts.ends.count ? texts.range(code) : 0..<0
            guard query.grouping == .anomaly else {
                keyed.append((sums, range))
                continue
            }
            for anomaly in texts.bytes[range].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                keyed.append((sums, anomaly.indices))
            }
        }
        tally.add(keyed, in: texts.bytes)
    }
}
