internal import Glibc

/// A file descriptor with one owner: it closes when its owner lets go, and cannot be copied.
package struct FileDescriptor: ~Copyable, Sendable {
    package let rawValue: CInt

    package init(owning rawValue: CInt) throws(Errno) {
        guard rawValue >= 0 else { throw .current }
        self.rawValue = rawValue
    }

    deinit { _ = close(rawValue) }
}
