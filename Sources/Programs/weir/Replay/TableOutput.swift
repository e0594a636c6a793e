internal import Detection
internal import Fingerprints
internal import Messages
internal import Terminal
internal import Wire

/// A capture for people: what was in it, row by row, and what Weir would have done.
struct TableOutput: ReplayOutput {
    private struct Group: Hashable {
        let source: Address
        let anomalies: AnomalySet
        let name: String?
    }

    private let terminal: Terminal
    private let showsAll: Bool
    private var table = TableOutput.empty
    private var rows: [[String]] = []
    private var start: Instant?
    private var groups: [Group: Int] = [:]
    private var order: [Group] = []
    private var actions: [String] = []
    private var actionsLeftOut = 0
    /// Of hellos that look alike so many are shown, and the rest counted.
    private static let shown = 2
    private static let rowLimit = 2000, groupLimit = 2000, actionLimit = 12

    init(terminal: Terminal, showsAll: Bool) {
        self.terminal = terminal
        self.showsAll = showsAll
    }

    private static var empty: Table {
        Table([.init("time", .right), .init("source", minimum: 12), .init("destination", minimum: 8, weight: 2), .init("name", minimum: 6), .init("version"), .init("ja4", minimum: 10),
               .init("anomalies", minimum: 8)])
    }

    mutating func handshake(_ item: ReplayedHandshake) {
        start = start ?? item.time
        let handshake = item.handshake
        let group = Group(source: handshake.source, anomalies: item.anomalies, name: item.hello?.serverName)
        if groups[group] != nil || groups.count < Self.groupLimit {
            if groups[group] == nil { order.append(group) }
            groups[group, default: 0] += 1
        }
        guard rows.count < Self.rowLimit, showsAll || groups[group] ?? .max <= Self.shown else { return }
        let what = handshake.completeness == .incomplete ? "incomplete (\(handshake.incompleteReason.id ?? "unknown"))" : item.anomalies.isEmpty ? "-" : item.anomalies.list.map(\.id).joined(separator: ",")
        rows.append([
            seconds(item.time), "\(endpoint(handshake.source, handshake.sourcePort))", endpoint(handshake.destination, handshake.destinationPort),
            item.hello?.serverName ?? "-", item.version.map { $0.first?.isNumber == true ? "TLS \($0)" : $0 } ?? "-", item.fingerprint?.ja4 ?? "-", what + (handshake.proof == .unproven ? " (unproven)" : ""),
        ])
    }

    mutating func event(_ event: ThrottleEvent) {}

    mutating func limit(_ limit: Limit) { act("limit \(limit.key.prefix) (\(limit.key.limitClass.id)) to \(limit.perSecond)/s until \(limit.until.rfc3339.prefix(19))Z, on every node") }

    mutating func decision(_ decision: ScaleDecision, at time: Instant) {
        act("at \(seconds(time)) s scale \(decision.workload) \(decision.previousReplicas) → \(decision.desiredReplicas): \(decision.sourcePrefix) sent \(decision.eventsInWindow) events in \(Figures.duration(.seconds(decision.windowSeconds)))")
    }

    private mutating func act(_ text: String) {
        if actions.count < Self.actionLimit { actions.append(text) } else { actionsLeftOut += 1 }
    }

    mutating func end(_ summary: ReplaySummary) {
        var lines = ["\(summary.name): \(Figures.count(summary.frames)) frames, \(Figures.bytes(summary.bytes)), \(Figures.clock(summary.traffic)) of traffic in \(Figures.latency(.nanoseconds(Int64(summary.seconds * 1e9))))", ""]
        if rows.isEmpty {
            lines.append("no handshakes on the policy's ports (--all-ports looks at every port)")
        } else {
            var table = Self.empty
            for row in rows { table.append(row, style: row[6] == "-" ? nil : .warning) }
            lines += table.lines(for: terminal)
        }
        if !showsAll {
            for group in order where groups[group, default: 0] > Self.shown {
                let what = group.anomalies.isEmpty ? (group.name ?? "alike") : "all \(group.anomalies.list.map(\.id).joined(separator: ","))"
                lines.append(terminal.styled("…  \(Figures.count(groups[group, default: 0] - Self.shown)) more of \(group.source), \(what)   (--all shows each)", .faint))
            }
        }
        lines.append("")
        if let first = summary.firstLimit {
            lines.append("what Weir would have done    first limit at \(seconds(first)) s; \(Figures.count(summary.refused)) of \(Figures.count(summary.anomalous)) anomalous hellos refused")
        } else {
            lines.append("what Weir would have done    nothing")
        }
        lines += actions.map { "                             \($0)" }
        if actionsLeftOut > 0 { lines.append("                             and \(actionsLeftOut) more") }
        let incomplete = summary.incomplete.values.reduce(0, +)
        let reasons = summary.incomplete.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.id ?? "unknown") \($0.value)" }.joined(separator: ", ")
        lines.append("hellos \(Figures.count(summary.handshakes)) · complete \(Figures.count(summary.handshakes - incomplete)) · incomplete \(incomplete)\(incomplete > 0 ? " (\(reasons))" : "") · unproven \(Figures.count(summary.unproven))")
        if summary.cut > 0 { lines.append("\(Figures.count(summary.cut)) frames are longer than the \(Figures.count(ReplayEngine.kernelLimit)) bytes that the kernel runs: of those it saw the start") }
        lines.append("")
        if !Standard.output.write(lines.joined(separator: "\n") + "\n") { return }
        rows = []
        groups = [:]
        order = []
        actions = []
        actionsLeftOut = 0
        start = nil
    }

    private func seconds(_ time: Instant) -> String {
        let milliseconds = (time - (start ?? time)).wholeNanoseconds / 1_000_000
        let rest = String(abs(milliseconds % 1000))
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.utf8.count) + rest
    }

    private func endpoint(_ address: Address, _ port: UInt16) -> String { address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
