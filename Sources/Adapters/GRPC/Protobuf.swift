/// The protobuf wire format (protobuf.dev, "Encoding"), written field by field in the caller's order. Defaults are left out, as proto3 does.
package struct ProtobufWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(capacity: Int = 256) { bytes.reserveCapacity(capacity) }

    package mutating func varint(_ field: Int, _ value: UInt64) {
        guard value != 0 else { return }
        key(field, 0)
        append(value)
    }

    package mutating func string(_ field: Int, _ value: String) {
        guard !value.isEmpty else { return }
        key(field, 2)
        append(UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    package mutating func data(_ field: Int, _ value: [UInt8]) {
        opening(field, of: value.count)
        bytes += value
    }

    /// What stands before a field of so many bytes, which the caller puts behind it.
    package mutating func opening(_ field: Int, of count: Int) {
        key(field, 2)
        append(UInt64(count))
    }

    package mutating func double(_ field: Int, _ value: Double) {
        guard value != 0 else { return }
        key(field, 1)
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift)) }
    }

    package mutating func message(_ field: Int, _ fill: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter(capacity: 64)
        fill(&inner)
        data(field, inner.bytes)
    }

    private mutating func key(_ field: Int, _ type: UInt64) { append(UInt64(field) << 3 | type) }

    private mutating func append(_ value: UInt64) {
        var value = value
        while value > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(value))
    }
}

/// Bytes that are no protobuf message.
package struct Malformed: Error, Sendable { package init() {} }

/// Reads a message's fields in the order in which they come; whoever reads skips what it does not know.
package struct ProtobufReader: Sendable {
    package enum Value: Sendable {
        case varint(UInt64), fixed64(UInt64), fixed32(UInt32), data(ArraySlice<UInt8>)

        package var text: String? { if case .data(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil } }
        package var bytes: ArraySlice<UInt8>? { if case .data(let bytes) = self { bytes } else { nil } }
    }

    private var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field; `nil` at the end.
    package mutating func next() throws(Malformed) -> (field: Int, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let key = try varint()
        guard key >> 3 > 0, key >> 3 < 1 << 29 else { throw Malformed() }
        let field = Int(key >> 3)
        switch key & 7 {
        case 0: return (field, .varint(try varint()))
        case 1: return (field, .fixed64(try fixed(8)))
        case 2:
            let count = try varint()
            guard count <= UInt64(rest.count) else { throw Malformed() }
            defer { rest = rest.dropFirst(Int(count)) }
            return (field, .data(rest.prefix(Int(count))))
        case 5: return (field, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
        default: throw Malformed()
        }
    }

    private mutating func varint() throws(Malformed) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { throw Malformed() }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw Malformed()
    }

    private mutating func fixed(_ count: Int) throws(Malformed) -> UInt64 {
        guard rest.count >= count else { throw Malformed() }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
