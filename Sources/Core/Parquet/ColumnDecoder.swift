/// Puts the pages of a column together.
struct ColumnDecoder {
    private let declared: Footer.Declared
    /// Values that are still to come, nulls among them.
    private(set) var left: Int
    private(set) var levels = Levels()
    private var integers = Integers()
    private var texts = Texts()
    private var numbers: [Int64] = []
    /// Where the dictionary's texts begin in the column's list, and how many they are.
    private var listed = 0..<0

    init(_ declared: Footer.Declared, values: Int) {
        self.declared = declared
        left = values
    }

    private var isText: Bool { declared.physical == 6 }

    var column: Column { isText ? .texts(texts) : .integers(integers) }

    mutating func dictionary(_ body: [UInt8], count: Int64) throws(ParquetError) {
        // A value takes a bit at least.
        guard count >= 0, count <= Int64(body.count) * 8 else { throw .cut }
        var cursor = ByteCursor(body)
        if isText {
            let first = texts.ends.count
            for _ in 0..<count { _ = texts.add(body[try cursor.take(try cursor.littleEndian(4))]) }
            listed = first..<texts.ends.count
        } else {
            numbers = try plain(&cursor, Int(count))
        }
    }

    mutating func data(_ body: [UInt8], count: Int64, encoding: Int64) throws(ParquetError) {
        guard count > 0, count <= Int64(left) else { throw .cut }
        var cursor = ByteCursor(body)
        let count = Int(count)
        left -= count
        let isNested = declared.repetition > 0
        if isNested { levels.repetition += try level(&cursor, declared.repetition, count) }
        var isNull: [Bool] = [], present = count
        if declared.definition > 0 {
            let most = UInt32(declared.definition)
            // Mostly all rows have a value, or none has one: then there is nothing to go through.
            if !isNested, let level = try onlyLevel(&cursor, declared.definition, count) {
                if level < most { (present, isNull) = (0, [Bool](repeating: true, count: count)) }
            } else {
                let definition = try level(&cursor, declared.definition, count)
                present = definition.count { $0 == most }
                if present < count { isNull = definition.map { $0 != most } }
                if isNested { levels.definition += definition }
            }
        }
        switch encoding {
        case 0:
            if isText {
                var codes: [UInt32] = []
                codes.reserveCapacity(present)
                for _ in 0..<present { codes.append(texts.add(body[try cursor.take(try cursor.littleEndian(4))])) }
                texts.append(codes: spread(codes, isNull, Texts.null))
            } else {
                integers.append(spread(try plain(&cursor, present), isNull, 0), isNull: isNull)
            }
        case 2, 8:
            let width = Int(try present == 0 && cursor.left == 0 ? 0 : cursor.byte())
            let places = present == 0 ? [] : try Hybrid.read(&cursor, width: width, count: present)
            let known = isText ? listed.count : numbers.count
            guard places.allSatisfy({ $0 < known }) else { throw ParquetError("a place in a dictionary is beyond its end") }
            if isText {
                let first = UInt32(listed.lowerBound)
                texts.append(codes: spread(first == 0 ? places : places.map { $0 + first }, isNull, Texts.null))
            } else {
                integers.append(spread(places.map { numbers[Int($0)] }, isNull, 0), isNull: isNull)
            }
        default: throw ParquetError("a page has an encoding that is not read here (\(encoding))")
        }
    }

    /// The level of all rows, where one run says it; then the cursor is behind it, and else where it was.
    private func onlyLevel(_ cursor: inout ByteCursor, _ maximum: Int, _ count: Int) throws(ParquetError) -> UInt32? {
        var ahead = cursor
        let range = try ahead.take(try ahead.littleEndian(4))
        var inner = ByteCursor(ahead.bytes, from: range.lowerBound, to: range.upperBound)
        let header = try inner.varint()
        guard header & 1 == 0, header >> 1 >= UInt64(count) else { return nil }
        let level = UInt32(truncatingIfNeeded: try inner.littleEndian((Hybrid.width(of: maximum) + 7) / 8))
        guard level <= UInt32(maximum) else { throw ParquetError("a level in it is too high") }
        cursor = ahead
        return level
    }

    private func level(_ cursor: inout ByteCursor, _ maximum: Int, _ count: Int) throws(ParquetError) -> [UInt32] {
        let range = try cursor.take(try cursor.littleEndian(4))
        var inner = ByteCursor(cursor.bytes, from: range.lowerBound, to: range.upperBound)
        let levels = try Hybrid.read(&inner, width: Hybrid.width(of: maximum), count: count)
        guard levels.allSatisfy({ $0 <= UInt32(maximum) }) else { throw ParquetError("a level in it is too high") }
        return levels
    }

    /// Values to the rows that have one.
    private func spread<Value>(_ values: [Value], _ isNull: [Bool], _ null: Value) -> [Value] {
        guard !isNull.isEmpty else { return values }
        var rows: [Value] = [], next = 0
        rows.reserveCapacity(isNull.count)
        for missing in isNull {
            rows.append(missing ? null : values[next])
            if !missing { next += 1 }
        }
        return rows
    }

    private func plain(_ cursor: inout ByteCursor, _ count: Int) throws(ParquetError) -> [Int64] {
        var values: [Int64] = []
        values.reserveCapacity(count)
        switch declared.physical {
        case 0:
            let range = try cursor.take(UInt64((count + 7) / 8))
            for index in 0..<count { values.append(Int64(cursor.bytes[range.lowerBound + index / 8] >> UInt8(index % 8) & 1)) }
        case 1: for _ in 0..<count { values.append(Int64(Int32(truncatingIfNeeded: try cursor.littleEndian(4)))) }
        default:
            let bytes = cursor.bytes, range = try cursor.take(UInt64(count) * 8)
            values = [Int64](repeating: 0, count: count)
            for index in 0..<count {
                let at = range.lowerBound + index * 8
                let low = UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16 | UInt32(bytes[at + 3]) << 24
                let high = UInt32(bytes[at + 4]) | UInt32(bytes[at + 5]) << 8 | UInt32(bytes[at + 6]) << 16 | UInt32(bytes[at + 7]) << 24
                values[index] = Int64(bitPattern: UInt64(high) << 32 | UInt64(low))
            }
        }
        return values
    }
}
