internal import CLinux
internal import Glibc
package import Linux

/// One epoll for everything that the loop waits for. Sources are small numbers that the loop knows by name.
@safe package struct Poller: ~Copyable {
    private let descriptor: FileDescriptor
    private var events: InlineArray<16, epoll_event>

    package init() throws(Errno) {
        descriptor = try FileDescriptor(owning: epoll_create1(CInt(EPOLL_CLOEXEC)))
        unsafe events = InlineArray(repeating: epoll_event())
    }

    /// Watches `target` for something to read, level-triggered; it stays its owner's.
    package func add(_ target: CInt, as source: Int) throws(Errno) {
        var event = unsafe epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(source)))
        guard unsafe epoll_ctl(descriptor.rawValue, EPOLL_CTL_ADD, target, &event) == 0 else { throw .current }
    }

    package func remove(_ target: CInt) {
        var event = unsafe epoll_event()
        _ = unsafe epoll_ctl(descriptor.rawValue, EPOLL_CTL_DEL, target, &event)
    }

    /// Waits at most so long (-1: until something happens) and returns what is ready as a bit set of sources.
    /// A signal that is caught elsewhere is a wake-up with nothing ready.
    package mutating func wait(milliseconds: Int) throws(Errno) -> UInt64 {
        let descriptor = self.descriptor.rawValue
        var span = unsafe events.mutableSpan
        let count = unsafe span.withUnsafeMutableBufferPointer { unsafe epoll_wait(descriptor, $0.baseAddress!, CInt($0.count), CInt(milliseconds)) }
        guard count >= 0 else {
            let error = Errno.current
            if error == .interrupted { return 0 }
            throw error
        }
        var ready: UInt64 = 0
        for index in 0..<Int(count) { ready |= 1 << (unsafe events[index].data.u64 & 63) }
        return ready
    }
}
