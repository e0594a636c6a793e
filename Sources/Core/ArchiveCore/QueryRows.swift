package import Parquet
internal import Units
internal import Vocabulary

/// A row group, and which of its rows are asked for. Columns are read when they are needed: where a filter leaves nothing,
/// that filter's column is all that was read.
package struct QueryRows {
    private let reader: FileReader
    private let group: Int
    private let query: ArchiveQuery
    private let count: Int
    /// `nil` as long as it is all of them.
    private var rows: [Int]?

    package init(_ reader: FileReader, group: Int, _ query: ArchiveQuery) throws(ParquetError) {
        self.reader = reader
        self.group = group
        self.query = query
        count = reader.footer.groups[group].rows
        try filter()
    }

    private func texts(_ column: ArchiveColumn) throws(ParquetError) -> Texts? {
        guard case .texts(let texts) = try reader.column(column.name, in: group) else { return nil }
        return texts
    }

    private func numbers(_ column: ArchiveColumn) throws(ParquetError) -> [Int64]? {
        guard case .integers(let integers) = try reader.column(column.name, in: group) else { return nil }
        return integers.values
    }

    private var isEmpty: Bool { rows?.isEmpty ?? (count == 0) }

    private mutating func keep(_ isWanted: (Int) -> Bool) { rows = rows.map { $0.filter(isWanted) } ?? (0..<count).filter(isWanted) }

    private mutating func filter() throws(ParquetError) {
        let query = query
        try keep(.kind) { $0 == query.kind.rawValue }
        for (column, value) in query.equal.sorted(by: { $0.key.rawValue < $1.key.rawValue }) { try keep(column) { $0 == value } }
        if let source = query.source { try keep(source) }
        if let anomaly = query.anomaly { try keep(.anomalies) { $0.split(separator: ",").contains { $0 == anomaly.id } } }
        if let least = query.severity { try keep(.severity) { Severity(id: $0).map { $0 >= least } ?? false } }
        if !query.heedsRehearsals, !isEmpty, reader.footer.only(ArchiveColumn.rehearsal.name, in: group) != [0] {
            if let flags = try numbers(.rehearsal) { keep { flags[$0] == 0 } }
        }
        let from = query.from.microseconds, until = query.until.microseconds,
            times = reader.footer.integers(ArchiveColumn.time.name, in: group)
        if !isEmpty, times.map({ $0.lowerBound < from || $0.upperBound >= until }) ?? true {
            guard let times = try numbers(.time) else { return rows = [] }
            keep { times[$0] >= from && times[$0] < until }
        }
    }

    /// Each different text is looked at once; the one that all rows have is in the footer.
    private mutating func keep(_ column: ArchiveColumn, _ isWanted: (String) -> Bool) throws(ParquetError) {
        guard !isEmpty else { return }
        if let only = reader.footer.only(column.name, in: group) {
            if !isWanted(String(decoding: only, as: UTF8.self)) { rows = [] }
            return
        }
        guard let texts = try texts(column) else { return rows = [] }
        let wanted = texts.ends.indices.map { isWanted(texts.text(UInt32($0))) }
        keep { texts.codes[$0] != Texts.null && wanted[Int(texts.codes[$0])] }
    }

    /// An event's source is in the block; a limit's or a decision's block overlaps with it.
    private mutating func keep(_ source: Prefix) throws(ParquetError) {
        guard !isEmpty else { return }
        guard query.kind == .event else {
            return try keep(.sourcePrefix) { Prefix($0).map { source.contains($0) || $0.contains(source) } ?? false }
        }
        // Its number first, which tells nearly all apart: no text is looked at where none is left.
        if let numbers = try numbers(.sourceNumber) {
            let wanted = source.archiveNumbers
            keep { wanted.contains(numbers[$0]) }
        }
        guard !isEmpty, let texts = try texts(.sourceAddress) else { return rows = [] }
        var known: [UInt32: Bool] = [:]
        keep { row in
            let code = texts.codes[row]
            guard code != Texts.null else { return false }
            if let isIn = known[code] { return isIn }
            let isIn = Address(texts.text(code)).map { source.contains($0) } ?? false
            known[code] = isIn
            return isIn
        }
    }

    /// Adds what the rows come to.
    package func add(to tally: inout Tally) throws(ParquetError) {
        guard !isEmpty, let times = try numbers(.time) else { return }
        let seen = try sizes(.seen), reset = try sizes(.reset), dropped = try sizes(.dropped)
        func add(_ row: Int, to sums: inout Sums) {
            let refused = (reset.isEmpty ? 0 : reset[row]) &+ (dropped.isEmpty ? 0 : dropped[row])
            sums.add(hellos: seen.isEmpty ? 0 : seen[row], refused: refused, time: times[row])
        }
        guard let column = query.grouping.column else {
            var hours: [Int64: Sums] = [:]
            each { add($0, to: &hours[times[$0] / 3_600_000_000, default: Sums()]) }
            for (hour, sums) in hours {
                let text = Array(TablePartition.hour(of: Instant(microseconds: hour * 3_600_000_000)).utf8)
                tally.add(sums, to: text, text.indices)
            }
            return
        }
        // A column that a file lacks is null in all its rows.
        guard let texts = try texts(column) else {
            var sums = Sums()
            each { add($0, to: &sums) }
            return tally.add(sums, to: [], 0..<0)
        }
        let codes = texts.codes, null = texts.ends.count
        var sums = [Sums](repeating: Sums(), count: null + 1)
        each { add($0, to: &sums[codes[$0] == Texts.null ? null : Int(codes[$0])]) }
        var keyed: [(sums: Sums, range: Range<Int>)] = []
        for (code, sums) in sums.enumerated() where sums.records > 0 {
            let range = code < null ? texts.range(code) : 0..<0
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

    /// Empty where all of them are 0, or null.
    private func sizes(_ column: ArchiveColumn) throws(ParquetError) -> [Int64] {
        let footer = reader.footer
        if footer.integers(column.name, in: group) == 0...0 || footer.isNull(column.name, in: group) { return [] }
        return try numbers(column) ?? []
    }

    private func each(_ body: (Int) -> Void) {
        if let rows { for row in rows { body(row) } } else { for row in 0..<count { body(row) } }
    }
}
