/// What a Parquet file says of itself at its end. Bytes of any kind give a footer or a `ParquetError`.
package struct Footer: Sendable {
    package struct Group: Sendable {
        package let rows: Int
        fileprivate(set) var columns: [ColumnPlace]
    }

    /// Where a column of a row group lies.
    struct ColumnPlace: Sendable {
        let path: [String]
        let physical: Int32
        let codec: Int64
        let values: Int
        let range: Range<Int>
        let nulls: Int?
        let least: [UInt8]?
        let greatest: [UInt8]?
    }

    /// A column as the schema declares it.
    struct Declared: Sendable {
        let path: [String]
        /// With dots between.
        let name: String
        let physical: Int32
        let definition: Int
        let repetition: Int
        let isTimestampInMicroseconds: Bool
    }

    package let rowCount: Int
    package let groups: [Group]
    let columns: [Declared]
    private let numbers: [String: Int]

    /// A row group of more rows is not ours.
    static let mostRows = 1 << 24
    /// The last bytes of a file, in which the footer mostly lies.
    package static let tail = 65_536

    /// - Parameter tail: the last bytes of the file.
    /// - Returns: the footer's size with what ends the file; more than `tail` has: read so many.
    package static func size(_ tail: [UInt8], of file: Int) throws(ParquetError) -> Int {
        guard tail.count >= 12, tail.suffix(4).elementsEqual("PAR1".utf8) else { throw ParquetError("it does not end as Parquet does") }
        var cursor = ByteCursor(tail, from: tail.count - 8)
        let size = Int(try cursor.littleEndian(4)) + 8
        guard size <= file - 4, size <= 1 << 28 else { throw .cut }
        return size
    }

    /// - Parameters:
    ///   - bytes: the footer without the eight bytes that end the file.
    ///   - end: where in the file it begins, which is where columns have to end.
    package init(_ bytes: [UInt8], at end: Int) throws(ParquetError) {
        var reader = ThriftReader(ByteCursor(bytes))
        let file = try reader.structure()
        let elements = file.structures(2)
        var index = 0, columns: [Declared] = []
        try Self.declare(elements, &index, under: [], 0, 0, &columns, depth: 0)
        self.columns = columns
        numbers = Dictionary(columns.enumerated().map { ($1.name, $0) }) { first, _ in first }
        var groups: [Group] = [], total = 0
        for group in file.structures(4) {
            let rows = try group.required(3, "a row group's length")
            guard (0...Int64(Self.mostRows)).contains(rows) else { throw ParquetError("a row group has \(rows) rows") }
            var places: [ColumnPlace] = []
            for chunk in group.structures(1) { places.append(try Self.place(chunk, end)) }
            groups.append(Group(rows: Int(rows), columns: places))
            total += Int(rows)
        }
        self.groups = groups
        rowCount = total
    }

    private static func declare(
        _ elements: [ThriftStruct], _ index: inout Int, under path: [String], _ definition: Int, _ repetition: Int,
        _ columns: inout [Declared], depth: Int
    ) throws(ParquetError) {
        guard index < elements.count, depth < 16 else { throw ParquetError("its schema is cut short or nested too deeply") }
        let element = elements[index]
        index += 1
        let name = element.text(4) ?? "", repeated = element.integer(3)
        let path = depth == 0 ? [] : path + [name]
        let definition = depth == 0 ? 0 : definition + (repeated == 1 || repeated == 2 ? 1 : 0)
        let repetition = depth == 0 ? 0 : repetition + (repeated == 2 ? 1 : 0)
        if let count = element.integer(5), count > 0 || depth == 0 {
            guard count <= Int64(elements.count) else { throw .cut }
            for _ in 0..<max(0, count) { try declare(elements, &index, under: path, definition, repetition, &columns, depth: depth + 1) }
        } else if depth > 0 {
            let unit = element.structure(10)?.structure(8)?.structure(2)
            let isMicroseconds = element.integer(6) == 10 || unit?.structure(2) != nil
            columns.append(
                Declared(
                    path: path, name: path.joined(separator: "."), physical: Int32(clamping: element.integer(1) ?? -1),
                    definition: definition, repetition: repetition,
                    isTimestampInMicroseconds: isMicroseconds))
        }
    }

    private static func place(_ chunk: ThriftStruct, _ end: Int) throws(ParquetError) -> ColumnPlace {
        guard let data = chunk.structure(3) else { throw ParquetError("a column's place is missing") }
        let first = try data.required(9, "a column's place"), size = try data.required(7, "a column's size")
        let start = min(first, data.integer(11) ?? first), values = try data.required(5, "a column's length")
        guard start >= 0, size >= 0, start <= Int64(end), size <= Int64(end) - start else { throw .cut }
        guard (0...Int64(mostRows)).contains(values) else { throw ParquetError("a column has \(values) values in a row group") }
        let statistics = data.structure(12)
        func bytes(_ id: Int16) -> [UInt8]? { statistics?.range(id).map { Array(statistics!.bytes[$0]) } }
        return ColumnPlace(
            path: data.texts(3), physical: Int32(clamping: try data.required(1, "a column's type")), codec: data.integer(4) ?? -1,
            values: Int(values), range: Int(start)..<Int(start + size), nulls: statistics?.integer(3).map { Int(clamping: $0) },
            least: bytes(6), greatest: bytes(5))
    }
}

extension Footer {
    /// A column of that name, and its place in a row group. Columns lie in the order of the schema.
    func find(_ name: String, in group: Int) -> (declared: Declared, place: ColumnPlace)? {
        guard let number = numbers[name], number < groups[group].columns.count else { return nil }
        let place = groups[group].columns[number]
        return place.path == columns[number].path ? (columns[number], place) : nil
    }

    /// The extremes of a column's numbers in a row group; `nil` where the file does not say.
    package func integers(_ name: String, in group: Int) -> ClosedRange<Int64>? {
        guard let place = find(name, in: group)?.place, let least = place.least, let greatest = place.greatest,
            let low = Self.integer(least, place.physical), let high = Self.integer(greatest, place.physical), low <= high
        else { return nil }
        return low...high
    }

    /// Whether no row of a row group has a value there. False where the file does not say.
    package func isNull(_ name: String, in group: Int) -> Bool {
        find(name, in: group)?.place.nulls == groups[group].rows
    }

    /// The value that all rows of a row group have, as the file writes it; `nil` where they differ, or where the file does not say.
    package func only(_ name: String, in group: Int) -> [UInt8]? {
        guard let place = find(name, in: group)?.place, place.nulls == 0, let least = place.least,
            least == place.greatest
        else { return nil }
        return least
    }

    private static func integer(_ bytes: [UInt8], _ physical: Int32) -> Int64? {
        var cursor = ByteCursor(bytes)
        return switch (physical, bytes.count) {
        case (2, 8): (try? cursor.littleEndian(8)).map { Int64(bitPattern: $0) }
        case (1, 4): (try? cursor.littleEndian(4)).map { Int64(Int32(truncatingIfNeeded: $0)) }
        case (0, 1): Int64(bytes[0])
        default: nil
        }
    }

    /// Bytes of the file that the columns of a row group take up; of all of them when none is named.
    package func size(of group: Int, columns names: Set<String>? = nil) -> Int {
        groups[group].columns.reduce(0) { $0 + (names?.contains($1.path.joined(separator: ".")) ?? true ? $1.range.count : 0) }
    }
}
