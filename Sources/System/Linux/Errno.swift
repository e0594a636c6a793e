internal import Glibc

/// A system call's error number: the one error type of everything that talks to the kernel.
package struct Errno: Error, Equatable, Sendable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    package static var current: Errno { Errno(rawValue: errno) }
    package static let interrupted = Errno(rawValue: EINTR)
    package static let again = Errno(rawValue: EAGAIN)
    package static let exists = Errno(rawValue: EEXIST)
    package static let noEntry = Errno(rawValue: ENOENT)
    package static let notPermitted = Errno(rawValue: EPERM)
}

extension Errno: CustomStringConvertible {
    package var description: String { unsafe String(cString: strerror(rawValue)) }
}
