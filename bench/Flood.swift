internal import Glibc
internal import HTTP
internal import Linux
internal import Terminal

/// A distributed flood on a veth: hellos without a handshake, of 100,000 stacks drawn evenly, from 131,072 sources a pass. What kernel
/// and agent take of the processors for each hello, beyond what the packet takes by itself. Nothing is warm, so this figure stands first.
func measureFlood(_ report: inout Report) throws {
    let sender = try SendingProcess.start(.diverse), hellos = 5 * PreparedFrames.diverseHellos
    _ = try sender.send(PreparedFrames.diverseHellos, perSecond: 0)
    /// The least of three, for whatever else the machine does only adds.
    func least(_ cost: () throws -> (kernel: Double, agent: Double, told: Int)) throws -> (kernel: Double, agent: Double, told: Int) {
        var best = try cost()
        for _ in 0..<2 {
            let again = try cost()
            if again.kernel + again.agent < best.kernel + best.agent { best = again }
        }
        return best
    }
    let alone = try least { (try sender.send(hellos, perSecond: 0).cpuPerHello, 0, 0) }
    let agent = try FloodedAgent.start()
    _ = try sender.send(PreparedFrames.diverseHellos, perSecond: 0)
    let flooded = try least {
        let before = Processor.seconds(of: agent.pid), toldBefore = agent.seen
        let sent = try sender.send(hellos, perSecond: 0)
        // What it still has in its ring it still has to judge.
        usleep(500_000)
        return (sent.cpuPerHello, (Processor.seconds(of: agent.pid) - before) * 1e9 / Double(sent.hellos), agent.seen - toldBefore)
    }
    guard flooded.told >= hellos else { throw Trouble(description: "the agent saw \(flooded.told) of \(hellos) hellos") }
    let kernel = flooded.kernel - alone.kernel, all = kernel + flooded.agent
    report.add(
        "distributed flood, \(Figures.count(hellos)) hellos without handshake: kernel and agent beyond the packet's own way",
        "\(micro(all)) a hello (kernel \(micro(kernel)), agent \(micro(flooded.agent)))",
        baseline: "the packet's own way \(micro(alone.kernel))",
        goal: "at most 1.0 us", isMet: all <= 1000)

    let seconds = 10.0, before = Processor.seconds(of: agent.pid)
    let slow = try sender.send(Int(5000 * seconds), perSecond: 5000)
    let share = (Processor.seconds(of: agent.pid) - before) / slow.seconds * 100
    report.add(
        "agent at 5,000 such hellos a second", "\(Double(Int(share * 10 + 0.5)) / 10) % of a core", goal: "at most 1 %", isMet: share <= 1)
}

private func micro(_ nanoseconds: Double) -> String { "\(Double(Int(nanoseconds / 10 + 0.5)) / 100) us" }

/// The agent on `inner`, enforcing, on the processors that the sender does not take.
private struct FloodedAgent: ~Copyable {
    private let child: Child
    private static let port: UInt16 = 19_746

    private init(_ child: consuming Child) { self.child = child }

    static func start() throws -> FloodedAgent {
        let path = ownExecutable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/weir-agent"
        let processors = "1-\(max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)) - 1))"
        let words = "exec taskset -c \(processors) \(path) --interface inner --mode enforce --listen 127.0.0.1:\(Self.port) 2> /dev/null"
        let agent = FloodedAgent(try Child("weir-agent", ["sh", "-c", words], quiet: true))
        let end = Clock.monotonic + 10_000_000_000
        while fetch(port: Self.port, path: "/readyz") == nil {
            guard Clock.monotonic < end else { throw Trouble(description: "not within 10 s: the agent") }
            usleep(1000)
        }
        return agent
    }

    var pid: CInt { child.pid }

    /// Verdicts of the kernel's.
    var seen: Int {
        let page = String(decoding: fetch(port: Self.port, path: "/metrics", withinMilliseconds: 5000) ?? [], as: UTF8.self)
        let line = page.split(separator: "\n").first { $0.hasPrefix("weir_probe_handshakes_seen_total ") }
        return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }
}
