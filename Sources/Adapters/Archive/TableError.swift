/// Why a table cannot be read or written: one line, that names the file.
package struct TableError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }

    /// Without the file's name, for whoever names it already.
    var reason: String { description.split(separator: ": ", maxSplits: 1).last.map(String.init) ?? description }
}
