import AgentCore
import Testing

private let microsecond: UInt64 = 1000, millisecond: UInt64 = 1_000_000, second: UInt64 = 1_000_000_000

/// A loop with a wall and a processor of its own.
private struct Loop {
    private(set) var stalls: Stalls
    private(set) var now: UInt64
    private(set) var cpu: UInt64 = 500
    private(set) var clockReads = 0

    init(at now: UInt64 = 1_000_000_000_000) {
        self.now = now
        stalls = Stalls(at: now, cpu: cpu)
    }

    mutating func wait(_ nanoseconds: UInt64, due: UInt64? = nil) {
        stalls.waited(from: now, to: now + nanoseconds, due: now + (due ?? nanoseconds))
        now += nanoseconds
    }

    /// A part that computes for so long and is kept from it for as long.
    mutating func part(_ part: Stalls.Part, _ computes: UInt64, off: UInt64 = 0) {
        let from = now
        now += computes + off
        cpu += computes
        var reads = 0
        func read() -> UInt64 {
            reads += 1
            return cpu
        }
        stalls.note(part, from: from, to: now, cpu: read())
        clockReads += reads
    }

    mutating func between(off: UInt64) { now += off }

    mutating func did(records: Int, events: Int, reports: Int) {
        stalls.turn.records += records
        stalls.turn.events += events
        stalls.turn.reports += reports
    }

    mutating func end() -> Stalls.Turn { stalls.ended(at: now, cpu: cpu) }

    func counts(_ part: Stalls.Part, _ column: Int) -> [Int: Int] {
        Dictionary(
            uniqueKeysWithValues: stalls.counts(of: part, in: column).enumerated().filter { $0.element > 0 }
                .map { ($0.offset, $0.element) })
    }

    func totals(_ part: Stalls.Part) -> [String: Int] {
        Dictionary(
            uniqueKeysWithValues: Stalls.classes.enumerated()
                .map { ($0.element, stalls.total(part, $0.offset)) }.filter { $0.1 > 0 })
    }
}

@Suite struct StallsTests {
    @Test(
        "A part is counted in the class of its duration, whose edges are each four times the last",
        arguments: [
            (0, "1us"), (1023, "1us"), (1024, "4us"), (4095, "4us"), (4096, "16us"), (65_535, "64us"), (1_048_575, "1ms"),
            (1_048_576, "4ms"),
            (67_108_863, "64ms"),
            (268_435_456, "1s"), (1_073_741_823, "1s"), (1_073_741_824, "longer"), (100 * second, "longer")
        ] as [(UInt64, String)])
    func classes(nanoseconds: UInt64, name: String) {
        var loop = Loop()
        loop.part(.tick, nanoseconds)
        #expect(loop.totals(.tick) == [name: 1])
        #expect(loop.stalls.longest(.tick) == Int(nanoseconds))
    }

    @Test("What of a long part the thread was off its processor is preempted, and not the part's")
    func preempted() {
        var loop = Loop()
        loop.wait(50 * millisecond)
        loop.part(.limits, 300 * microsecond)
        loop.part(.ring, 2 * millisecond, off: 3 * second)
        loop.did(records: 17, events: 2, reports: 1)
        let turn = loop.end()
        #expect(loop.totals(.limits) == ["1ms": 1])
        #expect(
            loop.stalls.longest(.ring) <= Int(2 * millisecond + 300 * microsecond)
                && loop.stalls.longest(.ring) >= Int(2 * millisecond))
        #expect(loop.totals(.preempted) == ["longer": 1] && loop.totals(.idle) == ["64ms": 1])
        #expect(turn.took == 3 * second + 2300 * microsecond && turn.preempted == 3 * second)
        #expect(turn.longest?.part == .preempted)
        #expect((turn.records, turn.events, turn.reports) == (17, 2, 1))
    }

    @Test("The thread's clock is read for long parts only")
    func reads() {
        var loop = Loop()
        for _ in 0..<100 { loop.part(.ring, 900 * microsecond) }
        #expect(loop.clockReads == 0)
        loop.part(.ring, millisecond)
        #expect(loop.clockReads == 1)
    }

    @Test("Preemption in short parts and between them is the turn's")
    func pieces() {
        var loop = Loop()
        for _ in 0..<10 { loop.part(.http, 10 * microsecond, off: 500 * microsecond) }
        loop.between(off: 7 * millisecond)
        let turn = loop.end()
        #expect(turn.preempted == 12 * millisecond && turn.took == 12_100 * microsecond)
        #expect(loop.totals(.preempted) == ["16ms": 1])
        #expect(loop.end().took == 0, "the next one begins anew")
    }

    @Test(
        "A wait that ends long after it was due was idle until then and preempted from there on; a millisecond is the kernel's to wake us")
    func late() {
        var loop = Loop()
        loop.wait(100 * millisecond + 900 * microsecond, due: 100 * millisecond)
        #expect(loop.end().took == 0 && loop.totals(.preempted) == [:] && loop.totals(.idle) == ["256ms": 1])
        loop.wait(5 * second, due: 60 * millisecond)
        loop.part(.tick, 200 * microsecond)
        let turn = loop.end()
        #expect(turn.took == 4940 * millisecond + 200 * microsecond && turn.preempted == 4940 * millisecond)
        #expect(loop.totals(.idle) == ["256ms": 1, "64ms": 1])
        #expect(loop.totals(.preempted) == ["longer": 1] && loop.totals(.tick) == ["256us": 1])
        #expect(loop.stalls.worst.map(\.took) == [turn.took])
    }

    @Test("Columns are of ten seconds, ninety at most; those in which nothing was noted are empty")
    func columns() {
        var loop = Loop()
        func turn(at seconds: UInt64) {
            loop.wait(loop.stalls.history[0].began == 0 ? 0 : 1_000_000_000_000 + seconds * second - loop.now)
            loop.part(.ring, microsecond)
            _ = loop.end()
        }
        turn(at: 1)
        turn(at: 9)
        turn(at: 31)
        #expect(loop.stalls.history.map(\.number) == [0, 1, 2, 3])
        #expect(loop.stalls.history.map { $0.began - 1_000_000_000_000 } == [0, 10 * second, 20 * second, 30 * second])
        #expect([0, 1, 2, 3].map { loop.counts(.ring, $0) } == [[0: 2], [:], [:], [0: 1]])
        turn(at: 899)
        #expect(loop.stalls.history.count == 90 && loop.counts(.ring, 0) == [0: 2])
        turn(at: 931)
        #expect(loop.stalls.history.map(\.number) == Array(4...93), "what is older than a quarter of an hour is gone")
        #expect(loop.stalls.history.allSatisfy { loop.counts(.ring, $0.number) == ([89, 93].contains($0.number) ? [0: 1] : [:]) })
        turn(at: 100_000)
        #expect(loop.stalls.history.count == 90 && loop.stalls.history.last?.number == 10_000)
        #expect(loop.stalls.history.dropLast().allSatisfy { loop.counts(.ring, $0.number).isEmpty })
        #expect(loop.totals(.ring) == ["1us": 6], "totals are since the start")
    }

    @Test("The sixteen longest turns are kept, the longest first, for a quarter of an hour")
    func worst() {
        var loop = Loop()
        for number in 1...40 as ClosedRange<UInt64> {
            loop.part(.events, (number * 7 % 41) * millisecond)
            _ = loop.end()
        }
        #expect(loop.stalls.worst.map(\.took) == (25...40 as ClosedRange<UInt64>).reversed().map { $0 * millisecond })
        #expect(loop.stalls.worst.allSatisfy { $0.longest?.part == .events })
        loop.wait(899 * second)
        loop.part(.http, 3 * millisecond)
        _ = loop.end()
        #expect(loop.stalls.worst.count == 16, "a shorter one takes no longer one's place")
        loop.wait(10 * second)
        loop.part(.http, 4 * millisecond)
        _ = loop.end()
        #expect(loop.stalls.worst.first.map { $0.longest?.part } == .http, "those of before are forgotten")
    }
}
