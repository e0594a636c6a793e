import Testing

@testable import AgentCore

@Suite struct DozeTests {
    private static let millisecond: UInt64 = 1_000_000

    /// So many records, one after the other, each found by a look of its own.
    private static func paced(_ doze: inout Doze, _ records: Int, every gap: UInt64, from start: UInt64) -> UInt64 {
        var now = start
        for _ in 0..<records {
            now += gap
            doze.found(1, at: now)
        }
        return now
    }

    @Test("Who comes seldom is looked at at once")
    func seldom() {
        var doze = Doze()
        #expect(doze.sleep(at: 0) == .untilNext)
        let now = Self.paced(&doze, 100, every: 20 * Self.millisecond, from: 0)
        #expect(doze.sleep(at: now) == .untilNext)
    }

    @Test(
        "Where records come fast a look finds some fifty of them, and is never further away than ten milliseconds",
        arguments: [(1_000_000, 10), (200_000, 10), (100_000, 5), (50_000, 2), (3_000, 1)] as [(UInt64, Int)])
    func fast(gap: UInt64, milliseconds: Int) {
        var doze = Doze()
        let now = Self.paced(&doze, 100, every: gap, from: 0)
        #expect(doze.sleep(at: now) == .atMost(milliseconds: milliseconds, isDeaf: false))
        // The same when each look finds what has come since the last.
        let later = now + 10 * Self.millisecond
        doze.found(Int(10 * Self.millisecond / gap), at: later)
        #expect(doze.sleep(at: later) == .atMost(milliseconds: milliseconds, isDeaf: false))
    }

    @Test("A flood is known after some twenty records, and its end after some empty looks")
    func changes() {
        var doze = Doze()
        var now = Self.paced(&doze, 20, every: 10_000, from: 0)
        #expect(doze.sleep(at: now) != .untilNext)
        var looks = 0
        while doze.sleep(at: now) != .untilNext, looks < 20 {
            now += 10 * Self.millisecond
            doze.found(0, at: now)
            looks += 1
        }
        #expect((1..<10).contains(looks), "\(looks)")
        // A look that finds many is as good as many looks.
        for _ in 0..<2 {
            now += 10 * Self.millisecond
            doze.found(500, at: now)
        }
        #expect(doze.sleep(at: now) == .atMost(milliseconds: 1, isDeaf: false))
        // An empty look right after a full one says nothing.
        now = Self.paced(&doze, 100, every: 10_000, from: now)
        let before = doze
        doze.found(0, at: now + 1)
        #expect(doze == before)
    }

    @Test("What could not wait wakes at once, but no more than once a millisecond")
    func breath() {
        var doze = Doze()
        let now = Self.paced(&doze, 100, every: 100_000, from: 0)
        doze.wake(at: now)
        #expect(doze.sleep(at: now + 10_000) == .atMost(milliseconds: 1, isDeaf: true))
        #expect(doze.sleep(at: now + Self.millisecond) == .atMost(milliseconds: 5, isDeaf: false))
    }
}
