internal import Arguments
internal import Detection
internal import Front
internal import Glibc
internal import History
internal import Linux
internal import Messages
internal import PolicyFile
internal import Spelling
internal import Terminal
internal import Units
internal import WeirCommands

/// `weir rewind --policy NEXT --state DIR`: 0 where no good client would be limited, 1 where one would, 2 for a wrong policy or history,
/// 3 when the machine cannot.
func rewindHistory(_ arguments: Arguments<RewindOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    func load(_ path: String) throws -> Policy {
        do { return try PolicyFile.load(path: path) } catch { throw Refusal.wrong("\(error)") }
    }
    guard let path = arguments.policy else { throw Refusal.wrong("rewind: --policy FILE is missing: the policy that is to come") }
    guard !arguments.places.isEmpty else {
        throw Refusal.wrong("rewind: which history? --state DIR is wanted, an agent's, or several")
    }
    let next = try load(path), against = try arguments.against.map(load), good = try GoodClients(arguments.good)
    let until = try arguments.until.map { text in
        guard let time = Instant(rfc3339: text) else {
            throw Refusal.wrong("rewind: --until \(Spelling.quoted(text)): a time such as 2026-11-24T10:00:00Z is expected (RFC 3339)")
        }
        return time
    }
    let histories: [NodeHistory]
    do { histories = try HistoryPlaces.find(arguments.places) } catch { throw Refusal.wrong("rewind: \(error)") }
    let now = Instant(nanoseconds: Clock.wall)
    let rewind = Rewind(
        histories, against: against, next: next, from: (until ?? now) - arguments.last, until: until ?? now + .seconds(3600))
    let terminal = Terminal(of: 2), began = Clock.monotonic
    func spent() -> Duration { .nanoseconds(Int64(Clock.monotonic &- began)) }
    var progress = Progress("history", total: histories.reduce(0) { $0 + $1.bytes }, now: .zero)
    let showsProgress = arguments.format == .table || isatty(1) == 0
    do throws(Errno) {
        try rewind.run { done in
            guard showsProgress, let line = progress.line(done: done, now: spent(), on: terminal) else { return }
            Standard.error.show(line)
        }
    } catch { throw Refusal.wrong("rewind: \(rewind.path): \(error)") }
    if showsProgress { Standard.error.show(terminal.lineStart) }
    guard rewind.records > 0 else {
        throw Refusal.wrong("rewind: there is no record of the last \(Figures.duration(arguments.last)) in these histories")
    }
    let titles = (
        before: arguments.against ?? rewind.policies.first.map { rewind.policies.count > 1 ? "\($0) and others" : $0 }
            ?? "the built-in policy", after: path
    )
    let report = RewindReport(rewind, titles: titles, good: good), code = report.hurt.isEmpty ? 0 : 1
    let lines = arguments.format == .json ? report.json(code: code) : report.lines(Terminal(of: 1), most: arguments.top)
    _ = try Standard.output.write(Array((lines.joined(separator: "\n") + "\n").utf8))
    if showsProgress, terminal.isTerminal {
        Standard.error.show("weir: \(Figures.count(rewind.records)) records in \(Figures.latency(spent()))\n")
    }
    return CInt(code)
}
