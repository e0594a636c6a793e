internal import Arguments
internal import Front
internal import Messages
internal import Terminal
internal import Vocabulary
internal import WeirCommands

/// `weir startup FILE [FILE2]`: where the time of a start went, or what changed from one start to another.
func showStartup(_ arguments: Arguments<StartupOptions>) throws -> CInt {
    let paths = arguments.files
    guard paths.count <= 2 else { throw Refusal.wrong("startup: one file, or an earlier and a later one; not \(paths.count)") }
    let starts = try paths.map { try StartedProgram(path: $0) }, isJSON = arguments.format == .json, terminal = Terminal(of: 1)
    let lines =
        switch (starts.count, isJSON) {
        case (1, false): startupLines(starts[0], terminal)
        case (1, true): [startupJSON(starts[0])]
        case (_, false): comparisonLines(StartupComparison(starts[0], starts[1]), terminal)
        case (_, true): [comparisonJSON(StartupComparison(starts[0], starts[1]))]
        }
    for line in lines { print(line) }
    return 0
}

private func time(_ microseconds: Int) -> String { Figures.latency(.microseconds(microseconds)) }

/// Bars on one scale, from exec to the end, so that what went side by side stands side by side.
private func bar(_ span: StartedProgram.Span, of total: Int, _ width: Int) -> String {
    guard total > 0 else { return "" }
    let first = min(span.from * width / total, width - 1), last = min(max(span.to * width / total, first + 1), width)
    return String(repeating: " ", count: first) + String(repeating: span.isCritical ? "█" : "▒", count: last - first)
}

private func startupLines(_ start: StartedProgram, _ terminal: Terminal) -> [String] {
    let width = terminal.isTerminal ? min(48, max(10, terminal.columns - 52)) : 48
    var table = Table([
        .init("", minimum: 1), .init("component", minimum: 12), .init("at", .right, minimum: 6), .init("took", .right, minimum: 6),
        .init("waited for", minimum: 8, weight: 0), .init("", minimum: 1, weight: 0)
    ])
    for span in start.spans {
        let name = String(repeating: "  ", count: span.depth) + span.name
        table.append(
            [
                span.isCritical ? "*" : "", name, time(span.from), time(span.took),
                span.failed.map { "failed: \($0)" } ?? span.after ?? "", bar(span, of: start.total, width)
            ],
            style: span.failed != nil ? .bad : span.isCritical ? .bold : nil)
    }
    let path = start.criticalPath.map { "\($0.name) \(time($0.took))" }.joined(separator: " → ")
    return table.lines(for: terminal) + ["", "\(start.program): \(time(start.total)) from exec; critical path (*): \(path)"]
}

private func startupJSON(_ start: StartedProgram) -> String {
    var json = JSONWriter(capacity: 4096)
    json.object { json in
        json.member("program", start.program)
        json.member("total_us", start.total)
        json.array("spans") { json in
            for span in start.spans {
                json.object { json in
                    json.member("name", span.name)
                    json.member("kind", span.kind)
                    json.member("path", span.path)
                    json.member("thread", span.thread)
                    json.member("at_us", span.from)
                    json.member("took_us", span.took)
                    json.member("waited_for", span.after)
                    json.member("critical", span.isCritical)
                    json.member("failed", span.failed)
                }
            }
        }
        json.member("critical_path", start.criticalPath.map(\.name))
    }
    return String(decoding: json.bytes, as: UTF8.self)
}

/// What became slower or faster from one start to another.
struct StartupComparison {
    struct Row: Equatable {
        let path: String
        /// `nil` where there is none of that name.
        let before: Int?
        let after: Int?
        var difference: Int { (after ?? 0) - (before ?? 0) }
    }

    let totals: (before: Int, after: Int)
    /// The largest difference first; of equal ones in the order of their names.
    let rows: [Row]

    init(_ first: StartedProgram, _ second: StartedProgram) {
        totals = (first.total, second.total)
        func times(_ start: StartedProgram) -> [String: Int] { Dictionary(start.spans.map { ($0.path, $0.took) }) { $0 + $1 } }
        let before = times(first), after = times(second)
        rows = Set(before.keys).union(after.keys).map { Row(path: $0, before: before[$0], after: after[$0]) }
            .sorted { ($1.difference.magnitude, $0.path) < ($0.difference.magnitude, $1.path) }
    }
}

private func change(_ difference: Int) -> String { difference == 0 ? "0" : "\(difference > 0 ? "+" : "-")\(time(abs(difference)))" }

private func comparisonLines(_ comparison: StartupComparison, _ terminal: Terminal) -> [String] {
    var table = Table([
        .init("component", minimum: 16), .init("before", .right, minimum: 6), .init("after", .right, minimum: 6),
        .init("difference", .right, minimum: 7), .init("", minimum: 4)
    ])
    for row in comparison.rows {
        let changed = row.difference > 0 ? "slower" : row.difference < 0 ? "faster" : "same"
        let verdict = row.before == nil ? "new" : row.after == nil ? "gone" : changed
        table.append(
            [row.path, row.before.map(time) ?? "-", row.after.map(time) ?? "-", change(row.difference), verdict],
            style: row.difference > 0 ? .bad : row.difference < 0 ? .good : .faint)
    }
    let (before, after) = comparison.totals
    return table.lines(for: terminal) + ["", "from exec: \(time(before)) before, \(time(after)) after (\(change(after - before)))"]
}

private func comparisonJSON(_ comparison: StartupComparison) -> String {
    var json = JSONWriter(capacity: 4096)
    json.object { json in
        json.object("total_us") { json in
            json.member("before", comparison.totals.before)
            json.member("after", comparison.totals.after)
            json.member("difference", comparison.totals.after - comparison.totals.before)
        }
        json.array("spans") { json in
            for row in comparison.rows {
                json.object { json in
                    json.member("path", row.path)
                    json.member("before_us", row.before)
                    json.member("after_us", row.after)
                    json.member("difference_us", row.difference)
                }
            }
        }
    }
    return String(decoding: json.bytes, as: UTF8.self)
}
