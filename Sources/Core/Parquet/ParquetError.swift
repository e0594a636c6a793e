/// Why bytes are no Parquet that this module reads: a few words, for one line.
package struct ParquetError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }

    static let cut = ParquetError("it is cut short, or a length in it is wrong")
}
