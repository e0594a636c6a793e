internal import CLinux
internal import Glibc
package import Linux

/// One epoll for everything that the loop waits for. Sources are small numbers that the loop knows by name.
@safe package struct Poller: ~Copyable {
    private let descriptor: FileDescriptor
    private var events: InlineArray<16, epoll_event>
    /// Named by `again`, for the next wait.
    private var unfinished: UInt64 = 0

    package init() throws(Errno) {
        descriptor = try FileDescriptor(owning: epoll_create1(CInt(EPOLL_CLOEXEC)))
        unsafe events = InlineArray(repeating: epoll_event())
    }

    /// Watches `target` for something to read; it stays its owner's.
    /// - Parameter isEdge: only news of it count (`EPOLLET`): who leaves something there unread on purpose sleeps all the same.
    package func add(_ target: CInt, as source: Int, isEdge: Bool = false) throws(Errno) {
        let what = EPOLLIN.rawValue | (isEdge ? EPOLLET.rawValue : 0)
        var event = unsafe epoll_event(events: what, data: epoll_data_t(u64: UInt64(source)))
        guard unsafe epoll_ctl(descriptor.rawValue, EPOLL_CTL_ADD, target, &event) == 0 else { throw .current }
    }

    package func remove(_ target: CInt) {
        var event = unsafe epoll_event()
        _ = unsafe epoll_ctl(descriptor.rawValue, EPOLL_CTL_DEL, target, &event)
    }

    /// This source had more to do than its turn allowed: the next wait does not sleep, and names it among the others. For descriptors that speak when
    /// something comes and are silent while it is there, as an eventfd that has been read.
    package mutating func again(_ source: Int) { unfinished |= 1 << (UInt64(source) & 63) }

    /// Waits at most so long (-1: until something happens) and returns what is ready as a bit set of sources.
    /// A signal that is caught elsewhere is a wake-up with nothing ready.
    package mutating func wait(milliseconds: Int) throws(Errno) -> UInt64 {
        let descriptor = self.descriptor.rawValue, due = unfinished
        unfinished = 0
        var span = unsafe events.mutableSpan
        let count = unsafe span.withUnsafeMutableBufferPointer {
            unsafe epoll_wait(descriptor, $0.baseAddress!, CInt($0.count), due == 0 ? CInt(milliseconds) : 0)
        }
        guard count >= 0 else {
            let error = Errno.current
            if error == .interrupted { return due }
            throw error
        }
        var ready = due
        for index in 0..<Int(count) { ready |= 1 << (unsafe events[index].data.u64 & 63) }
        return ready
    }
}
