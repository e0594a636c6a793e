/// The types of Thrift's compact protocol.
enum ThriftType: UInt8 { case yes = 1, no, byte, i16, i32, i64, double, binary, list, set, map, structure }

/// Thrift's compact protocol, written (thrift/doc/specs/thrift-compact-protocol.md): Parquet's footer and page headers.
struct ThriftWriter {
    private(set) var bytes: [UInt8] = []
    private var last: Int16 = 0

    mutating func bool(_ id: Int16, _ value: Bool) { field(id, value ? .yes : .no) }

    mutating func i32(_ id: Int16, _ value: Int32) {
        field(id, .i32)
        zigzag(Int64(value))
    }

    mutating func i64(_ id: Int16, _ value: Int64) {
        field(id, .i64)
        zigzag(value)
    }

    mutating func binary(_ id: Int16, _ value: some Collection<UInt8>) {
        field(id, .binary)
        text(value)
    }

    mutating func structure(_ id: Int16, _ fields: (inout ThriftWriter) -> Void) {
        field(id, .structure)
        element(fields)
    }

    mutating func list<Element>(
        _ id: Int16, _ kind: ThriftType, _ elements: some Collection<Element>, _ body: (inout ThriftWriter, Element) -> Void
    ) {
        field(id, .list)
        let count = elements.count
        if count < 15 {
            bytes.append(UInt8(count) << 4 | kind.rawValue)
        } else {
            bytes.append(0xf0 | kind.rawValue)
            varint(UInt64(count))
        }
        for element in elements { body(&self, element) }
    }

    /// A structure as the whole text, or as an element of a list.
    mutating func element(_ fields: (inout ThriftWriter) -> Void) {
        let outer = last
        last = 0
        fields(&self)
        bytes.append(0)
        last = outer
    }

    /// A number as an element of a list.
    mutating func zigzag(_ value: Int64) { varint(UInt64(bitPattern: value << 1 ^ value >> 63)) }

    /// Bytes as an element of a list.
    mutating func text(_ value: some Collection<UInt8>) {
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    private mutating func field(_ id: Int16, _ kind: ThriftType) {
        let step = id - last
        if (1...15).contains(step) {
            bytes.append(UInt8(step) << 4 | kind.rawValue)
        } else {
            bytes.append(kind.rawValue)
            zigzag(Int64(id))
        }
        last = id
    }

    private mutating func varint(_ value: UInt64) { bytes.appendVarint(value) }
}

extension [UInt8] {
    /// LEB128, as Thrift and Parquet's run lengths have it.
    mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    mutating func append(littleEndian value: UInt32) { for shift in 0..<4 { append(UInt8(truncatingIfNeeded: value >> (shift * 8))) } }

    mutating func append(littleEndian value: UInt64) { for shift in 0..<8 { append(UInt8(truncatingIfNeeded: value >> (shift * 8))) } }
}
