/// A bar for something long, with the bytes and the time left. It is told the time and asked for a line; who asks writes it to standard error.
package struct Progress: Sendable {
    private let name: String
    private let total: Int?
    private let start: Duration
    private var last: Duration?
    private static let interval = Duration.milliseconds(100)

    /// `now` is any clock's, as long as it is always the same.
    package init(_ name: String, total: Int?, now: Duration) {
        self.name = Width.harmless(name)
        self.total = total
        start = now
    }

    /// The line to show now, or `nil` when the last one is still good or there is no terminal to show it on.
    package mutating func line(done: Int, now: Duration, on terminal: Terminal) -> String? {
        guard terminal.isTerminal, last.map({ now - $0 >= Self.interval }) ?? (now - start >= Self.interval) else { return nil }
        last = now
        return terminal.lineStart + Width.fitted(text(done: done, now: now, columns: terminal.columns), to: terminal.columns - 1)
    }

    private func text(done: Int, now: Duration, columns: Int) -> String {
        guard let total, total > 0 else { return "\(name)  \(Figures.bytes(done))  \(Figures.clock(now - start))" }
        let done = min(max(done, 0), total)
        let elapsed = (now - start) / .seconds(1)
        let left = done > 0 && elapsed > 0 ? "  \(Figures.duration(.seconds(elapsed * Double(total - done) / Double(done)))) left" : ""
        let figures = "  \(percent(done, total))  \(Figures.bytes(done)) of \(Figures.bytes(total))\(left)"
        let room = min(30, columns - 1 - Width.of(name) - 2 - Width.of(figures))
        guard room >= 5 else { return name + figures }
        let full = Int(Double(room) * Double(done) / Double(total))
        return name + "  " + String(repeating: "█", count: full) + String(repeating: "░", count: room - full) + figures
    }

    private func percent(_ done: Int, _ total: Int) -> String {
        let percent = Int(Double(done) / Double(total) * 100)
        return String(repeating: " ", count: percent < 10 ? 2 : percent < 100 ? 1 : 0) + "\(percent)%"
    }
}
