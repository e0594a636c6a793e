internal import Glibc

/// A bounded queue between two threads, or more. Who sends into a full one waits; who receives from an empty one waits.
@safe final class Channel<Element>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    private let capacity: Int
    private var elements: [Element] = []
    private var isClosed = false

    init(capacity: Int) {
        self.capacity = capacity
        elements.reserveCapacity(capacity)
        unsafe lock = .allocate(capacity: 1)
        unsafe changed = .allocate(capacity: 1)
        unsafe pthread_mutex_init(lock, nil)
        unsafe pthread_cond_init(changed, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(changed)
        unsafe pthread_mutex_destroy(lock)
        unsafe changed.deallocate()
        unsafe lock.deallocate()
    }

    /// False when it is closed: the element is dropped.
    @discardableResult
    func send(_ element: consuming Element) -> Bool {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        while elements.count >= capacity, !isClosed { unsafe pthread_cond_wait(changed, lock) }
        guard !isClosed else { return false }
        elements.append(element)
        unsafe pthread_cond_broadcast(changed)
        return true
    }

    /// The oldest; `nil` when it is closed and empty.
    func receive() -> Element? {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        while elements.isEmpty {
            if isClosed { return nil }
            unsafe pthread_cond_wait(changed, lock)
        }
        unsafe pthread_cond_broadcast(changed)
        return elements.removeFirst()
    }

    /// Nothing more goes in; what is in it can be received.
    func close() {
        unsafe pthread_mutex_lock(lock)
        isClosed = true
        unsafe pthread_cond_broadcast(changed)
        unsafe pthread_mutex_unlock(lock)
    }
}

/// A thread with work of its own.
struct Worker: ~Copyable {
    private let thread: pthread_t

    private final class Job {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// `nil` when no thread is to be had.
    init?(_ body: @escaping () -> Void) {
        var thread = pthread_t()
        let job = unsafe Unmanaged.passRetained(Job(body))
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                if let argument = unsafe argument { unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, job.toOpaque())
        guard code == 0 else {
            unsafe job.release()
            return nil
        }
        self.thread = thread
    }

    consuming func detach() { pthread_detach(thread) }
    consuming func join() { pthread_join(thread, nil) }
}
