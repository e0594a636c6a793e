internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary

/// What a rewind came to, for people and for programs.
struct RewindReport {
    enum Change: String, CaseIterable {
        /// Under the next policy, and not before.
        case limited
        /// Before, and not under the next policy.
        case letGo = "let_go"
        /// Under both.
        case still = "still_limited"

        var title: String {
            switch self {
            case .limited: "would be limited"
            case .letGo: "would be let go"
            case .still: "limited as before"
            }
        }
    }

    struct Source {
        let address: Address
        let change: Change
        let isGood: Bool
        let before: RewindSide.Outcome
        let after: RewindSide.Outcome
    }

    struct Workload {
        let name: String
        let before: RewindSide.Scaling
        let after: RewindSide.Scaling
        var isNew: Bool { after.decisions > 0 && before.decisions == 0 }
        var isGone: Bool { after.decisions == 0 && before.decisions > 0 }
    }

    let rewind: Rewind
    /// As the report calls them.
    let titles: (before: String, after: String)
    let goodCount: Int
    /// Those that either policy limits; the good ones first, then those that are limited more.
    let sources: [Source]
    let workloads: [Workload]

    init(_ rewind: Rewind, titles: (before: String, after: String), good: GoodClients) {
        (self.rewind, self.titles, goodCount) = (rewind, titles, good.prefixes.count)
        let before = rewind.before.outcomes, after = rewind.after.outcomes
        var found: [Source] = []
        for address in Set(before.keys).union(after.keys) {
            let old = before[address] ?? RewindSide.Outcome(), new = after[address] ?? RewindSide.Outcome()
            guard old.limited > 0 || new.limited > 0 else { continue }
            let change: Change = old.limited == 0 ? .limited : new.limited == 0 ? .letGo : .still
            found.append(Source(address: address, change: change, isGood: good.contain(address), before: old, after: new))
        }
        func rank(_ one: Source) -> (Int, Int, Int, Address) {
            let most = max(one.after.limited, one.before.limited)
            return (one.isGood ? 0 : 1, Change.allCases.firstIndex(of: one.change) ?? 0, -most, one.address)
        }
        sources = found.sorted { rank($0) < rank($1) }
        workloads = Set(rewind.before.scalings.keys).union(rewind.after.scalings.keys).sorted().map {
            Workload(
                name: $0, before: rewind.before.scalings[$0] ?? RewindSide.Scaling(),
                after: rewind.after.scalings[$0] ?? RewindSide.Scaling())
        }.filter { $0.before != $0.after }
    }

    var hurt: [Source] { sources.filter { $0.isGood && $0.after.limited > 0 } }
    func count(_ change: Change) -> Int { sources.count { $0.change == change } }

    // MARK: For people

    /// - Parameter most: rows.
    func lines(_ terminal: Terminal, most: Int) -> [String] {
        var lines = ["\(titles.before) → \(titles.after), as if both enforced"]
        if let first = rewind.first, let last = rewind.last {
            lines.append(
                "\(Figures.count(rewind.records)) records of \(plural(rewind.nodeCount, "node")), from \(time(first)) to \(time(last)) "
                    + "(\(Figures.duration(last - first)))")
        }
        lines += caveats
        let changed = sources.filter { $0.change != .still || $0.isGood }
        lines += [
            "",
            "sources    \(Figures.count(count(.limited))) would be limited, \(Figures.count(count(.letGo))) would be let go, "
                + "\(Figures.count(count(.still))) are limited as before"
        ]
        if goodCount > 0 { lines.append("good       \(plural(hurt.count, "good client")) would be limited") }
        if !changed.isEmpty { lines += [""] + table(changed.prefix(most), terminal) }
        if changed.count > most { lines.append("…  \(Figures.count(changed.count - most)) more (--top)") }
        for one in workloads.prefix(most) { lines.append(words(of: one)) }
        return lines
    }

    private func table(_ rows: ArraySlice<Source>, _ terminal: Terminal) -> [String] {
        var table = Table([
            .init("source", minimum: 12), .init("", minimum: 4), .init("change", minimum: 8), .init("hellos", .right),
            .init("anomalies", minimum: 8, weight: 2), .init("limited", .right, minimum: 7), .init("refused", .right, minimum: 7),
            .init("first", minimum: 10)
        ])
        for one in rows {
            func arrow(_ old: Int, _ new: Int) -> String {
                old == new ? Figures.count(old) : "\(Figures.count(old)) → \(Figures.count(new))"
            }
            let anomalies = (one.change == .letGo ? one.before : one.after).anomalies
            let first = one.change == .letGo ? one.before.firstLimited : one.after.firstLimited
            table.append(
                [
                    one.address.description, one.isGood ? "good" : "", one.change.title,
                    Figures.count(max(one.before.hellos, one.after.hellos)),
                    anomalies.isEmpty ? "-" : anomalies.list.map(\.id).joined(separator: ","), arrow(one.before.limited, one.after.limited),
                    arrow(one.before.refused, one.after.refused), first.map { time($0) } ?? "-"
                ], style: one.isGood && one.after.limited > 0 ? .bad : one.change == .limited ? .warning : nil)
        }
        return table.lines(for: terminal)
    }

    private func words(of one: Workload) -> String {
        let scaling = one.isGone ? one.before : one.after, sources = scaling.sources.sorted().prefix(3).map(\.description)
        let verb = one.isNew ? "would be scaled out" : one.isGone ? "would not be scaled out" : "would be scaled otherwise"
        return "workload   \(one.name) \(verb): \(Figures.count(one.before.decisions)) → \(plural(one.after.decisions, "decision")), "
            + "up to \(Figures.count(scaling.replicas)) replicas, first \(time(scaling.first)), for \(sources.joined(separator: ", "))"
    }

    private var caveats: [String] {
        var lines: [String] = []
        if rewind.withoutHello > 0 {
            lines.append(
                "\(Figures.count(rewind.withoutHello)) records are without their hello's name, which lists of names then do not see")
        }
        if rewind.after.notWatched > 0 {
            lines.append("\(Figures.count(rewind.after.notWatched)) records are of ports that \(titles.after) does not watch")
        }
        for name in rewind.unknownPolicies.sorted() {
            lines.append("policy \(name) was in force and its words are not in the history: the built-in one stands for it (--against)")
        }
        let unlisted = rewind.after.unlisted + rewind.before.unlisted
        if unlisted > 0 { lines.append("sources beyond the first \(Figures.count(RewindSide.mostSources)) are not named") }
        return lines + rewind.missing.prefix(20).map { words(of: $0) }
            + (rewind.missing.count > 20 ? ["…  \(Figures.count(rewind.missing.count - 20)) more times something is missing"] : [])
    }

    private func words(of one: Rewind.Missing) -> String {
        let span = one.from.flatMap { from in one.to.map { " between \(time(from)) and \(time($0))" } } ?? ""
        switch one.cause {
        case .notRunning: return "no agent of \(one.node) kept a history\(span)"
        case .damaged: return "the history of \(one.node) is torn or damaged in places; what is whole was read"
        case .bufferFull, .disk:
            let why = one.cause == .disk ? "the disk did not take them" : "the history's buffer was full"
            let count = one.count ?? 0
            return "\(Figures.count(count)) \(count == 1 ? "record is" : "records are") missing\(span) of \(one.node): \(why)"
        }
    }

    private func plural(_ count: Int, _ word: String) -> String { "\(Figures.count(count)) \(word)\(count == 1 ? "" : "s")" }
    private func time(_ time: Instant) -> String { "\(time.rfc3339.prefix(19))Z" }
}
