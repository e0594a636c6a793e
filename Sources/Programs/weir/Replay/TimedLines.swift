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
    private var newest = Instant.distantPast
    private var threshold = TimedLines.atOnce

    /// A little more than an event waits.
    private static let patience = Duration.milliseconds(1200)
    private static let atOnce = 1 << 18, most = 1 << 23

    /// Full enough that it is worth asking for what is due.
    var isDue: Bool { bytes.count >= threshold }

    mutating func append(_ line: [UInt8], at time: Instant) {
        marks.append(Mark(time: time, start: bytes.count, end: bytes.count + line.count + 1))
        bytes += line
        bytes.append(10)
        newest = max(newest, time)
    }

    /// Hands out what nothing can come before any more; everything, when `all`.
    mutating func take(all: Bool = false) -> [UInt8] {
        let horizon = newest - Self.patience
        // Stable, and nearly sorted already.
        marks.sort { $0.time < $1.time }
        var count = all ? marks.count : marks.firstIndex { $0.time > horizon } ?? marks.count
        if !all, bytes.count > Self.most { count = marks.count }
        var due: [UInt8] = []
        due.reserveCapacity(bytes.count)
        for mark in marks[..<count] { due += bytes[mark.start..<mark.end] }
        keep(from: count)
        threshold = max(Self.atOnce, bytes.count * 2)
        return due
    }

    private mutating func keep(from count: Int) {
        guard count < marks.count else {
            bytes.removeAll(keepingCapacity: true)
            return marks.removeAll(keepingCapacity: true)
        }
        var rest: [UInt8] = [], left: [Mark] = []
        rest.reserveCapacity(bytes.count)
        for mark in marks[count...] {
            left.append(Mark(time: mark.time, start: rest.count, end: rest.count + mark.end - mark.start))
            rest += bytes[mark.start..<mark.end]
        }
        (bytes, marks) = (rest, left)
    }
}
