internal import CLinux
internal import Glibc

/// A number that one thread raises and another waits for (eventfd(2)).
package struct EventCounter: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// - Parameter blocking: `take` waits until there is something.
    package init(blocking: Bool = false) throws(Errno) {
        descriptor = try FileDescriptor(owning: eventfd(0, CInt(EFD_CLOEXEC) | (blocking ? 0 : CInt(EFD_NONBLOCK))))
    }

    /// For an epoll; it stays ours.
    package var eventDescriptor: CInt { descriptor.rawValue }

    package func raise() {
        var one: UInt64 = 1
        unsafe _ = write(descriptor.rawValue, &one, 8)
    }

    package func take() {
        var count: UInt64 = 0
        unsafe _ = read(descriptor.rawValue, &count, 8)
    }
}
