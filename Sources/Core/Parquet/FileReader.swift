/// Reads columns of a Parquet file: ours, and others' that are written with the same means (data pages of version 1, PLAIN and
/// dictionaries, zstd or nothing). Bytes of any kind give columns or a `ParquetError`.
package struct FileReader {
    /// The bytes at a place of the file.
    package typealias Source = (Range<Int>) throws(ParquetError) -> [UInt8]

    /// A page of more bytes is not ours.
    private static let mostBytes = 1 << 28

    package let footer: Footer
    private let source: Source
    private let codec: any Codec
    /// The file's last bytes, which the footer was read with, and where they begin: a small file is read at once.
    private let tail: (bytes: [UInt8], start: Int)

    /// - Parameter size: of the file, in bytes.
    package init(size: Int, codec: any Codec, source: @escaping Source) throws(ParquetError) {
        guard size >= 12 else { throw ParquetError("it is too short for Parquet") }
        var tail = try source(size - min(size, Footer.tail)..<size)
        let wanted = try Footer.size(tail, of: size)
        if wanted > tail.count { tail = try source(size - wanted..<size) }
        footer = try Footer(Array(tail[(tail.count - wanted)..<(tail.count - 8)]), at: size - wanted)
        self.source = source
        self.codec = codec
        self.tail = (tail, size - tail.count)
    }

    private func bytes(_ range: Range<Int>) throws(ParquetError) -> [UInt8] {
        guard range.lowerBound >= tail.start else { return try source(range) }
        return Array(tail.bytes[(range.lowerBound - tail.start)..<(range.upperBound - tail.start)])
    }

    package var columnNames: [String] { footer.columns.map(\.name) }

    /// A column's rows in a row group; `nil` when the file has no such column.
    package func column(_ name: String, in group: Int) throws(ParquetError) -> Column? { try nested(name, in: group)?.column }

    /// The same with its levels, and a row for each of them: for columns within others.
    package func nested(_ name: String, in group: Int) throws(ParquetError) -> (column: Column, levels: Levels)? {
        guard let (declared, place) = footer.find(name, in: group) else { return nil }
        guard place.physical == declared.physical, [0, 1, 2, 6].contains(place.physical) else {
            throw ParquetError("column \(name) has a type that is not read here")
        }
        guard place.codec == 6 || place.codec == 0 else {
            throw ParquetError("column \(name) is compressed by another codec than zstd (\(place.codec))")
        }
        var decoder = ColumnDecoder(declared, values: place.values)
        var pages = ByteCursor(try bytes(place.range))
        while decoder.left > 0 {
            guard pages.left > 0 else { throw .cut }
            try read(&pages, place.codec, into: &decoder)
        }
        guard declared.repetition > 0 || decoder.column.count == footer.groups[group].rows else {
            throw ParquetError("column \(name) has \(decoder.column.count) values in \(footer.groups[group].rows) rows")
        }
        return (decoder.column, decoder.levels)
    }

    private func read(_ pages: inout ByteCursor, _ compression: Int64, into decoder: inout ColumnDecoder) throws(ParquetError) {
        var thrift = ThriftReader(pages)
        let header = try thrift.structure()
        pages = thrift.cursor
        let size = try header.required(3, "a page's size"), whole = try header.required(2, "a page's size")
        guard size >= 0, (0...Int64(Self.mostBytes)).contains(whole) else { throw .cut }
        let lies = pages.bytes[try pages.take(UInt64(size))]
        if let sum = header.integer(4), UInt32(truncatingIfNeeded: sum) != Checksum.of(lies) {
            throw ParquetError("a page's checksum is wrong")
        }
        let body: [UInt8]
        if compression == 0 {
            body = Array(lies)
        } else {
            guard let plain = codec.decompress(lies, to: Int(whole)) else { throw ParquetError("a page cannot be decompressed") }
            body = plain
        }
        switch header.integer(1) {
        case 2:
            guard let page = header.structure(7) else { throw ParquetError("a dictionary's header is missing") }
            try decoder.dictionary(body, count: try page.required(1, "a dictionary's length"))
        case 0:
            guard let page = header.structure(5) else { throw ParquetError("a page's header is missing") }
            try decoder.data(body, count: try page.required(1, "a page's length"), encoding: try page.required(2, "a page's encoding"))
        case 1: break
        default: throw ParquetError("a page is of a kind that is not read here")
        }
    }
}
