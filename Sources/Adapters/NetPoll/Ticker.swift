internal import CLinux
internal import Glibc
package import Linux

/// A timer that is something to read.
package struct Ticker: ~Copyable {
    private let descriptor: FileDescriptor

    package init(everyMilliseconds milliseconds: Int) throws(Errno) {
        let descriptor = try FileDescriptor(owning: timerfd_create(CLOCK_MONOTONIC, CInt(TFD_NONBLOCK | TFD_CLOEXEC)))
        let interval = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        var timer = itimerspec(it_interval: interval, it_value: interval)
        guard unsafe timerfd_settime(descriptor.rawValue, 0, &timer, nil) == 0 else { throw .current }
        self.descriptor = descriptor
    }

    /// For the caller's epoll; it stays ours.
    package var eventDescriptor: CInt { descriptor.rawValue }

    /// How often it has fired since the last call.
    package func take() -> Int {
        var count: UInt64 = 0
        return unsafe read(descriptor.rawValue, &count, 8) == 8 ? Int(clamping: count) : 0
    }
}
