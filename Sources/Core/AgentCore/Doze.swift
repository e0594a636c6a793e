/// When the loop looks at the ring again. A sleep and a waking cost some forty microseconds, a record less than one. So where
/// a hundred records or more come in a second, the loop looks by the clock, and only what cannot wait wakes it: a hello that is
/// not in order, or a ring that fills. A flood of those wakes it once a millisecond.
package struct Doze: Equatable, Sendable {
    package enum Sleep: Equatable, Sendable {
        /// Until the next record, whatever it says.
        case untilNext
        /// At most so long. `isDeaf`: no record wakes.
        case atMost(milliseconds: Int, isDeaf: Bool)
    }

    /// Nanoseconds from a record to the next, a mean of the last few looks.
    private var gap = Self.longest
    private var last: UInt64 = 0
    private var woken: UInt64?
    private static let longest: UInt64 = 64_000_000, rare: UInt64 = 10_000_000, breath: UInt64 = 1_000_000
    /// Records that one look should find.
    private static let batch: UInt64 = 50
    /// Milliseconds that a record waits at most.
    private static let most: UInt64 = 10

    package init() {}

    /// A look at the ring found so many records. Looks that find none count as soon as their time has passed.
    package mutating func found(_ records: Int, at now: UInt64) {
        let passed = now > last ? now - last : 0
        let mean = min(records > 0 ? passed / UInt64(records) : passed, Self.longest)
        guard records > 0 || mean > gap else { return }
        // Eight records say all; one says an eighth.
        let weight = UInt64(min(max(records, 1), 8))
        gap = mean > gap ? gap + (mean - gap) * weight / 8 : gap - (gap - mean) * weight / 8
        if records > 0 { last = now }
    }

    /// A record that could not wait has ended a sleep.
    package mutating func wake(at now: UInt64) { woken = now }

    package func sleep(at now: UInt64) -> Sleep {
        if gap > Self.rare { return .untilNext }
        if let woken, now &- woken < Self.breath { return .atMost(milliseconds: 1, isDeaf: true) }
        return .atMost(milliseconds: Int(min(max(gap * Self.batch / 1_000_000, 1), Self.most)), isDeaf: false)
    }
}
