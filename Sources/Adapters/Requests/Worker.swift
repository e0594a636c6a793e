internal import CCurl
internal import Glibc

/// A thread for what waits for slow peers. It ends with the program.
package enum Worker {
    package static func start(_ body: sending @escaping () -> Void) {
        let work = unsafe Unmanaged.passRetained(Work(body))
        var thread = pthread_t()
        unsafe pthread_create(&thread, nil, workThread, work.toOpaque())
        pthread_detach(thread)
    }
}

/// Wakes a worker, which waits a bounded time.
@safe package final class Bell: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    package init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit { unsafe semaphore.deallocate() }

    package func ring() { _ = unsafe sem_post(semaphore) }

    package func wait(seconds: Int) {
        var end = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &end)
        end.tv_sec += seconds
        _ = unsafe sem_timedwait(semaphore, &end)
    }

    /// In seconds.
    package static var now: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec)
    }
}

private final class Work {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
}

private func workThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let argument = unsafe argument { unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
    return nil
}
