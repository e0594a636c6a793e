/// A Parquet file in memory: row groups, then the footer. (parquet-format 2.10: Thrift definitions, Encodings, Compression.)
///
/// Written are data pages of version 1, dictionaries, zstd, and the extremes of each column in each row group: what every reader reads.
package struct FileWriter {
    package private(set) var bytes: [UInt8] = Array("PAR1".utf8)
    private let fields: [Field]
    private let leaves: [Leaf]
    private let codec: any Codec
    private var groups: [(rows: Int, chunks: [Chunk])] = []

    package init(_ fields: [Field], codec: any Codec) {
        self.fields = fields
        self.codec = codec
        leaves = Leaf.all(of: fields)
    }

    package var rowCount: Int { groups.reduce(0) { $0 + $1.rows } }

    /// - Parameters:
    ///   - columns: of each leaf, in order.
    ///   - rows: those to write, in this order.
    package mutating func append(_ columns: [Column], rows: [Int]) {
        precondition(columns.count == leaves.count, "a column for each leaf")
        var chunks: [Chunk] = []
        for (leaf, column) in zip(leaves, columns) {
            chunks.append(ChunkWriter(leaf: leaf, codec: codec).write(column, rows: rows, levels: nil, to: &bytes))
        }
        groups.append((rows.count, chunks))
    }

    /// Of nested columns: each comes with its levels, and a row of its own for each of them.
    package mutating func append(_ columns: [(Column, Levels)], rowCount: Int) {
        precondition(columns.count == leaves.count, "a column for each leaf")
        var chunks: [Chunk] = []
        for (leaf, (column, levels)) in zip(leaves, columns) {
            let writer = ChunkWriter(leaf: leaf, codec: codec)
            chunks.append(writer.write(column, rows: Array(0..<column.count), levels: levels, to: &bytes))
        }
        groups.append((rowCount, chunks))
    }

    /// Of each leaf over all row groups.
    package var statistics: [Statistics] {
        leaves.indices.map { leaf in groups.map { $0.chunks[leaf].statistics }.reduce(Statistics()) { $0.joined($1) } }
    }

    /// The whole file.
    package mutating func finish() -> [UInt8] {
        var footer = ThriftWriter()
        footer.element { write(&$0) }
        bytes += footer.bytes
        bytes.append(littleEndian: UInt32(footer.bytes.count))
        bytes += "PAR1".utf8
        return bytes
    }

    private func write(_ out: inout ThriftWriter) {
        out.i32(1, 2)
        let root: (inout ThriftWriter) -> Void = { out in
            out.element {
                $0.binary(4, "weir".utf8)
                $0.i32(5, Int32(fields.count))
            }
        }
        out.list(2, .structure, [root] + fields.flatMap { $0.elements() }) { $1(&$0) }
        out.i64(3, Int64(rowCount))
        out.list(4, .structure, groups) { out, group in
            out.element { out in
                out.list(1, .structure, group.chunks) { $0.chunk($1) }
                out.i64(2, Int64(group.chunks.reduce(0) { $0 + $1.uncompressedSize }))
                out.i64(3, Int64(group.rows))
                out.i64(5, Int64(group.chunks.first?.start ?? 4))
                out.i64(6, Int64(group.chunks.reduce(0) { $0 + $1.size }))
            }
        }
        out.binary(6, "weir".utf8)
        // Extremes are by the type's own order; without this no reader believes them.
        out.list(7, .structure, leaves) { out, _ in out.element { $0.structure(1) { _ in } } }
    }
}

extension ThriftWriter {
    fileprivate mutating func chunk(_ chunk: Chunk) {
        element { out in
            out.i64(2, Int64(chunk.start))
            out.structure(3) { data in
                data.i32(1, chunk.leaf.kind.physical)
                data.list(2, .i32, chunk.dictionaryStart == nil ? [0, 3] : [0, 3, 8]) { $0.zigzag($1) }
                data.list(3, .binary, chunk.leaf.path) { $0.text($1.utf8) }
                // Zstandard.
                data.i32(4, 6)
                data.i64(5, Int64(chunk.values))
                data.i64(6, Int64(chunk.uncompressedSize))
                data.i64(7, Int64(chunk.size))
                data.i64(9, Int64(chunk.dataStart))
                if let start = chunk.dictionaryStart { data.i64(11, Int64(start)) }
                data.structure(12) { out in
                    out.i64(3, Int64(chunk.statistics.nulls))
                    guard let (least, greatest) = chunk.statistics.encoded(chunk.leaf.kind) else { return }
                    out.binary(5, greatest)
                    out.binary(6, least)
                }
            }
        }
    }
}

extension Statistics {
    func joined(_ other: Statistics) -> Statistics {
        var all = self
        all.nulls += other.nulls
        switch (bounds, other.bounds) {
        case (.none, let bounds): all.bounds = bounds
        case (.integers(let least, let greatest), .integers(let low, let high)):
            all.bounds = .integers(min(least, low), max(greatest, high))
        case (.texts(let least, let greatest), .texts(let low, let high)):
            all.bounds = .texts(
                low.lexicographicallyPrecedes(least) ? low : least, greatest.lexicographicallyPrecedes(high) ? high : greatest)
        default: break
        }
        return all
    }

    func encoded(_ kind: ColumnKind) -> (least: [UInt8], greatest: [UInt8])? {
        switch bounds {
        case .none: return nil
        case .texts(let least, let greatest): return (least, greatest)
        case .integers(let least, let greatest):
            func bytes(_ value: Int64) -> [UInt8] {
                var bytes: [UInt8] = []
                Values.append(value, kind, to: &bytes)
                return bytes
            }
            return (bytes(least), bytes(greatest))
        }
    }
}
