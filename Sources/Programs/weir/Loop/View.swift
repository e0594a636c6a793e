internal import Linux
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary

/// What a person sees while the loop runs: a table that is drawn over itself on a terminal, a line a second elsewhere.
struct View {
    let terminal: Terminal
    let heading: String
    let people: [Person]
    let isDemonstration: Bool
    private var history: [String: [(at: UInt64, passed: Int)]] = [:]
    private var lastLine = -1
    private var hasDrawn = false

    init(terminal: Terminal, heading: String, people: [Person], isDemonstration: Bool) {
        self.terminal = terminal
        self.heading = heading
        self.people = people
        self.isDemonstration = isDemonstration
    }

    mutating func show(_ status: AgentStatus, _ news: News?, elapsed: Duration, of total: Duration?, start: Instant) {
        note(status)
        let clock = Figures.clock(elapsed) + (total.map { " of \(Figures.clock($0))" } ?? "")
        guard terminal.isTerminal else {
            let second = Int(elapsed.components.seconds)
            guard second != lastLine else { return }
            lastLine = second
            let refused = status.rows.reduce(0) { $0 + $1.refused }, anomalous = status.rows.reduce(0) { $0 + $1.anomalous }
            print(
                "\(clock)  hellos \(Figures.count(status.seen))  anomalous \(Figures.count(anomalous))  refused \(Figures.count(refused))  events \(news?.events ?? status.events)"
                    + (news.map { "  limits \($0.limits)  decisions \($0.decisions)" } ?? ""))
            flush()
            return
        }
        var lines = [terminal.styled("weir", .bold) + " · \(heading) · \(clock)", ""]
        lines += table(status).lines(for: terminal)
        lines.append("")
        if let news { lines += events(news, start) + decisions(news, start) }
        lines.append(kernel(status))
        var text = hasDrawn ? Terminal.top : Terminal.top + Terminal.clearBelow
        hasDrawn = true
        for line in lines.prefix(terminal.rows - 1) { text += line + Terminal.clearToEndOfLine + "\n" }
        print(text + Terminal.clearBelow, terminator: "")
        flush()
    }

    private mutating func note(_ status: AgentStatus) {
        let now = Clock.monotonic
        for row in status.rows {
            var past = history[row.address, default: []]
            past.append((now, row.handshakes - row.refused))
            past.removeAll { now - $0.at > 1_100_000_000 }
            history[row.address] = past
        }
    }

    private func table(_ status: AgentStatus) -> Table {
        var columns: [Table.Column] = [.init("source", minimum: 12)]
        if isDemonstration { columns.append(.init("who", minimum: 6)) }
        columns += [
            .init("hellos", .right), .init("anomalous", .right), .init("what", minimum: 6), .init("passed/s", .right),
            .init("refused", .right), .init("limit", minimum: 8)
        ]
        var table = Table(columns)
        let order = Dictionary(uniqueKeysWithValues: people.enumerated().map { ($1.address, $0) })
        let rows = isDemonstration ? status.rows.sorted { order[$0.address, default: 99] < order[$1.address, default: 99] } : status.rows
        for row in rows.prefix(20) {
            var cells = [row.address]
            if isDemonstration { cells.append(people.first { $0.address == row.address }?.who ?? "") }
            let past = history[row.address, default: []]
            let passed = past.count > 1 ? past.last!.passed - past.first!.passed : 0
            cells += [
                Figures.count(row.handshakes), Figures.count(row.anomalous),
                row.anomalies.isEmpty ? "-" : row.anomalies.joined(separator: ","), passed == 0 ? "-" : "\(passed)",
                Figures.count(row.refused), limit(row)
            ]
            table.append(cells, style: row.refused > 0 ? .bad : row.anomalous > 0 ? .warning : nil)
        }
        return table
    }

    private func limit(_ row: AgentStatus.Row) -> String {
        guard let limitClass = row.limitClass else { return "-" }
        let left = Figures.duration(.seconds(row.secondsLeft))
        return "\(limitClass) \(row.perSecond)/s, \(row.refused == 0 ? "never reached" : "\(left) left")"
    }

    private func label(_ text: String) -> String {
        terminal.styled(text + String(repeating: " ", count: max(0, 12 - text.utf8.count)), .faint)
    }

    private func seconds(_ instant: Instant, _ start: Instant) -> String {
        let tenths = (instant - start).wholeNanoseconds / 100_000_000
        return "\(tenths / 10).\(abs(tenths % 10))"
    }

    private func events(_ news: News, _ start: Instant) -> [String] {
        if news.lastEvents.isEmpty { return [label("events") + "none yet"] }
        return news.lastEvents.enumerated().map { index, item in
            let event = item.event
            let more = event.counts.suppressed > 0 ? "\(event.counts.suppressed) more in the last second" : "the first"
            let text =
                "\(seconds(item.at, start)) \(event.action.rawValue)  \(event.sourcePrefix)  \(event.anomalies.list.map(\.id).joined(separator: ","))  \(event.workload ?? "-")  \(more)  trace \(event.traceID.prefix(8))…"
            return label(index == 0 ? "events" : "") + String(text.prefix(max(20, terminal.columns - 13)))
        }
    }

    private func decisions(_ news: News, _ start: Instant) -> [String] {
        if news.lastDecisions.isEmpty { return [label("decisions") + "none yet"] }
        return news.lastDecisions.enumerated().map { index, item in
            let d = item.decision
            let text =
                "\(seconds(item.at, start)) scale  \(d.workload) \(d.previousReplicas) → \(d.desiredReplicas)  \(d.sourcePrefix) sent \(d.eventsInWindow) events in \(Figures.duration(.seconds(d.windowSeconds))) (more than \(d.moreThan))"
            return label(index == 0 ? "decisions" : "") + String(text.prefix(max(20, terminal.columns - 13)))
        }
    }

    private func kernel(_ status: AgentStatus) -> String {
        let latency = status.p50.map { "\(Figures.latency(.nanoseconds($0))) p50 ring to verdict · " } ?? ""
        return label("kernel")
            + "\(latency)\(status.lostRecords) lost · \(Figures.count(status.seen)) seen = \(Figures.count(status.emitted)) recorded"
    }
}
