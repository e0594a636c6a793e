internal import Glibc
internal import Synchronization

/// Bytes on their way from the loop to the history's thread. The loop copies and never waits: where there is no room, a record is counted
/// and not kept. One thread adds, one takes; memory is had at the start.
@safe package final class HistoryBuffer: @unchecked Sendable {
    enum Kind: UInt32 { case wrap = 0, record, gap, policy }

    // What the loop has written, and what the thread has taken: positions in the stream of all bytes. Each has one writer.
    private let head = Atomic<Int>(0)
    private let tail = Atomic<Int>(0)
    private let memory: UnsafeMutableRawPointer
    private let capacity: Int
    /// The loop's own: what had no room since the last record that had.
    private var lacking: HistoryGap?
    private var isWoken = false
    private let missed = Atomic<Int>(0)
    /// Of an entry: its size with this, and its kind.
    private static let headSize = 8
    package static let standardCapacity = 4 << 20

    /// - Parameter capacity: bytes, a power of two. Its pages are touched as they are needed.
    package init(capacity: Int = standardCapacity) {
        precondition(capacity >= 4096 && capacity & (capacity - 1) == 0, "a buffer's capacity is a power of two")
        guard let memory = unsafe calloc(capacity, 1) else { preconditionFailure("no memory for the history's buffer") }
        unsafe self.memory = memory
        self.capacity = capacity
    }

    deinit { unsafe free(memory) }

    /// Records without room, since the start.
    package var missedCount: Int { missed.load(ordering: .relaxed) }

    // MARK: The loop

    /// A record of the ring with its hello, as it lies there.
    /// - Parameter offset: the wall clock less the record's, nanoseconds.
    package func add(_ record: RawSpan, offset: Int64) {
        guard record.byteCount >= RecordLayout.size else { return }
        // Not before a quarter is free: one gap, and not one for each record that just fits.
        if lacking != nil, used <= capacity / 4 * 3 { tellLacking() }
        let isAdded = lacking == nil && write(.record, record, first: UInt64(bitPattern: offset))
        guard !isAdded else { return }
        // At least one record's bytes are there.
        let time = Int64(bitPattern: unsafe record.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self)) &+ offset
        missed.store(missedCount + 1, ordering: .relaxed)
        if lacking == nil { lacking = HistoryGap(.buffer, count: 0, from: time, to: time) }
        lacking?.count += 1
        lacking?.to = time
    }

    /// What had no room, before the next that has; now and then, so that it is told though nothing comes any more.
    package func tellLacking() {
        guard let gap = lacking else { return }
        let words: InlineArray<2, UInt64> = [UInt64(bitPattern: gap.from), UInt64(bitPattern: gap.to)]
        // Words are plain bytes.
        if unsafe write(.gap, words.span.bytes, first: UInt64(gap.count)) { lacking = nil }
    }

    /// From here on. False where there is no room.
    package func add(_ policy: HistoryPolicy) -> Bool {
        var entry: [UInt8] = []
        for part in [Array(policy.name.utf8.prefix(256)), Array(policy.version.utf8.prefix(256)), policy.text] {
            entry.append(word: UInt64(part.count))
            entry += part
        }
        return unsafe write(.policy, entry.span.bytes, first: policy.enforces ? 1 : 0)
    }

    /// Half of it waits, and that is news.
    func shouldWake() -> Bool {
        let isHalfFull = used > capacity / 2
        defer { isWoken = isHalfFull }
        return isHalfFull && !isWoken
    }

    private var used: Int { head.load(ordering: .relaxed) - tail.load(ordering: .acquiring) }

    private func write(_ kind: Kind, _ bytes: RawSpan, first: UInt64) -> Bool {
        let size = Self.headSize + 8 + (bytes.byteCount + 7) & ~7
        var at = head.load(ordering: .relaxed)
        let used = used, left = capacity - at & (capacity - 1)
        let needed = left < size ? left + size : size
        guard needed <= capacity - used else { return false }
        // Positions are multiples of eight, and an entry lies in one piece: every store here is within the memory.
        if left < size {
            mark(at, size: left, .wrap)
            at += left
        }
        let place = unsafe memory + at & (capacity - 1)
        mark(at, size: size, kind)
        unsafe place.storeBytes(of: first, toByteOffset: Self.headSize, as: UInt64.self)
        unsafe place.storeBytes(of: UInt32(bytes.byteCount), toByteOffset: 4, as: UInt32.self)
        unsafe bytes.withUnsafeBytes { from in
            guard let source = from.baseAddress else { return }
            unsafe (place + Self.headSize + 8).copyMemory(from: source, byteCount: from.count)
        }
        // The entry is whole before it is there.
        head.store(at + size, ordering: .releasing)
        return true
    }

    /// Kind and room in one word: the low three bits of a size are free.
    private func mark(_ at: Int, size: Int, _ kind: Kind) {
        let place = unsafe memory + at & (capacity - 1)
        unsafe place.storeBytes(of: UInt32(size) | kind.rawValue, as: UInt32.self)
    }

    // MARK: The thread

    /// Gives the next entry to `body`, whose bytes are there for this call only. False where there is none.
    func take(_ body: (Kind, _ first: UInt64, RawSpan) -> Void) -> Bool {
        while true {
            let at = tail.load(ordering: .relaxed)
            guard at != head.load(ordering: .acquiring) else { return false }
            let place = unsafe memory + at & (capacity - 1)
            // Written by `write`, whole.
            let word = unsafe place.load(as: UInt32.self), size = Int(word & ~7)
            guard let kind = Kind(rawValue: word & 7), kind != .wrap else {
                tail.store(at + size, ordering: .releasing)
                continue
            }
            let count = unsafe Int(place.load(fromByteOffset: 4, as: UInt32.self))
            let first = unsafe place.load(fromByteOffset: Self.headSize, as: UInt64.self)
            body(kind, first, unsafe RawSpan(_unsafeStart: UnsafeRawPointer(place + Self.headSize + 8), byteCount: count))
            tail.store(at + size, ordering: .releasing)
            return true
        }
    }
}
