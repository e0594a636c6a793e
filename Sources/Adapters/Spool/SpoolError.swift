/// Why a spool cannot be used: one line with what to do where that is known.
package struct SpoolError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
