internal import Arguments
internal import Detection
internal import Front
internal import Glibc
internal import Linux
internal import Messages
internal import Pcap
internal import PolicyFile
internal import Terminal
internal import WeirCommands
internal import Units
internal import Vocabulary
internal import Wire

/// `weir policy rehearse NEW [--against OLD] FILE...`: what two policies would have done to the same captures, source by source.
/// 1 when they differ. Both are taken as if they enforced, since an observing one does nothing.
func rehearsePolicy(_ arguments: Arguments<PolicyRehearseOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    func load(_ path: String) throws -> Policy {
        do { return try PolicyFile.load(path: path) } catch { throw Refusal.wrong("\(error)") }
    }
    let next = try load(arguments.policy), before = try arguments.against.map(load) ?? Policy()
    let captures = arguments.captures
    guard !captures.contains("-") else { throw Refusal.wrong("standard input can be read once, and a rehearsal reads each capture twice") }
    let old = try rehearse(before, captures), new = try rehearse(next, captures)
    let titles = [arguments.against ?? "the built-in policy", arguments.policy]

    var table = Table([
        .init("source", minimum: 12), .init("hellos", .right), .init("anomalies", minimum: 8, weight: 2),
        .init("refused", .right, minimum: 7), .init("", minimum: 1)
    ])
    let sources = Set(old.sources.keys).union(new.sources.keys)
    func change(_ source: Address) -> Int { abs(new.of(source).refused - old.of(source).refused) }
    let changed = sources.filter { old.of($0) != new.of($0) }.sorted { (change($0), $1) > (change($1), $0) }
    for source in changed.prefix(most) {
        let (here, there) = (old.of(source), new.of(source))
        table.append(
            [
                source.description, Figures.count(max(here.hellos, there.hellos)),
                arrow(names(of: here.anomalies), names(of: there.anomalies)),
                arrow(Figures.count(here.refused), Figures.count(there.refused)),
                here.refused == there.refused ? "" : here.refused < there.refused ? "stricter" : "milder"
            ], style: here.refused < there.refused ? .warning : nil)
    }
    var lines = [
        "\(titles[0]) → \(titles[1]), as if both enforced: \(Figures.count(sources.count)) sources, \(Figures.count(changed.count)) with another outcome"
    ]
    if !changed.isEmpty { lines += [""] + table.lines(for: Terminal(of: 1)) }
    if changed.count > most { lines.append("…  \(Figures.count(changed.count - most)) more") }
    if old.unlisted + new.unlisted > 0 {
        lines.append("…  sources beyond the first \(Figures.count(SourceOutcomes.most)) are counted in the totals only")
    }
    lines += [
        "", "refused    \(arrow(Figures.count(old.refused), Figures.count(new.refused)))",
        "limits     \(arrow(Figures.count(old.limits), Figures.count(new.limits)))",
        "events     \(arrow(Figures.count(old.events), Figures.count(new.events)))",
        "instances  \(arrow(Figures.count(old.decisions), Figures.count(new.decisions)))   decisions"
    ]
    _ = try Standard.output.write(Array((lines.joined(separator: "\n") + "\n").utf8))
    return changed.isEmpty && old.decisions == new.decisions ? 0 : 1
}

private let most = 50

private func arrow(_ old: String, _ new: String) -> String { old == new ? old : "\(old) → \(new)" }
private func names(of anomalies: AnomalySet) -> String { anomalies.isEmpty ? "-" : anomalies.list.map(\.id).joined(separator: ",") }

private func rehearse(_ policy: Policy, _ captures: [String]) throws -> SourceOutcomes {
    let outcomes = SourceOutcomes()
    for path in captures {
        do {
            let capture = FramesHere(try Capture(path: path, accepting: Capture.LinkType.readable))
            let (_, broken) = try Replay(policy: policy, kernel: false, allPorts: false, output: outcomes).run(
                capture, spent: { .zero }, progress: { _ in })
            if let broken { throw broken }
        } catch let error as CaptureError { throw Refusal.wrong("\(error)") }
    }
    return outcomes
}

/// What a policy made of each source.
private final class SourceOutcomes: ReplayOutput {
    var readsHellos: Bool { false }
    struct Outcome: Equatable {
        var hellos = 0
        var refused = 0
        var anomalies = AnomalySet()
    }

    static let most = 100_000
    private(set) var sources: [Address: Outcome] = [:]
    private(set) var unlisted = 0, refused = 0, limits = 0, events = 0, decisions = 0

    func of(_ source: Address) -> Outcome { sources[source] ?? Outcome() }

    func handshake(_ item: ReplayedHandshake, _ message: RawSpan) {
        let isRefused = item.handshake.outcome.isRefused
        if isRefused { refused += 1 }
        let source = item.handshake.source
        guard sources[source] != nil || sources.count < Self.most else {
            unlisted += 1
            return
        }
        sources[source, default: Outcome()].hellos += 1
        sources[source]?.anomalies.formUnion(item.anomalies)
        if isRefused { sources[source]?.refused += 1 }
    }

    func event(_ event: ThrottleEvent) { events += 1 }
    func limit(_ limit: Limit) { limits += 1 }
    func decision(_ decision: ScaleDecision, at time: Instant) { decisions += 1 }
    func ended(_ workload: String, at time: Instant) {}
    func passed(_ time: Instant, isLive: Bool) {}
    func end(_ summary: ReplaySummary) {}
}
