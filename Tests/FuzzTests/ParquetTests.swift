import Archive
import Parquet
import Testing

/// Parquet files that somebody else has put where the archive's are.
@Suite struct ParquetTests {
    private static let seeds: [[UInt8]] = [(3, 40), (1, 9), (30, 60)].map { different, rows in
        var file = FileWriter([.value("n", .int64), .value("b", .boolean), .value("t", .text), .value("w", .timestamp)], codec: Zstd())
        var numbers = Integers(), flags = Integers(), texts = TextsBuilder()
        for row in 0..<rows {
            numbers.append(row % 7 == 0 ? nil : Int64(row % different) << 40)
            flags.append(Int64(row & 1))
            texts.append(row % 5 == 0 ? nil : "text \(row % different)")
        }
        let columns: [Column] = [.integers(numbers), .integers(flags), .texts(texts.texts), .integers(numbers)]
        file.append(columns, rows: Array(0..<rows))
        file.append(columns, rows: Array((0..<rows).reversed()))
        return file.finish()
    }

    @Test("Parquet files")
    func parquet() {
        let codec = Zstd()
        Fuzz.run("parquet", seeds: Self.seeds, words: ["PAR1", "\u{15}\u{4}", "\u{1c}\u{15}", "(\u{b5}/\u{fd}", "\u{0}\u{0}\u{0}\u{0}"]) {
            input in
            do throws(ParquetError) {
                let reader = try FileReader(size: input.count, codec: codec) { range throws(ParquetError) in
                    guard range.lowerBound >= 0, range.upperBound <= input.count else { throw ParquetError("beyond the end") }
                    return Array(input[range])
                }
                for group in reader.footer.groups.indices {
                    for name in reader.columnNames {
                        guard let column = try reader.column(name, in: group) else { continue }
                        _ = (reader.footer.integers(name, in: group), reader.footer.only(name, in: group))
                        guard case .texts(let texts) = column else { continue }
                        for row in 0..<column.count { _ = texts[row] }
                    }
                }
                return nil
            } catch { return Fuzz.fault(in: error.description) }
        }
    }
}
