internal import Units

/// Capture time as a loop's timer: ten ticks a second, as the agent has them, whatever lies between two frames.
struct CaptureClock {
    private var next: Instant?
    private var ticks = 0

    private static let interval = Duration.milliseconds(100)
    /// Within this, everything that waits for time is over: coalesced events (1 s), unfinished hellos (10 s). The rest of a gap is passed in one step.
    private static let patience = Duration.seconds(12)

    /// Calls `tick` for each that was due by `time`, with its number.
    mutating func pass(until time: Instant, _ tick: (Instant, _ number: Int) -> Void) {
        // A capture's clock may be set, and a corrupt frame may say anything: time that went back begins anew.
        guard let start = next, start - time <= .seconds(1) else { return next = time + Self.interval }
        guard time >= start else { return }
        var due = start
        while due <= time, due - start < Self.patience {
            ticks += 1
            tick(due, ticks)
            due = due + Self.interval
        }
        if due <= time {
            ticks = (ticks / 100 + 1) * 100
            tick(time, ticks)
            due = time + Self.interval
        }
        next = due
    }

    /// The ticks after a capture's end in which the last events come out.
    static func after(_ last: Instant) -> [Instant] { (1...11).map { last + Self.interval * $0 } }
}
