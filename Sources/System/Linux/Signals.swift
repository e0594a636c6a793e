internal import CLinux
internal import Glibc

/// Signals as something to read in a loop, rather than code that runs at any time.
package struct Signals: ~Copyable {
    package static let terminate = SIGTERM
    package static let interrupt = SIGINT
    package static let hangUp = SIGHUP

    private let descriptor: FileDescriptor

    /// Blocks the signals for this thread and those that it starts: make this first.
    package init(_ signals: [CInt]) throws(Errno) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        descriptor = try unsafe FileDescriptor(owning: signalfd(-1, &set, CInt(SFD_NONBLOCK | SFD_CLOEXEC)))
    }

    /// Readable when a signal waits. For the caller's epoll; it stays ours.
    package var eventDescriptor: CInt { descriptor.rawValue }

    /// The next signal, without waiting.
    package func next() -> CInt? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        return unsafe read(descriptor.rawValue, &information, size) == size ? CInt(information.ssi_signo) : nil
    }

    /// The next signal, if one comes within that time, and before another descriptor is readable.
    package func wait(milliseconds: Int, or other: CInt = -1) -> CInt? {
        var targets = [descriptor.rawValue, other].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        unsafe poll(&targets, nfds_t(targets.count), CInt(milliseconds))
        return next()
    }
}
