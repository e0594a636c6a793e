/// Where a loop's time goes: its turns and their parts, by how long they took, over the last quarter of an hour and since the start. A
/// value: the clocks are the caller's, in nanoseconds of `CLOCK_MONOTONIC` and `CLOCK_THREAD_CPUTIME_ID`.
///
/// A turn is what the loop does between two waits. Its parts are timed by the wall. What of a turn the thread was not on a processor for
/// (stopped, throttled, preempted, or waiting inside a call) is `preempted`; a part of a millisecond or more has its own share of that
/// taken off. So has a wait that ends after it was due.
///
/// Nothing here allocates once it stands. It takes 48 kB: 90 columns of 10 parts in 12 classes of four bytes each, and the 16 worst
/// turns.
package struct Stalls: Sendable {
    package enum Part: Int, CaseIterable, Sendable {
        /// Verdicts read, judged and limited; events made; the Kafka client's reports; the limits topic; what time brings; a scrape;
        /// interfaces that came or went; the policy's file.
        case ring, events, kafka, limits, tick, http, links, policy
        /// The thread was kept from its turn, or wanted and not woken.
        case preempted
        /// The loop waited for something to do.
        case idle
    }

    /// By their upper edges: each four times the one before, the first 1,024 ns; the last has none.
    package static let classes = ["1us", "4us", "16us", "64us", "256us", "1ms", "4ms", "16ms", "64ms", "256ms", "1s", "longer"]
    package static let columns = 90
    package static let columnNanoseconds: UInt64 = 10_000_000_000
    package static let worstKept = 16
    /// From so long on a part's preempted share is told apart, which takes a system call.
    private static let slow: UInt64 = 1_000_000
    /// A wait that ends so much later than it was due was not only woken slowly.
    private static let late: UInt64 = 1_000_000

    /// A turn and what it did.
    package struct Turn: Sendable, Equatable {
        /// When it was over.
        package internal(set) var end: UInt64 = 0
        /// From when it was due to its end.
        package internal(set) var took: UInt64 = 0
        package internal(set) var parts = Parts()
        package var records = 0
        package var events = 0
        package var reports = 0

        package var preempted: UInt64 { parts[.preempted] }
        /// What took longest, `preempted` included; `nil` when all of it is between the parts.
        package var longest: (part: Part, nanoseconds: UInt64)? {
            let found = Part.allCases.max { parts[$0] < parts[$1] }!
            return parts[found] > 0 ? (found, parts[found]) : nil
        }
    }

    /// Nanoseconds of each part.
    package struct Parts: Sendable, Equatable {
        private var values = InlineArray<10, UInt64>(repeating: 0)
        package subscript(part: Part) -> UInt64 {
            get { values[part.rawValue] }
            set { values[part.rawValue] = newValue }
        }

        package static func == (one: Parts, other: Parts) -> Bool { Part.allCases.allSatisfy { one[$0] == other[$0] } }
    }

    private static let cells = Part.allCases.count * classes.count

    private let start: UInt64
    /// Ten seconds each, in a ring; `newest` counts from the start.
    private var counts = [UInt32](repeating: 0, count: columns * cells)
    private var newest = 0
    private var totals = [UInt64](repeating: 0, count: cells)
    private var longest = [UInt64](repeating: 0, count: Part.allCases.count)
    private var held = [Turn](repeating: Turn(), count: worstKept)
    private var heldCount = 0
    /// The shortest of the worst, once there are enough.
    private var floor: UInt64 = 0

    /// What the turn under way has come to.
    package var turn = Turn()
    private var began: UInt64
    private var turnCPU: UInt64
    private var lastCPU: UInt64

    package init(at now: UInt64, cpu: UInt64) {
        start = now
        began = now
        (turnCPU, lastCPU) = (cpu, cpu)
    }

    /// A part of the turn, from one moment of the wall to another.
    /// - Parameter cpu: the thread's clock, asked for only when the part took long.
    package mutating func note(_ part: Part, from: UInt64, to: UInt64, cpu: @autoclosure () -> UInt64) {
        var took = to &- from
        if took >= Self.slow {
            let now = cpu(), off = took - min(took, now &- lastCPU)
            lastCPU = now
            took -= off
            turn.parts[.preempted] += off
        }
        turn.parts[part] += took
        add(part, took)
    }

    /// The turn is over, and the loop goes to wait.
    /// - Returns: it.
    package mutating func ended(at now: UInt64, cpu: UInt64) -> Turn {
        advance(to: now)
        let wall = now &- began, used = cpu &- turnCPU
        // Its time before it was woken is in `turn` already, and not within `wall`.
        turn.parts[.preempted] = max(turn.parts[.preempted], turn.took + wall - min(wall, used))
        turn.took += wall
        turn.end = now
        if turn.parts[.preempted] >= 1024 { add(.preempted, turn.parts[.preempted]) } else { turn.parts[.preempted] = 0 }
        if turn.took > floor { keep(turn) }
        (began, turnCPU, lastCPU) = (now, cpu, cpu)
        defer { turn = Turn() }
        return turn
    }

    /// The loop has waited and begins a turn.
    /// - Parameter due: when it should have been woken at the latest.
    package mutating func waited(from: UInt64, to: UInt64, due: UInt64) {
        advance(to: to)
        began = to
        let due = max(due, from), isLate = to > due &+ Self.late
        add(.idle, (isLate ? due : to) &- from)
        guard isLate else { return }
        turn.took = to - due
        turn.parts[.preempted] = turn.took
    }

    private mutating func add(_ part: Part, _ nanoseconds: UInt64) {
        // 1,024 ns are a microsecond here.
        let magnitude = 64 - (nanoseconds >> 10).leadingZeroBitCount
        let cell = part.rawValue * Self.classes.count + min((magnitude + 1) / 2, Self.classes.count - 1)
        let place = newest % Self.columns * Self.cells + cell
        if counts[place] < .max { counts[place] += 1 }
        totals[cell] &+= 1
        longest[part.rawValue] = max(longest[part.rawValue], nanoseconds)
    }

    private mutating func advance(to now: UInt64) {
        let column = Int((now &- start) / Self.columnNanoseconds)
        guard column > newest else { return }
        for number in max(newest + 1, column - Self.columns + 1)...column {
            let first = number % Self.columns * Self.cells
            for cell in first..<first + Self.cells { counts[cell] = 0 }
        }
        newest = column
        forget(at: now)
    }

    /// Turns of before the columns.
    private mutating func forget(at now: UInt64) {
        var index = 0
        while index < heldCount {
            if now &- held[index].end > UInt64(Self.columns) * Self.columnNanoseconds {
                heldCount -= 1
                held[index] = held[heldCount]
            } else {
                index += 1
            }
        }
        setFloor()
    }

    private mutating func keep(_ turn: Turn) {
        if heldCount < Self.worstKept {
            held[heldCount] = turn
            heldCount += 1
        } else {
            var least = 0
            for index in 1..<Self.worstKept where held[index].took < held[least].took { least = index }
            held[least] = turn
        }
        setFloor()
    }

    private mutating func setFloor() {
        floor = 0
        guard heldCount == Self.worstKept else { return }
        floor = held[0].took
        for index in 1..<Self.worstKept { floor = min(floor, held[index].took) }
    }

    // MARK: What is shown

    package func total(_ part: Part, _ index: Int) -> Int { Int(clamping: totals[part.rawValue * Self.classes.count + index]) }
    package func longest(_ part: Part) -> Int { Int(clamping: longest[part.rawValue]) }

    /// The columns there are, the oldest first, each with the moment at which it began.
    package var history: [(began: UInt64, number: Int)] {
        (max(0, newest - Self.columns + 1)...newest).map { (start + UInt64($0) * Self.columnNanoseconds, $0) }
    }

    /// - Parameter column: a number of `history`.
    package func counts(of part: Part, in column: Int) -> [Int] {
        let first = column % Self.columns * Self.cells + part.rawValue * Self.classes.count
        return counts[first..<first + Self.classes.count].map { Int($0) }
    }

    /// The longest of the last quarter of an hour, the longest first.
    package var worst: [Turn] { held[..<heldCount].sorted { $0.took > $1.took } }
}
