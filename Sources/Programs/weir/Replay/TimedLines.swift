internal import Wire

/// Lines in the order of their times. A coalesced event is told a second after the hello that it is about, and still has its place before
/// what came later. Bounded: what is more than a few megabytes goes out as it came.
struct TimedLines {
    private struct Mark {
        let time: Instant
        let start: Int
        let end: Int
    }

    private var bytes: [UInt8] = []
    private var marks: [Mark] = []
    /// Where lines are put in order, if they are not.
    private var ordered: [UInt8] = []
    private var isOrdered = true
    private var newest = Instant.distantPast
    private var threshold = TimedLines.atOnce

    /// A little more than an event waits.
    private static let patience = Duration.milliseconds(1200)
    private static let atOnce = 1 << 18, most = 1 << 23

    /// Memory is taken once, so that it does not move while a large capture goes by.
    init() { bytes.reserveCapacity(Self.most + 1 << 16) }

    /// Full enough that it is worth asking for what is due.
    var isDue: Bool { bytes.count >= threshold }

    /// - Parameter write: appends the line, without its end.
    mutating func append(at time: Instant, _ write: (inout [UInt8]) -> Void) {
        let start = bytes.count
        write(&bytes)
        bytes.append(10)
        marks.append(Mark(time: time, start: start, end: bytes.count))
        if time < newest { isOrdered = false } else { newest = time }
    }

    /// Hands out what nothing can come before any more; everything, when `all`.
    mutating func take(all: Bool = false, _ body: (Span<UInt8>) throws -> Void) throws {
        if !isOrdered { order() }
        let horizon = newest - Self.patience
        let count = all || bytes.count > Self.most ? marks.count : marks.firstIndex { $0.time > horizon } ?? marks.count
        if all { newest = .distantPast }
        let end = count > 0 ? marks[count - 1].end : 0
        if end > 0 { try body(bytes.span.extracting(..<end)) }
        keep(from: count, end)
        threshold = max(Self.atOnce, bytes.count * 2)
    }

    /// Stable, and nearly sorted already.
    private mutating func order() {
        marks.sort { $0.time < $1.time }
        ordered.removeAll(keepingCapacity: true)
        for index in marks.indices {
            let start = ordered.count
            ordered += bytes[marks[index].start..<marks[index].end]
            marks[index] = Mark(time: marks[index].time, start: start, end: ordered.count)
        }
        swap(&bytes, &ordered)
        isOrdered = true
    }

    private mutating func keep(from count: Int, _ end: Int) {
        guard count < marks.count else {
            bytes.removeAll(keepingCapacity: true)
            return marks.removeAll(keepingCapacity: true)
        }
        bytes.removeFirst(end)
        marks.removeFirst(count)
        for index in marks.indices { marks[index] = Mark(time: marks[index].time, start: marks[index].start - end, end: marks[index].end - end) }
    }
}
