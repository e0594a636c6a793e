internal import Glibc
internal import HTTP
internal import JSON
internal import Linux
internal import Terminal

/// The agent, ndpiReader and tshark on one veth, one after the other, with the same sender on a core of its own: the highest rate of hellos at which each
/// tells of all of them, and what it takes of the processors.
func measureLive(_ report: inout Report) throws {
    let sender = try SendingProcess.start()
    let seconds = 3.0
    // Nobody listens: what this core can push.
    _ = try sender.send(200_000, perSecond: 0)
    let alone = try sender.send(1_000_000, perSecond: 0)
    report.add("live on a veth: what one core pushes with nobody listening", "\(Figures.count(Int(alone.perSecond))) hellos/s")
    // A record at a time, which is the dearest way: each would wake somebody.
    for rate in [5000.0, 50_000] {
        let trial = try Trial(.agent, sender, hellos: Int(rate * 10), perSecond: rate)
        let share = trial.cpuSeconds / trial.sent.seconds * 100
        report.add(
            "weir-agent at \(Figures.count(Int(rate))) hellos a second, one by one", "\(tenths(share)) % of a core",
            baseline: trial.isComplete ? "none lost" : "told of \(trial.told) of \(trial.sent.hellos)",
            goal: rate == 5000 ? "1 %" : "-", isMet: rate == 5000 ? share <= 1 && trial.isComplete : nil)
    }
    for listener in [Listener.agent, .ndpiReader, .tshark] {
        let full = try Trial(listener, sender, hellos: Int(alone.perSecond * seconds), perSecond: 0)
        var best = full.isComplete ? full : nil
        full.tell(of: listener)
        // Between what it certainly cannot and what it could: eight trials in all.
        var low = 500.0, high = full.sent.perSecond
        var next = max(low, min(Double(full.told) / (full.sent.seconds + Trial.grace), high * 0.95))
        for _ in 0..<7 where best == nil || high / low > 1.04 {
            if full.isComplete { break }
            let trial = try Trial(listener, sender, hellos: Int(next * seconds), perSecond: next)
            trial.tell(of: listener)
            if trial.isComplete {
                low = trial.sent.perSecond
                best = trial
            } else {
                high = next
            }
            next = (low * high).squareRoot()
        }
        guard let best else {
            throw Trouble(
                description:
                    "\(listener.rawValue): lost hellos at every rate down to \(Int(high)) a second; at full speed it told of \(full.told) of \(full.sent.hellos)"
            )
        }
        let isAgent = listener == .agent
        report.add(
            "\(listener.rawValue): hellos a second, none lost",
            "\(Figures.count(Int(best.sent.perSecond)))\(full.isComplete ? ", all that are sent" : "")",
            baseline: "at full speed \(Figures.count(full.told)) of \(Figures.count(full.sent.hellos))", goal: isAgent ? "300,000" : "-",
            isMet: isAgent ? best.sent.perSecond >= 300_000 : nil)
        report.add(
            "\(listener.rawValue): processor time for a million hellos", "\(tenths(best.cpuSeconds * 1e6 / Double(best.sent.hellos))) s",
            baseline: "and \(tenths((full.sent.cpuPerHello - alone.cpuPerHello) / 1000)) s of the sender's core")
    }
}

private func tenths(_ value: Double) -> String { "\(Double(Int(value * 100 + 0.5)) / 100)" }

enum Listener: String {
    case agent = "weir-agent", ndpiReader, tshark
}

/// One listener, started anew, over so many hellos.
private struct Trial {
    let sent: SendingProcess.Sent
    /// Hellos that it has told of within a second of the last one: who falls behind has lost, however much is buffered.
    let told: Int
    /// Its own, and that of its children.
    let cpuSeconds: Double
    var isComplete: Bool { told >= sent.hellos }
    static let grace = 1.0
    private static let port: UInt16 = 19_744
    /// Those that the sender does not take.
    private static let processors = "1-\(max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)) - 1))"

    init(_ listener: Listener, _ sender: borrowing SendingProcess, hellos: Int, perSecond: Double) throws {
        switch listener {
        case .agent:
            let agent = try Child(
                "weir-agent",
                [
                    "sh", "-c",
                    "exec taskset -c \(Self.processors) \(Self.agentPath) --interface inner --mode enforce --listen 127.0.0.1:\(Self.port) 2> /dev/null"
                ], quiet: true)
            try wait("the agent") { fetch(port: Self.port, path: "/readyz") != nil }
            let before = Processor.seconds(of: agent.pid)
            sent = try sender.send(hellos, perSecond: perSecond)
            usleep(UInt32(Self.grace * 1e6))
            cpuSeconds = Processor.seconds(of: agent.pid) - before
            told = try Self.judged()
        case .ndpiReader:
            var reader = try Child("ndpiReader", ["taskset", "-c", Self.processors, "ndpiReader", "-i", "inner"], output: true)
            (sent, cpuSeconds) = try Self.listen(reader.pid, sender, hellos, perSecond)
            usleep(UInt32(Self.grace * 1e6))
            reader.signal(SIGINT)
            let text = String(decoding: Self.rest(of: &reader), as: UTF8.self)
            // One flow a hello, and nothing else on the wire that it knows; some it calls by who owns the address, which here is made up.
            told =
                text.split(separator: "\n").first { $0.hasPrefix("\tConfidence: DPI ") }.flatMap {
                    $0.split(separator: " ").compactMap { Int($0) }.first
                } ?? 0
        case .tshark:
            // A line at once: those that wait in a buffer for others would count as not told.
            var shark = try Child(
                "tshark",
                [
                    "sh", "-c",
                    "exec taskset -c \(Self.processors) tshark -i inner -l -Y tls.handshake.type==1 -T fields -e ip.src -e tls.handshake.extensions_server_name 2> /dev/null"
                ], output: true)
            var lines = 0
            (sent, cpuSeconds) = try Self.listen(shark.pid, sender, hellos, perSecond) { lines += Self.lines(of: shark) }
            let end = Clock.monotonic + UInt64(Self.grace * 1e9)
            while Clock.monotonic < end {
                lines += Self.lines(of: shark)
                usleep(1000)
            }
            told = lines
            shark.stop(withinMilliseconds: 5000)
        }
    }

    /// It takes minutes: what has been tried so far.
    func tell(of listener: Listener) {
        let line = Array(
            "\(listener.rawValue) at \(Figures.count(Int(sent.perSecond)))/s: \(Figures.count(told)) of \(Figures.count(sent.hellos))\n"
                .utf8)
        unsafe _ = write(2, line, line.count)
    }

    private static var agentPath: String { ownExecutable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/weir-agent" }

    /// Verdicts that came out of the ring, by the agent's own count; its counters must agree that none was lost.
    private static func judged() throws -> Int {
        guard let bytes = fetch(port: port, path: "/status", withinMilliseconds: 5000) else {
            throw Trouble(description: "the agent does not answer")
        }
        var parser = JSONParser(maximumSize: 1 << 20, maximumItems: 4096)
        return try unsafe parser.object(bytes.span.bytes) { status throws(JSONError) in
            let counters = try status.object("counters") { object throws(JSONError) in
                (seen: try object.integer("handshakes_seen"), lost: try object.integer("records_lost"))
            }
            let judged = try status.object("ring_to_verdict_ns") { object throws(JSONError) in try object.integer("count") }
            return min(judged, counters.seen - counters.lost)
        }
    }

    /// Who captures has a packet socket; from then on nothing is missed.
    private static func listen(
        _ pid: CInt, _ sender: borrowing SendingProcess, _ hellos: Int, _ perSecond: Double, meanwhile: () -> Void = {}
    ) throws -> (SendingProcess.Sent, Double) {
        try wait("a capture") { (File.read("/proc/net/packet", limit: 4096) ?? "").split(separator: "\n").count > 1 }
        usleep(500_000)
        let before = Processor.seconds(of: pid)
        let sent = try sender.send(hellos, perSecond: perSecond, meanwhile: meanwhile)
        return (sent, Processor.seconds(of: pid) - before)
    }

    private static func lines(of child: borrowing Child) -> Int {
        var count = 0
        while let bytes = child.take(), !bytes.isEmpty { for byte in bytes where byte == 10 { count += 1 } }
        return count
    }

    private static func rest(of child: inout Child) -> [UInt8] {
        var all: [UInt8] = []
        let end = Clock.monotonic + 20_000_000_000
        while let bytes = child.take(), Clock.monotonic < end { if bytes.isEmpty { usleep(1000) } else { all += bytes } }
        return all
    }
}

private func wait(_ what: String, until condition: () -> Bool) throws {
    let end = Clock.monotonic + 10_000_000_000
    while !condition() {
        guard Clock.monotonic < end else { throw Trouble(description: "not within 10 s: \(what)") }
        usleep(1000)
    }
}

enum Processor {
    /// Of a process, its threads that are there and its children, by the scheduler's nanoseconds (sched-stats.rst):
    /// a tick would see nothing of who works for a hundredth of it.
    static func seconds(of pid: CInt) -> Double {
        let children = (File.read("/proc/\(pid)/task/\(pid)/children", limit: 4096) ?? "").split(separator: " ").compactMap { CInt($0) }
        var sum = 0.0
        if let folder = unsafe opendir("/proc/\(pid)/task") {
            defer { unsafe closedir(folder) }
            while let entry = unsafe readdir(folder) {
                let thread = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
                    unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                let words = (File.read("/proc/\(pid)/task/\(thread)/schedstat", limit: 256) ?? "").split(separator: " ")
                sum += words.first.flatMap { Double($0) } ?? 0
            }
        }
        return sum / 1e9 + children.reduce(0) { $0 + seconds(of: $1) }
    }
}

/// The sender, in a network namespace of its own at the other end of a veth, on the first core; everybody else has the other one first.
struct SendingProcess: ~Copyable {
    struct Sent {
        let hellos: Int
        let seconds: Double
        let cpuNanoseconds: Double
        var perSecond: Double { Double(hellos) / seconds }
        var cpuPerHello: Double { cpuNanoseconds / Double(hellos) }
    }

    fileprivate let child: Child

    static func start(_ kind: CaptureMaker.Kind = .hellos) throws -> SendingProcess {
        let words = [ownExecutable, "send", "outer", "0", kind.rawValue]
        let sender = SendingProcess(child: try Child("weir-bench", words, ownNetwork: true, input: true, output: true))
        try sender.setUp()
        return sender
    }

    private func setUp() throws {
        var setUp = try Child(
            "ip",
            ["sh", "-c", "ip link add inner type veth peer name outer && ip link set outer netns \(child.pid) && ip link set inner up"])
        while setUp.poll() == nil { usleep(1000) }
        guard try answer() == "ready" else { throw Trouble(description: "the sender does not start") }
    }

    func send(_ hellos: Int, perSecond: Double, meanwhile: () -> Void = {}) throws -> Sent {
        child.send("\(hellos) \(perSecond)\n")
        let numbers = try answer(meanwhile).split(separator: " ").compactMap { Double($0) }
        guard numbers.count == 4 else { throw Trouble(description: "the sender did not send") }
        return Sent(hellos: Int(numbers[0]), seconds: numbers[2] / 1e9, cpuNanoseconds: numbers[3])
    }

    private func answer(_ meanwhile: () -> Void = {}) throws -> String {
        var line: [UInt8] = []
        let end = Clock.monotonic + 60_000_000_000
        while line.last != 10, let more = child.take() {
            guard Clock.monotonic < end else { throw Trouble(description: "the sender does not come to an end") }
            line += more
            meanwhile()
            usleep(1000)
        }
        return String(decoding: line.dropLast(), as: UTF8.self)
    }
}
