internal import Terminal

/// One claim: what was measured, beside its baseline of the same run, and whether it is within its goal.
struct Measurement {
    let name: String
    let value: String
    let baseline: String
    let goal: String
    /// `nil`: stated, not judged.
    let isMet: Bool?
}

struct Report {
    private var measurements: [Measurement] = []

    mutating func add(_ name: String, _ value: String, baseline: String = "-", goal: String = "-", isMet: Bool? = nil) {
        measurements.append(Measurement(name: name, value: value, baseline: baseline, goal: goal, isMet: isMet))
    }

    func show() {
        guard !measurements.isEmpty else { return }
        var table = Table([
            .init("what"), .init("measured", .right), .init("baseline in this run", .right), .init("goal", .right), .init("", minimum: 1)
        ])
        for m in measurements { table.append([m.name, m.value, m.baseline, m.goal, m.isMet.map { $0 ? "✓" : "✗" } ?? ""]) }
        for line in table.lines(for: Terminal(isTerminal: false, columns: 160, hasColours: false)) { print(line) }
    }
}

extension Array where Element: Comparable {
    /// Nearest rank. The array is not empty.
    func quantile(_ q: Double) -> Element { sorted()[Swift.min(count - 1, Int(Double(count) * q))] }
}
