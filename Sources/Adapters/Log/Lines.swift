internal import Glibc
internal import Linux
internal import Synchronization

/// Lines on their way out: a bounded buffer before an output that is never waited for. Threads take turns.
final class Lines: Sendable {
    private struct State: ~Copyable {
        let output: NonblockingOutput
        var waiting: [UInt8] = []
        /// How much of `waiting` is out.
        var written = 0
        var dropped = 0
        /// Of those dropped, how many were told of.
        var told = 0
        /// The last write failed: there is nobody to tell.
        var isBroken = false

        mutating func send() {
            while written < waiting.count {
                guard let count = output.write(waiting, from: written) else { return lose() }
                isBroken = false
                if count == 0 { return }
                written += count
            }
            waiting.removeAll(keepingCapacity: true)
            written = 0
        }

        /// Nobody will ever read what waits.
        private mutating func lose() {
            dropped += waiting[written...].reduce(0) { $0 + ($1 == 10 ? 1 : 0) }
            waiting.removeAll(keepingCapacity: true)
            written = 0
            isBroken = true
        }

        /// What is out makes room for new lines.
        mutating func compact() {
            waiting.removeFirst(written)
            written = 0
        }
    }

    private let state: Mutex<State>
    /// Bytes that wait at most.
    private static let capacity = 64 * 1024

    init(_ descriptor: CInt) {
        // A reader that goes away is an error of `write`, not the end of the program.
        signal(SIGPIPE, SIG_IGN)
        state = Mutex(State(output: NonblockingOutput(descriptor)))
    }

    var dropped: Int { state.withLock { $0.dropped } }
    var isWaiting: Bool { state.withLock { !$0.waiting.isEmpty } }

    /// One write for each line where nothing waits, so that lines of several processes do not mix.
    func add(_ line: [UInt8]) {
        state.withLock { state in
            if state.waiting.count + line.count > Self.capacity { state.compact() }
            guard state.waiting.count + line.count <= Self.capacity else { return state.dropped += 1 }
            state.waiting += line
            state.send()
        }
    }

    /// Writes what is taken. The number of lines that were dropped since the last call, once there is room for the news; `nil` while there is none.
    func flush() -> Int? {
        state.withLock { state in
            state.send()
            guard state.waiting.isEmpty, !state.isBroken else { return nil }
            defer { state.told = state.dropped }
            return state.dropped - state.told
        }
    }

    func wait(milliseconds: Int) { state.withLock { _ = $0.output.hasRoom(within: milliseconds) } }
}
