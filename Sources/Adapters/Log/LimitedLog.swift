internal import Linux

/// Lines of one kind: so many in an interval, and then their number.
package struct LimitedLog {
    private let interval: UInt64
    private let lines: Int
    private let now: () -> UInt64
    private var until: UInt64 = 0
    private var written = 0
    private var swallowed = 0

    package init(interval nanoseconds: UInt64, lines: Int = 1, now: @escaping () -> UInt64 = { Clock.monotonic }) {
        interval = nanoseconds
        self.lines = lines
        self.now = now
    }

    package mutating func write(_ log: Log, _ level: Log.Level, _ message: String, _ fields: [(name: String, value: String)]) {
        flush(log)
        guard written < lines else { swallowed += 1; return }
        written += 1
        log.write(level, message, fields)
    }

    package mutating func flush(_ log: Log) {
        guard now() >= until else { return }
        if swallowed > 0 { log.write(.info, "and \(swallowed) more like the last") }
        (written, swallowed, until) = (0, 0, now() + interval)
    }
}
