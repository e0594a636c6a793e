internal import Glibc
package import Linux
internal import Synchronization

/// A history as the agent has it: a buffer that the loop fills, and a thread that empties it into files.
package final class HistoryKeeper: Sendable {
    package let buffer: HistoryBuffer
    private let writer: Mutex<HistoryWriter>
    private let wake: EventCounter
    private let done: EventCounter
    private let isEnding = Atomic<Bool>(false)
    private let counted = Mutex(HistoryWriter.Counts())

    package init(_ writer: consuming HistoryWriter, capacity: Int = HistoryBuffer.standardCapacity) throws(Errno) {
        buffer = HistoryBuffer(capacity: capacity)
        wake = try EventCounter(blocking: true)
        done = try EventCounter()
        self.writer = Mutex(writer)
    }

    /// Once this process is what it will be, for a thread inherits what its maker has.
    package func start() {
        var thread = pthread_t()
        let me = unsafe Unmanaged.passRetained(self)
        guard unsafe pthread_create(&thread, nil, historyThread, me.toOpaque()) == 0 else {
            unsafe me.release()
            return done.raise()
        }
        pthread_detach(thread)
    }

    /// The loop, for each record: a copy, and where half the buffer waits a word to the thread.
    package func add(_ record: RawSpan, offset: Int64) {
        buffer.add(record, offset: offset)
        if buffer.shouldWake() { wake.raise() }
    }

    /// The loop, once a second.
    package func flush() {
        buffer.tellLacking()
        wake.raise()
    }

    package var counts: HistoryWriter.Counts { counted.withLock { $0 } }

    /// Writes what waits, in so much time.
    package func end(withinMilliseconds patience: Int) {
        buffer.tellLacking()
        isEnding.store(true, ordering: .releasing)
        wake.raise()
        var target = pollfd(fd: done.eventDescriptor, events: Int16(POLLIN), revents: 0)
        unsafe _ = poll(&target, 1, CInt(patience))
    }

    fileprivate func run() {
        while true {
            wake.take()
            let isLast = isEnding.load(ordering: .acquiring)
            let counts = writer.withLock { writer in
                if isLast { writer.end(buffer, at: Clock.wall) } else { writer.drain(buffer, at: Clock.wall) }
                return writer.counts
            }
            counted.withLock { $0 = counts }
            if isLast { return done.raise() }
        }
    }
}

private func historyThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    unsafe Unmanaged<HistoryKeeper>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
