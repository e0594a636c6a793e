internal import Arguments
internal import Front
internal import HTTP
internal import JSON
internal import Linux
internal import Messages
internal import Terminal
internal import Vocabulary
internal import WeirCommands
internal import Units

/// `weir stalls`: when the agent's loop took how long, for which reason, and its worst turns. While a part takes a millisecond, verdicts
/// wait as long.
func showStalls(_ arguments: Arguments<StallsOptions>) throws -> CInt {
    let port = arguments.port
    let agent = "the agent on 127.0.0.1:\(port)"
    guard let bytes = fetch(port: port, path: "/stalls") else {
        // An older one has a page of another name.
        guard fetch(port: port, path: "/healthz") != nil else { throw AgentStatus.isMissing(port: port) }
        throw Refusal.cannot("\(agent) is older than this program, and says nothing of its stalls")
    }
    let report: StallsReport
    do { report = try StallsReport(bytes) } catch { throw Refusal.cannot("\(agent) says nothing of its stalls: \(error)") }
    let byReason = arguments.maps == .reason, terminal = Terminal(of: 1)
    if let path = arguments.svg {
        let picture = Array(stallsPicture(report, byReason: byReason).utf8)
        guard File.write(path, picture) else { throw Refusal.wrong("--svg \(path): cannot be written: \(Errno.current)") }
    }
    if arguments.format == .json {
        print(String(decoding: bytes, as: UTF8.self))
    } else {
        for line in stallsLines(report, byReason: byReason, terminal) { print(line) }
    }
    return 0
}

private let labelWidth = 9

private func stallsLines(_ report: StallsReport, byReason: Bool, _ terminal: Terminal) -> [String] {
    let room = terminal.isTerminal ? max(10, terminal.columns - labelWidth - 1) : 90
    var lines: [String] = []
    for map in HeatMap.maps(report, byReason: byReason, width: room) {
        let time = Figures.duration(.seconds(map.columns * map.columnSeconds))
        lines += [terminal.styled("\(map.title) · \(time), a column for each \(map.columnSeconds) s", .faint)]
        for row in map.rows {
            let label = String(repeating: " ", count: max(0, labelWidth - row.label.count)) + row.label
            // By what it means for verdicts that wait meanwhile.
            let style: Style = row.label.hasSuffix("us") ? .good : ["<1 ms", "<4 ms", "<16 ms"].contains(row.label) ? .warning : .bad
            let cells = row.counts.map(shade).joined()
            let isIdle = map.title == StallsReport.idle
            lines.append("\(label) \(isIdle ? cells : terminal.styled(cells, style))")
        }
        let indent = String(repeating: " ", count: labelWidth)
        lines.append(terminal.styled("\(indent) · once  ░ up to 9  ▒ up to 99  ▓ up to 999  █ more", .faint))
        lines.append("")
    }
    let classes = report.classes.map { Table.Column($0 == report.classes.last ? $0 : "<\($0)", .right, minimum: 5) }
    var table = Table([.init("part", minimum: 9)] + classes + [.init("longest", .right, minimum: 7)])
    for reason in report.reasons {
        let all = reason.counts.reduce(0, +), slow = reason.counts.dropFirst(6)
        let style: Style? =
            if all == 0 { .faint } else if reason.name == StallsReport.idle { nil } else if slow.dropFirst(2).contains(where: { $0 > 0 }) {
                .bad
            } else if slow.contains(where: { $0 > 0 }) { .warning } else { nil }
        let counts = reason.counts.map { $0 > 0 ? Figures.count($0) : "" }
        table.append([reason.name] + counts + [all == 0 ? "-" : Figures.latency(.nanoseconds(reason.longest))], style: style)
    }
    lines += [terminal.styled("since the agent's start", .faint)] + table.lines(for: terminal)
    if !report.worst.isEmpty {
        lines += ["", terminal.styled("the longest turns of the last quarter of an hour", .faint)]
        lines += worstTable(report).lines(for: terminal)
    }
    return lines
}

private func shade(_ count: Int) -> String {
    switch count {
    case 0: " "
    case 1: "·"
    case ...9: "░"
    case ...99: "▒"
    case ...999: "▓"
    default: "█"
    }
}

private func worstTable(_ report: StallsReport) -> Table {
    var table = Table([
        .init("ended", minimum: 12), .init("took", .right, minimum: 6), .init("longest part", minimum: 9),
        .init("of it", .right, minimum: 6),
        .init("preempted", .right, minimum: 9), .init("records", .right), .init("events", .right), .init("reports", .right)
    ])
    for turn in report.worst {
        let part = turn.longest.flatMap { turn.parts[$0] } ?? 0, preempted = turn.parts["preempted"] ?? 0
        table.append([
            turn.ended.rfc3339, Figures.latency(.nanoseconds(turn.took)), turn.longest ?? "-",
            Figures.latency(.nanoseconds(part)), percent(preempted, of: turn.took),
            Figures.count(turn.records), Figures.count(turn.events), Figures.count(turn.reports)
        ])
    }
    return table
}

private func percent(_ part: Int, of all: Int) -> String { all > 0 ? "\(Int((Double(part) * 100 / Double(all)).rounded())) %" : "-" }
