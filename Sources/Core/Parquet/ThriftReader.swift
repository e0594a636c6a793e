/// Where reading stands in bytes that nobody has checked. Every read is bounded.
struct ByteCursor {
    let bytes: [UInt8]
    var index: Int
    let end: Int

    init(_ bytes: [UInt8], from start: Int = 0, to end: Int? = nil) {
        self.bytes = bytes
        index = start
        self.end = min(end ?? bytes.count, bytes.count)
    }

    var left: Int { end - index }

    mutating func byte() throws(ParquetError) -> UInt8 {
        guard index < end else { throw .cut }
        defer { index += 1 }
        return bytes[index]
    }

    mutating func varint() throws(ParquetError) -> UInt64 {
        var value: UInt64 = 0, shift: UInt64 = 0
        while true {
            let byte = try byte()
            guard shift < 63 || shift == 63 && byte < 2 else { throw ParquetError("a number in it has more than 64 bits") }
            value |= UInt64(byte & 0x7f) << shift
            guard byte & 0x80 != 0 else { return value }
            shift += 7
        }
    }

    mutating func zigzag() throws(ParquetError) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// - Parameter size: of the number, at most 8 bytes.
    mutating func littleEndian(_ size: Int) throws(ParquetError) -> UInt64 {
        guard size <= left else { throw .cut }
        var value: UInt64 = 0
        for offset in 0..<size { value |= UInt64(bytes[index + offset]) << UInt64(offset * 8) }
        index += size
        return value
    }

    /// Passes over so many bytes, and says where they lie.
    mutating func take(_ count: UInt64) throws(ParquetError) -> Range<Int> {
        guard count <= UInt64(left) else { throw .cut }
        defer { index += Int(count) }
        return index..<index + Int(count)
    }
}

/// A value of Thrift's compact protocol, whatever it stands for. Structures are small, so a field is found by looking at each.
enum ThriftValue {
    case bool(Bool), integer(Int64), binary(Range<Int>), list([ThriftValue]), structure([(id: Int16, value: ThriftValue)]), passed
}

/// Thrift's compact protocol, read, with bounds on depth and on what is kept.
struct ThriftReader {
    var cursor: ByteCursor
    private static let depth = 12
    /// Values of one text: a footer of a thousand columns has fewer.
    private var room = 1 << 20

    init(_ cursor: ByteCursor) { self.cursor = cursor }

    mutating func structure() throws(ParquetError) -> ThriftStruct {
        ThriftStruct(fields: try fields(Self.depth), bytes: cursor.bytes)
    }

    private mutating func fields(_ depth: Int) throws(ParquetError) -> [(id: Int16, value: ThriftValue)] {
        guard depth > 0 else { throw ParquetError("its headers are nested too deeply") }
        var fields: [(id: Int16, value: ThriftValue)] = [], last: Int16 = 0
        while true {
            let header = try cursor.byte()
            if header == 0 { return fields }
            let step = Int16(header >> 4)
            if step == 0 { last = Int16(truncatingIfNeeded: try cursor.zigzag()) } else { last &+= step }
            let kind = header & 15
            fields.append((last, kind <= 2 && kind > 0 ? .bool(kind == 1) : try value(kind, depth - 1)))
        }
    }

    private mutating func value(_ kind: UInt8, _ depth: Int) throws(ParquetError) -> ThriftValue {
        guard depth > 0 else { throw ParquetError("its headers are nested too deeply") }
        guard room > 0 else { throw ParquetError("its headers are too long") }
        room -= 1
        switch ThriftType(rawValue: kind) {
        case .yes, .no: return .bool(try cursor.byte() == 1)
        case .byte: return .integer(Int64(Int8(bitPattern: try cursor.byte())))
        case .i16, .i32, .i64: return .integer(try cursor.zigzag())
        case .double:
            _ = try cursor.take(8)
            return .passed
        case .binary: return .binary(try cursor.take(try cursor.varint()))
        case .list, .set:
            let header = try cursor.byte()
            let count = header >> 4 == 15 ? try cursor.varint() : UInt64(header >> 4)
            // An element takes a byte at least.
            guard count <= UInt64(cursor.left) else { throw .cut }
            var values: [ThriftValue] = []
            for _ in 0..<count { values.append(try value(header & 15, depth - 1)) }
            return .list(values)
        case .map:
            let count = try cursor.varint()
            guard count <= UInt64(cursor.left) else { throw .cut }
            guard count > 0 else { return .passed }
            let kinds = try cursor.byte()
            for _ in 0..<count {
                _ = try value(kinds >> 4, depth - 1)
                _ = try value(kinds & 15, depth - 1)
            }
            return .passed
        case .structure: return .structure(try fields(depth - 1))
        case nil: throw ParquetError("its headers hold a type that there is not")
        }
    }
}

/// A structure's fields by their numbers. What has another type than the format says counts as missing.
struct ThriftStruct {
    let fields: [(id: Int16, value: ThriftValue)]
    let bytes: [UInt8]

    private func find(_ id: Int16) -> ThriftValue? { fields.first { $0.id == id }?.value }

    func integer(_ id: Int16) -> Int64? {
        guard case .integer(let value) = find(id) else { return nil }
        return value
    }

    func required(_ id: Int16, _ what: String) throws(ParquetError) -> Int64 {
        guard let value = integer(id) else { throw ParquetError("\(what) is missing") }
        return value
    }

    func range(_ id: Int16) -> Range<Int>? {
        guard case .binary(let range) = find(id) else { return nil }
        return range
    }

    func text(_ id: Int16) -> String? { range(id).map { String(decoding: bytes[$0], as: UTF8.self) } }

    func structure(_ id: Int16) -> ThriftStruct? {
        guard case .structure(let fields) = find(id) else { return nil }
        return ThriftStruct(fields: fields, bytes: bytes)
    }

    func structures(_ id: Int16) -> [ThriftStruct] {
        guard case .list(let values) = find(id) else { return [] }
        return values.compactMap { value in
            if case .structure(let fields) = value { ThriftStruct(fields: fields, bytes: bytes) } else { nil }
        }
    }

    func texts(_ id: Int16) -> [String] {
        guard case .list(let values) = find(id) else { return [] }
        return values.compactMap { value in
            if case .binary(let range) = value { String(decoding: bytes[range], as: UTF8.self) } else { nil }
        }
    }
}
