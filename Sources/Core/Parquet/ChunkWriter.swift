/// What compresses pages. One owner at a time.
package protocol Codec: AnyObject {
    func compress(_ bytes: [UInt8]) -> [UInt8]
    /// `nil` when these bytes do not become exactly so many.
    func decompress(_ bytes: ArraySlice<UInt8>, to size: Int) -> [UInt8]?
}

/// The extremes and the nulls of a column in some rows.
package struct Statistics: Sendable, Equatable {
    package enum Bounds: Sendable, Equatable { case none, integers(Int64, Int64), texts([UInt8], [UInt8]) }

    package var bounds = Bounds.none
    package var nulls = 0
}

/// A column in a row group: its place in the file, and what the footer says of it.
struct Chunk {
    var leaf: Leaf
    var values = 0
    var start = 0
    var dictionaryStart: Int?
    var dataStart = 0
    var size = 0
    var uncompressedSize = 0
    var statistics = Statistics()
}

/// The levels of a column that is nested; a flat column's follow from its nulls.
package struct Levels: Sendable, Equatable {
    package var definition: [UInt32] = []
    package var repetition: [UInt32] = []
    package init() {}
}

/// Writes a column's rows as a dictionary page and a data page, or as a data page alone.
struct ChunkWriter {
    /// A list of different values beyond it makes way for the values themselves.
    private static let dictionaryBytes = 1 << 20

    let leaf: Leaf
    let codec: any Codec

    /// - Parameters:
    ///   - rows: of the column, in the order in which they are written.
    ///   - levels: of a nested column. It has a row for each of them.
    func write(_ column: Column, rows: [Int], levels: Levels?, to file: inout [UInt8]) -> Chunk {
        var chunk = Chunk(leaf: leaf)
        chunk.start = file.count
        chunk.values = rows.count
        var body: [UInt8] = []
        if leaf.maximumRepetition > 0 { append(levels: levels!.repetition, leaf.maximumRepetition, &body) }
        let values: Values
        switch column {
        case .integers(let integers): values = Values(integers, rows, leaf.kind)
        case .texts(let texts): values = Values(texts, rows)
        }
        chunk.statistics = values.statistics
        let definition = levels?.definition ?? rows.indices.map { values.isPresent[$0] ? UInt32(leaf.maximumDefinition) : 0 }
        append(levels: definition, leaf.maximumDefinition, &body)
        let hasDictionary = values.dictionaryCount > 0 && values.isWorthADictionary(Self.dictionaryBytes)
        if hasDictionary {
            chunk.dictionaryStart = file.count
            let listed = values.dictionaryCount
            append(page: 2, values.dictionary, to: &file, &chunk) { header in
                header.structure(7) { dictionary in
                    dictionary.i32(1, Int32(listed))
                    dictionary.i32(2, 0)
                }
            }
            let width = max(1, Hybrid.width(of: listed - 1))
            body.append(UInt8(width))
            Hybrid.append(values.places, width: width, to: &body)
        } else {
            body += values.plain()
        }
        chunk.dataStart = file.count
        append(page: 0, body, to: &file, &chunk) { header in
            header.structure(5) { data in
                data.i32(1, Int32(rows.count))
                data.i32(2, hasDictionary ? 8 : 0)
                data.i32(3, 3)
                data.i32(4, 3)
            }
        }
        chunk.size = file.count - chunk.start
        return chunk
    }

    private func append(levels: [UInt32], _ maximum: Int, _ body: inout [UInt8]) {
        var bytes: [UInt8] = []
        Hybrid.append(levels, width: Hybrid.width(of: maximum), to: &bytes)
        body.append(littleEndian: UInt32(bytes.count))
        body += bytes
    }

    private func append(
        page: Int32, _ body: [UInt8], to file: inout [UInt8], _ chunk: inout Chunk, _ header: (inout ThriftWriter) -> Void
    ) {
        let compressed = codec.compress(body)
        var writer = ThriftWriter()
        writer.element { out in
            out.i32(1, page)
            out.i32(2, Int32(body.count))
            out.i32(3, Int32(compressed.count))
            out.i32(4, Int32(bitPattern: Checksum.of(compressed[...])))
            header(&out)
        }
        file += writer.bytes
        file += compressed
        chunk.uncompressedSize += writer.bytes.count + body.count
    }
}
