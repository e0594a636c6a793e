import Archive
import ArchiveCore
import Parquet
import Testing
import Units

/// Parquet files written and read by ourselves: what comes back, and what becomes of bytes that are no Parquet.
@Suite struct FileTests {
    private static let fields: [Field] = [.value("flag", .boolean), .value("small", .int32), .value("large", .int64), .value("text", .text)]

    private static func read(_ bytes: [UInt8], _ codec: Zstd = Zstd()) throws(ParquetError) -> FileReader {
        try FileReader(size: bytes.count, codec: codec) { range throws(ParquetError) in
            guard range.upperBound <= bytes.count else { throw ParquetError("beyond the end") }
            return Array(bytes[range])
        }
    }

    /// Everything that a file gives: columns of all row groups, by name.
    private static func all(_ bytes: [UInt8], _ codec: Zstd = Zstd()) throws(ParquetError) -> [String] {
        let reader = try read(bytes, codec)
        var found: [String] = []
        for group in reader.footer.groups.indices {
            for name in reader.columnNames {
                guard let column = try reader.column(name, in: group) else { continue }
                found.append("\(group) \(name) \(text(column))")
            }
            _ = (reader.footer.integers("large", in: group), reader.footer.isNull("text", in: group), reader.footer.size(of: group))
        }
        return found
    }

    private static func text(_ column: Column) -> String {
        switch column {
        case .integers(let integers): (0..<column.count).map { integers[$0].map(String.init) ?? "null" }.joined(separator: ",")
        case .texts(let texts): (0..<column.count).map { texts[$0] ?? "null" }.joined(separator: ",")
        }
    }

    private struct Columns {
        var flags = Integers(), small = Integers(), large = Integers(), texts = TextsBuilder()
        var all: [Column] { [.integers(flags), .integers(small), .integers(large), .texts(texts.texts)] }
    }

    /// - Parameters:
    ///   - different: how many different values, so that there are dictionaries and none.
    ///   - nulls: of a hundred.
    private static func columns(_ seed: UInt64, rows: Int, different: Int, nulls: Int) -> Columns {
        var chance = SplitMix64(seed), columns = Columns(), run = 0, value = 0
        for _ in 0..<rows {
            // Runs of all lengths, between which values change.
            if run == 0 { (run, value) = (1 + chance.below(chance.below(3) == 0 ? 40 : 3), chance.below(different)) }
            run -= 1
            func maybe<Value>(_ value: Value) -> Value? { chance.below(100) < nulls ? nil : value }
            columns.flags.append(maybe(Int64(value & 1)))
            columns.small.append(maybe(Int64(Int32(truncatingIfNeeded: value &* 2_654_435_761))))
            columns.large.append(maybe(Int64(bitPattern: UInt64(value) &* 0x9e37_79b9_7f4a_7c15)))
            columns.texts.append(maybe(value == 0 ? "" : "text \(value) ä"))
        }
        return columns
    }

    private static func file(_ columns: Columns, groups: [[Int]]) -> [UInt8] {
        var file = FileWriter(fields, codec: Zstd())
        for rows in groups { file.append(columns.all, rows: rows) }
        return file.finish()
    }

    @Test(
        "What was written is read, in the order that was asked for",
        arguments: [0, 1, 7, 8, 9, 63, 500, 9000], [(1, 0), (1, 100), (2, 30), (300, 0), (1 << 40, 5)])
    func written(rows: Int, shape: (different: Int, nulls: Int)) throws {
        let columns = Self.columns(UInt64(rows), rows: rows, different: shape.different, nulls: shape.nulls)
        var order = Array(0..<rows), chance = SplitMix64(3)
        order.shuffle(using: &chance)
        let groups = rows < 2 ? [order] : [Array(order[..<(rows / 2)]), Array(order[(rows / 2)...])],
            bytes = Self.file(columns, groups: groups)
        let reader = try Self.read(bytes)
        #expect(reader.footer.rowCount == rows)
        for (group, rows) in groups.enumerated() {
            for (name, column) in zip(["flag", "small", "large", "text"], columns.all) {
                let found = try #require(try reader.column(name, in: group))
                #expect(found.count == rows.count)
                for (index, row) in rows.enumerated() {
                    switch (found, column) {
                    case (.integers(let found), .integers(let column)): #expect(found[index] == column[row], "\(name) \(row)")
                    case (.texts(let found), .texts(let column)): #expect(found[index] == column[row], "\(name) \(row)")
                    default: Issue.record("\(name) has another type")
                    }
                }
            }
            let values = rows.compactMap { columns.large[$0] }
            let extremes = values.min().map { $0...values.max()! }
            #expect(reader.footer.integers("large", in: group) == extremes)
        }
        #expect(try reader.column("none", in: 0) == nil)
    }

    private static let small = file(columns(5, rows: 40, different: 9, nulls: 20), groups: [Array(0..<28), Array(28..<40)])

    @Test("A file that is cut short anywhere is refused in one line")
    func cut() {
        for length in 0..<Self.small.count {
            do throws(ParquetError) {
                _ = try Self.all(Array(Self.small[..<length]))
                Issue.record("\(length) bytes of \(Self.small.count) were read")
            } catch { #expect(!error.description.isEmpty && !error.description.contains("\n")) }
        }
    }

    @Test("A flipped bit is refused, or changes nothing but what the footer says beside the pages; it never traps")
    func flipped() throws {
        let whole = try Self.all(Self.small), codec = Zstd(), reader = try Self.read(Self.small)
        // The footer's first byte; before it lie the pages, whose every byte is accounted for.
        let footer = Self.small.count - (try Parquet.Footer.size(Array(Self.small.suffix(12)), of: Self.small.count))
        #expect(reader.footer.rowCount == 40)
        var survived = 0
        for index in Self.small.indices {
            var bytes = Self.small
            bytes[index] ^= 1 << UInt8(index * 5 % 8)
            do throws(ParquetError) {
                let found = try Self.all(bytes, codec)
                if index < footer, index >= 4, found != whole { survived += 1 }
            } catch { #expect(!error.description.contains("\n")) }
        }
        // A page's header has no checksum of its own; what is left of it that counts is checked otherwise.
        #expect(survived == 0, "\(survived) flips in pages gave other values")
    }

    @Test(
        "Bytes that chance has changed never trap, and take no more memory than the file warrants", arguments: 1...4 as ClosedRange<UInt64>)
    func mutated(seed: UInt64) {
        var chance = SplitMix64(seed)
        let codec = Zstd()
        for _ in 0..<1500 {
            var bytes = Self.small
            for _ in 0...chance.below(6) {
                let index = chance.below(bytes.count)
                switch chance.below(4) {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: chance.next())
                case 1: bytes[index] = [0, 1, 0x7f, 0x80, 0xff][chance.below(5)]
                case 2: bytes.remove(at: index)
                default: bytes.insert(UInt8(truncatingIfNeeded: chance.next()), at: index)
                }
            }
            do throws(ParquetError) { _ = try Self.all(bytes, codec) } catch { #expect(!error.description.contains("\n")) }
        }
    }
}
