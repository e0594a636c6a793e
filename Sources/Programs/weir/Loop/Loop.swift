internal import Arguments
internal import Front
internal import Glibc
internal import HTTP
internal import Kafka
internal import Linux
internal import Messages
internal import Terminal
internal import WeirCommands
internal import Units

/// `weir run`: broker, agent and controller in one process tree, and what a person sees of them.
func runLoop(_ arguments: Arguments<RunOptions>) throws -> CInt {
    let signals = try endingSignals()
    let isDemonstration = arguments.interfaces.isEmpty
    if isDemonstration {
        if let reason = Stage.isPossible() { throw Refusal.cannot(reason) }
        if arguments.kafka != nil {
            throw Refusal.wrong(
                "--kafka: the demonstration has a network of its own, from which no broker can be reached; it goes with --interface")
        }
        try Stage.enter()
    }
    let loop = try Loop(arguments, isDemonstration: isDemonstration)
    return try loop.run(until: signals)
}

/// The process tree.
final class Loop {
    private let isDemonstration: Bool
    private let total: Duration?
    private let summaryPath: String?
    private let terminal = Terminal(of: 1)
    private let policy: ScratchFile?
    private var broker: Child?
    private var agent: Child
    private var controller: Child
    private var stage: Stage?
    private let news: News
    private let agentPort: UInt16
    private let heading: String
    private let people: [Person]

    init(_ arguments: Arguments<RunOptions>, isDemonstration: Bool) throws {
        self.isDemonstration = isDemonstration
        total = arguments.duration ?? (isDemonstration ? .seconds(30) : nil)
        summaryPath = arguments.summary
        let enforcing = isDemonstration || arguments.enforce
        var bootstrap = arguments.kafka?.bootstrap ?? ""
        if bootstrap.isEmpty {
            let child = try started("broker", [ownExecutable, "broker"], input: true, output: true)
            bootstrap = try Self.firstLine(of: child)
            broker = consume child
        } else {
            broker = nil
        }
        var policyPath = arguments.policy
        if isDemonstration, policyPath == nil {
            do {
                let file = try ScratchFile("policy", Self.demonstrationPolicy)
                policyPath = file.path
                policy = consume file
            } catch { throw Refusal.cannot("\(error)") }
        } else {
            policy = nil
        }
        guard let agentPort = freePort(), let controllerPort = freePort() else { throw Refusal.cannot("no free port on loopback") }
        self.agentPort = agentPort

        var common = ["--kafka", bootstrap, "--mode", enforcing ? "enforce" : "observe"]
        if let policyPath { common += ["--policy", policyPath] }
        let patterns = isDemonstration ? [Stage.interface] : arguments.interfaces
        let folder = ownExecutable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        agent = try started(
            "weir-agent",
            ["\(folder)/weir-agent", "--listen", "127.0.0.1:\(agentPort)"] + common + patterns.flatMap { ["--interface", $0] },
            output: true, errorsToo: true)
        controller = try started(
            "weir-controller", ["\(folder)/weir-controller", "--listen", "127.0.0.1:\(controllerPort)", "--grpc", "127.0.0.1:0"] + common,
            output: true, errorsToo: true)
        do { news = try News(KafkaConfiguration(bootstrap: bootstrap)) } catch { throw Refusal.cannot("Kafka: \(error)") }
        try Self.waitUntilReady(&agent, port: agentPort)
        try Self.waitUntilReady(&controller, port: controllerPort)

        if isDemonstration {
            people = Person.everybody(postQuantum: try Stage.hasPostQuantumClient())
            let stage = try Stage()
            for (number, person) in people.enumerated() { try stage.bring(person, number: number) }
            self.stage = stage
        } else {
            people = []
            stage = nil
        }
        let status = AgentStatus.ask(port: agentPort)
        let what = isDemonstration ? "demonstration in \(people.count + 1) namespaces" : status?.interfaces.joined(separator: ", ") ?? ""
        heading =
            "\(what) · \(enforcing ? "enforcing: 3/s per source, reset" : "observing") · \(status?.attach ?? "") · Kafka \(bootstrap)\(arguments.kafka == nil ? " (built in)" : "")"
    }

    func run(until signals: borrowing Signals) throws -> CInt {
        var view = View(terminal: terminal, heading: heading, people: people, isDemonstration: isDemonstration)
        if !terminal.isTerminal { print("weir · \(heading)") }
        flush()
        let start = Clock.monotonic, startWall = Instant(nanoseconds: Clock.wall)
        var endedEarly: String?, status = AgentStatus(), stopped = false
        while !stopped {
            let elapsed = Duration.nanoseconds(Int64(Clock.monotonic - start))
            if let total, elapsed >= total { break }
            _ = news.read()
            stage?.listen()
            if let fresh = AgentStatus.ask(port: agentPort) { status = fresh }
            view.show(status, news, elapsed: elapsed, of: total, start: startWall)
            endedEarly = earlyEnd()
            if endedEarly != nil { break }
            // One wait for everything that should wake us: a signal, or the next picture.
            stopped = signals.wait(milliseconds: 200) != nil
        }
        let seconds = Double(Clock.monotonic - start) / 1e9
        stage?.end()
        if let last = AgentStatus.ask(port: agentPort) { status = last }
        _ = news.read()
        let clients = stage?.clients.map { (person: $0.person, count: $0.count) } ?? []
        stage = nil
        agent.stop()
        controller.stop()
        _ = news.read()
        broker?.stop()
        let summary = Summary(
            seconds: seconds,
            kernel: File.read("/proc/sys/kernel/osrelease", limit: 256)?.split(separator: "\n").first.map(String.init) ?? "",
            status: status, clients: clients,
            events: news.events, limits: news.limits, decisions: news.decisions, mostInWindow: news.mostInWindow, enforced: news.enforced,
            leftBehind: leftBehind(), endedEarly: endedEarly)
        for line in summary.lines(for: terminal) { print(line) }
        if let summaryPath, !File.write(summaryPath, summary.encoded()) { throw Refusal.wrong("\(summaryPath): cannot be written") }
        return summary.isGood ? 0 : 1
    }

    /// What of ours has ended by itself.
    private func earlyEnd() -> String? {
        if let code = agent.poll() { return "weir-agent ended (\(code)): \(Self.lastLine(of: agent))" }
        if let code = controller.poll() { return "weir-controller ended (\(code)): \(Self.lastLine(of: controller))" }
        if let code = broker?.poll() { return "the broker ended (\(code))" }
        _ = agent.take()
        _ = controller.take()
        return nil
    }

    /// Processes of ours that are still there. Everything else of the demonstration lasts as long as they do.
    private func leftBehind() -> [String] {
        let children = File.read("/proc/self/task/\(getpid())/children", limit: 65_536) ?? ""
        return children.split(separator: " ").compactMap { CInt($0.filter(\.isNumber)) }.map { pid in
            let name = File.read("/proc/\(pid)/comm", limit: 64)?.split(separator: "\n").first.map(String.init) ?? "process"
            return "\(name) (\(pid))"
        }
    }

    private static func firstLine(of child: borrowing Child) throws -> String {
        let end = Clock.monotonic + 10_000_000_000
        var text = ""
        while Clock.monotonic < end, let bytes = child.take() {
            text += String(decoding: bytes, as: UTF8.self)
            if let line = text.firstIndex(of: "\n") { return String(text[..<line]) }
            usleep(1000)
        }
        throw Refusal.cannot("\(child.name) does not start")
    }

    private static func lastLine(of child: borrowing Child) -> String {
        var text = ""
        while let bytes = child.take(), !bytes.isEmpty { text += String(decoding: bytes, as: UTF8.self) }
        return text.split(separator: "\n").last.map(String.init) ?? "it said nothing"
    }

    private static func waitUntilReady(_ child: inout Child, port: UInt16) throws {
        let end = Clock.monotonic + 15_000_000_000
        while fetch(port: port, path: "/readyz", withinMilliseconds: 200) == nil {
            if let code = child.poll() {
                let said = lastLine(of: child)
                throw Refusal(
                    description: said.hasPrefix("\(child.name): ") ? String(said.dropFirst(child.name.utf8.count + 2)) : said,
                    code: CInt(code == 2 ? 2 : 3))
            }
            guard Clock.monotonic < end else { throw Refusal.cannot("\(child.name) is not ready after 15 s: \(lastLine(of: child))") }
            usleep(2000)
        }
    }

    private static let demonstrationPolicy = """
        apiVersion: weir.dev/v1alpha1
        kind: ThrottlePolicy
        metadata: {name: demonstration}
        spec:
          mode: enforce
          ports: [443]
          scaleOut:
            targets:
              - {match: {ports: [443]}, workload: demo/web, min: 2, max: 6, step: 1, cooldown: 3m, budgetPerHour: 6}

        """
}

/// `print` is buffered on a pipe.
func flush() { _ = fflush(nil) }
