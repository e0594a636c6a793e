internal import Glibc

/// Standard output for one of several captures that are read at the same time. Whose turn it is writes through; who is early keeps its
/// bytes, and waits once they are more than `most`. So the output is in the order of the captures, and memory is bounded.
@safe final class Turns: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    private var turn = 0
    private var isOver = false
    static let most = 1 << 22

    init() {
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

    func pass() { change { turn += 1 } }
    /// Nobody is to write any more.
    func end() { change { isOver = true } }

    private func change(_ body: () -> Void) {
        unsafe pthread_mutex_lock(lock)
        body()
        unsafe pthread_cond_broadcast(changed)
        unsafe pthread_mutex_unlock(lock)
    }

    enum State { case early, now, over }

    /// - Parameter waits: until it is no longer early.
    func state(of number: Int, waits: Bool) -> State {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        while waits, turn < number, !isOver { unsafe pthread_cond_wait(changed, lock) }
        return isOver ? .over : turn < number ? .early : .now
    }
}

/// Where one capture's output goes.
final class Sink {
    private let turns: Turns?
    private let number: Int
    private var kept: [UInt8] = []

    /// Straight to standard output.
    init() { (turns, number) = (nil, 0) }
    init(_ turns: Turns, _ number: Int) { (self.turns, self.number) = (turns, number) }

    /// False when nobody reads any more.
    func write(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
        guard let turns else { return unsafe try Standard.output.write(bytes) }
        switch turns.state(of: number, waits: kept.count + bytes.count > Turns.most) {
        case .over: return false
        case .early:
            unsafe kept.append(contentsOf: bytes)
            return true
        case .now: return unsafe try flush() && Standard.output.write(bytes)
        }
    }

    func write(_ bytes: [UInt8]) throws -> Bool { unsafe try bytes.withUnsafeBytes { unsafe try write($0) } }

    /// What was early. Only when it is this capture's turn.
    @discardableResult
    func flush() throws -> Bool {
        if kept.isEmpty { return true }
        defer { kept = [] }
        return try Standard.output.write(kept)
    }
}
