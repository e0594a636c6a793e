internal import Detection
internal import Fingerprints
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary
internal import Wire

/// A capture for people: what was in it, row by row, and what Weir would have done.
struct TableOutput: ReplayOutput {
    /// Hellos that look alike.
    private struct Group: Hashable {
        let source: Address
        let anomalies: AnomalySet
        let name: String?
    }

    private let terminal: Terminal
    private let sink: Sink
    private let showsAll: Bool
    /// No rows: `--summary-only`.
    private let summaryOnly: Bool
    private var rows: [[String]] = []
    private var start: Instant?
    private var groups: [Group: Int] = [:]
    private var order: [Group] = []
    /// Hellos without anomalies, and anomalous ones of sources beyond those that are told apart.
    private var plain = 0, furtherPlain = 0, further = 0
    private var hasRows = false
    private var actions: [String] = []
    private var actionsLeftOut = 0
    /// Of hellos that look alike so many are shown, and the rest counted; of those without anomalies a few in all.
    private static let shown = 2
    private static let batch = 500, mostGroups = 100, mostPlain = 20, mostActions = 12

    init(to sink: Sink, terminal: Terminal, showsAll: Bool, summaryOnly: Bool = false) {
        self.sink = sink
        self.terminal = terminal
        self.summaryOnly = summaryOnly
        self.showsAll = showsAll
    }

    mutating func handshake(_ item: ReplayedHandshake, _ message: RawSpan) throws {
        start = start ?? item.time
        guard !summaryOnly else { return }
        let name = item.hello?.serverName(in: message)
        guard try isShown(item, name) else { return }
        let handshake = item.handshake
        let anomalies = item.anomalies.isEmpty ? "-" : item.anomalies.list.map(\.id).joined(separator: ",")
        let what = handshake.completeness == .incomplete ? "incomplete (\(handshake.incompleteReason.id ?? "unknown"))" : anomalies
        rows.append([
            seconds(item.time), endpoint(handshake.source, handshake.sourcePort),
            endpoint(handshake.destination, handshake.destinationPort), name ?? "-",
            item.version.map { $0.first?.isNumber == true ? "TLS \($0)" : $0 } ?? "-", item.hello?.stack?.ja4 ?? "-",
            what + (handshake.proof == .unproven ? " (unproven)" : "")
        ])
        if showsAll, rows.count >= Self.batch { try write(layOut()) }
    }

    private mutating func isShown(_ item: ReplayedHandshake, _ name: String?) throws -> Bool {
        if showsAll { return true }
        let group = Group(source: item.handshake.source, anomalies: item.anomalies, name: name)
        if let count = groups[group] {
            groups[group] = count + 1
            if count < Self.shown { return true }
            if item.anomalies.isEmpty { furtherPlain += 1 }
            return false
        }
        if item.anomalies.isEmpty {
            guard plain < Self.mostPlain else {
                furtherPlain += 1
                return false
            }
            plain += 1
        } else {
            guard order.count < Self.mostGroups else {
                further += 1
                return false
            }
            order.append(group)
        }
        groups[group] = 1
        return true
    }

    var readsHellos: Bool { true }
    mutating func event(_ event: ThrottleEvent) {}
    mutating func passed(_ time: Instant, isLive: Bool) {}

    mutating func limit(_ limit: Limit) {
        act(
            "limit \(limit.key.prefix) (\(limit.key.limitClass.id)) to \(limit.perSecond)/s until \(limit.until.rfc3339.prefix(19))Z, on every node"
        )
    }

    mutating func decision(_ decision: ScaleDecision, at time: Instant) {
        let window = Figures.duration(.seconds(decision.windowSeconds))
        let change =
            decision.desiredReplicas == decision.previousReplicas
            ? "keep \(decision.workload) at \(decision.desiredReplicas)"
            : "scale \(decision.workload) \(decision.previousReplicas) → \(decision.desiredReplicas)"
        act("\(change) at \(seconds(time)) s: \(decision.sourcePrefix) sent \(decision.eventsInWindow) events in \(window)")
    }

    mutating func ended(_ workload: String, at time: Instant) { act("scale \(workload) back at \(seconds(time)) s") }

    private mutating func act(_ text: String) {
        if actions.count < Self.mostActions { actions.append(text) } else { actionsLeftOut += 1 }
    }

    mutating func end(_ summary: ReplaySummary) throws {
        let spent = Figures.latency(summary.spent)
        var lines = [
            "\(summary.name): \(Figures.count(summary.frames)) frames, \(Figures.bytes(summary.bytes)), \(Figures.clock(summary.traffic)) of traffic in \(spent)",
            ""
        ]
        let table = layOut()
        // Rows of `--all` went out as they came: then the figures follow them.
        if summary.handshakes + summary.flows == 0 { lines.append("no handshakes on the policy's ports (--all-ports looks at every port)") }
        if summaryOnly {
            lines = Array(lines.prefix(1))
        } else {
            lines = showsAll ? table + [""] + lines.dropLast() : lines + table + left()
        }
        lines += [""] + judgement(summary)
        try write(lines + [""])
    }

    private mutating func layOut() -> [String] {
        guard !rows.isEmpty else { return [] }
        var table = Table([
            .init("time", .right, minimum: 6), .init("source", minimum: 12, weight: 2), .init("destination", minimum: 6, weight: 0),
            .init("name", minimum: 5),
            .init("version", minimum: 7), .init("ja4", minimum: 6, weight: 0), .init("anomalies", minimum: 11)
        ])
        for row in rows { table.append(row, style: row[6] == "-" ? nil : .warning) }
        rows.removeAll(keepingCapacity: true)
        defer { hasRows = true }
        return Array(table.lines(for: terminal).dropFirst(hasRows ? 1 : 0))
    }

    private func left() -> [String] {
        var lines = order.compactMap { group in
            let more = groups[group, default: 0] - Self.shown
            return more > 0
                ? "\(Figures.count(more)) more of \(group.source), all \(group.anomalies.list.map(\.id).joined(separator: ","))" : nil
        }
        if further > 0 { lines.append("\(Figures.count(further)) more anomalous ones, of further sources") }
        if furtherPlain > 0 { lines.append("\(Figures.count(furtherPlain)) more without anomalies") }
        return lines.map { terminal.styled("…  \($0)   (--all shows each)", .faint) }
    }

    private func judgement(_ summary: ReplaySummary) -> [String] {
        let title = "what Weir would have done    ", margin = String(repeating: " ", count: title.count)
        var done: [String] = []
        if let first = summary.firstLimit {
            done.append(
                "first limit at \(seconds(first)) s; \(Figures.count(summary.refused)) of \(Figures.count(summary.anomalous)) anomalous hellos refused"
            )
        }
        done += actions
        if actionsLeftOut > 0 { done.append("and \(Figures.count(actionsLeftOut)) more") }
        if summary.withoutWorkload > 0 {
            done.append("ask for instances, if the policy named a workload for where these hellos went (spec.scaleOut.targets)")
        }
        var lines = (done.isEmpty ? ["nothing"] : done).enumerated().map { ($0.offset == 0 ? title : margin) + $0.element }
        let reasons = summary.incomplete.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.id ?? "unknown") \($0.value)" }
            .joined(separator: ", ")
        let incomplete = summary.incompletes
        lines.append(
            "hellos \(Figures.count(summary.handshakes)) · complete \(Figures.count(summary.handshakes - incomplete)) · incomplete \(Figures.count(incomplete))\(incomplete > 0 ? " (\(reasons))" : "") · unproven \(Figures.count(summary.unproven))"
        )
        if !summary.anomalies.isEmpty {
            lines.append(
                "anomalies "
                    + summary.anomalies.sorted { $0.key < $1.key }.map { "\($0.key.id) \(Figures.count($0.value))" }.joined(
                        separator: " · "))
        }
        let lost = summary.losses.filter { $0.count > 0 && $0.isOurs }.map { "\($0.cause) \(Figures.count($0.count))" }
        if !lost.isEmpty { lines.append("not seen whole: " + lost.joined(separator: " · ")) }
        if summary.cutByEngine > 0 {
            lines.append(
                "\(Self.frames(summary.cutByEngine)) longer than the \(Figures.count(ReplayEngine.kernelLimit)) bytes that the kernel runs outside a network: of those it saw the start"
            )
        }
        if summary.cutByCapture > 0 { lines.append("\(Self.frames(summary.cutByCapture)) cut at capture (tcpdump -s 0 takes them whole)") }
        return lines
    }

    private static func frames(_ count: Int) -> String { "\(Figures.count(count)) \(count == 1 ? "frame" : "frames")" }

    private func write(_ lines: [String]) throws {
        guard !lines.isEmpty else { return }
        if try !sink.write(Array((lines.joined(separator: "\n") + "\n").utf8)) { throw ReaderGone() }
    }

    private func seconds(_ time: Instant) -> String {
        let milliseconds = (time - (start ?? time)).wholeNanoseconds / 1_000_000
        let rest = String(abs(milliseconds % 1000))
        return "\(milliseconds < 0 ? "-" : "")\(abs(milliseconds) / 1000)." + String(repeating: "0", count: 3 - rest.utf8.count) + rest
    }

    private func endpoint(_ address: Address, _ port: UInt16) -> String { address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
