internal import Arguments
internal import Front
internal import Glibc
internal import Kafka
internal import Linux
internal import Terminal
internal import WeirCommands
internal import Units

/// `weir top`: what an agent of this machine sees and limits, as it happens; with brokers also what the topics say.
func showTop(_ arguments: Arguments<TopOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let signals = try endingSignals()
    let port = arguments.port, total = arguments.duration
    guard var status = AgentStatus.ask(port: port) else { throw AgentStatus.isMissing(port: port) }
    var news: News?
    if let kafka = try quickBrokersIfAny(arguments.brokers) {
        do { news = try News(kafka, fromBeginning: false) } catch { throw Refusal.cannot("Kafka: \(error)") }
    }
    let terminal = Terminal(of: 1),
        heading =
            "\(status.node) · \(status.interfaces.joined(separator: ", ")) · \(status.mode == "enforce" ? "enforcing" : "observing") · \(status.attach)"
    var view = View(terminal: terminal, heading: heading, people: [], isDemonstration: false)
    if !terminal.isTerminal { print("weir · \(heading)") }
    let start = Clock.monotonic, startWall = Instant(nanoseconds: Clock.wall)
    var heard = start
    while true {
        let now = Clock.monotonic
        if let fresh = AgentStatus.ask(port: port) { (status, heard) = (fresh, now) }
        guard now - heard < 5_000_000_000 else { throw Refusal.cannot("the agent on 127.0.0.1:\(port) has not answered for 5 s") }
        _ = news?.read()
        let elapsed = Duration.nanoseconds(Int64(now - start))
        view.show(status, news, elapsed: elapsed, of: total, start: startWall)
        if let total, elapsed >= total { return 0 }
        if signals.wait(milliseconds: 200) != nil { return 0 }
    }
}
