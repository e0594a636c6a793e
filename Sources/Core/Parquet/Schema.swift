/// A column's type, as it lies in the file and as readers take it.
package enum ColumnKind: Sendable, Equatable {
    case boolean, int32, int64
    /// Microseconds since the Unix epoch, UTC.
    case timestamp
    /// UTF-8.
    case text

    var physical: Int32 {
        switch self {
        case .boolean: 0
        case .int32: 1
        case .int64, .timestamp: 2
        case .text: 6
        }
    }
}

/// A node of a file's schema. Everything of ours is optional, so that a column can be added later.
package indirect enum Field: Sendable, Equatable {
    case value(String, ColumnKind)
    case group(String, [Field])
    /// Of texts by texts.
    case map(String)
    /// Of texts.
    case list(String)
}

/// A column with values, and how deep it lies: what `Field`s come down to.
package struct Leaf: Sendable, Equatable {
    package let path: [String]
    package let kind: ColumnKind
    let maximumDefinition: Int
    let maximumRepetition: Int

    package var name: String { path.joined(separator: ".") }

    package static func all(of fields: [Field]) -> [Leaf] { fields.flatMap { leaves(of: $0, under: [], 0) } }

    private static func leaves(of field: Field, under path: [String], _ definition: Int) -> [Leaf] {
        func leaf(_ names: [String], _ kind: ColumnKind, _ more: Int, _ repetition: Int) -> Leaf {
            Leaf(path: path + names, kind: kind, maximumDefinition: definition + more, maximumRepetition: repetition)
        }
        return switch field {
        case .value(let name, let kind): [leaf([name], kind, 1, 0)]
        case .group(let name, let fields): fields.flatMap { leaves(of: $0, under: path + [name], definition + 1) }
        case .map(let name): [leaf([name, "key_value", "key"], .text, 2, 1), leaf([name, "key_value", "value"], .text, 3, 1)]
        case .list(let name): [leaf([name, "list", "element"], .text, 3, 1)]
        }
    }
}

extension Field {
    /// As elements of the footer's schema, in depth-first order (parquet.thrift, `SchemaElement`; LogicalTypes.md for maps and lists).
    func elements() -> [(inout ThriftWriter) -> Void] {
        switch self {
        case .value(let name, let kind): [{ $0.element(name, optional: true, kind) }]
        case .group(let name, let fields): [{ $0.group(name, of: fields.count) }] + fields.flatMap { $0.elements() }
        case .map(let name):
            [
                { $0.group(name, of: 1, converted: 1, logical: 2) }, { $0.group("key_value", of: 2, repetition: 2) },
                { $0.element("key", optional: false, .text) }, { $0.element("value", optional: true, .text) }
            ]
        case .list(let name):
            [
                { $0.group(name, of: 1, converted: 3, logical: 3) }, { $0.group("list", of: 1, repetition: 2) },
                { $0.element("element", optional: true, .text) }
            ]
        }
    }
}

extension ThriftWriter {
    fileprivate mutating func element(_ name: String, optional: Bool, _ kind: ColumnKind) {
        element { out in
            out.i32(1, kind.physical)
            out.i32(3, optional ? 1 : 0)
            out.binary(4, name.utf8)
            switch kind {
            case .text:
                out.i32(6, 0)
                out.structure(10) { $0.structure(1) { _ in } }
            case .timestamp:
                out.i32(6, 10)
                out.structure(10) { logical in
                    logical.structure(8) { time in
                        time.bool(1, true)
                        time.structure(2) { $0.structure(2) { _ in } }
                    }
                }
            case .boolean, .int32, .int64: break
            }
        }
    }

    /// - Parameters:
    ///   - repetition: 1 for optional, 2 for repeated.
    ///   - logical: the number in the union of logical types.
    fileprivate mutating func group(_ name: String, of count: Int, repetition: Int32 = 1, converted: Int32? = nil, logical: Int16? = nil) {
        element { out in
            out.i32(3, repetition)
            out.binary(4, name.utf8)
            out.i32(5, Int32(count))
            if let converted { out.i32(6, converted) }
            if let logical { out.structure(10) { $0.structure(logical) { _ in } } }
        }
    }
}
