internal import BPF
internal import Detection
internal import Glibc
internal import HTTP
internal import JSON
internal import Linux
internal import Probe
internal import Support
internal import Units

private let port: UInt16 = 19_740

private let policy = """
    apiVersion: weir.dev/v1alpha1
    kind: ThrottlePolicy
    metadata: {name: bench}
    spec:
      mode: enforce
      detections: {ip_literal_sni: {severity: high}}

    """

/// The real agent on a veth pair: start-up, memory, and how fast a limit stands that only user space could judge.
func measureAgent(_ report: inout Report) throws {
    // With an address of its own: where there are none but loopback's, the Kafka client finds no broker (AI_ADDRCONFIG).
    var setUp = try Child(
        "ip",
        [
            "sh", "-c",
            "ip link add inner type veth peer name outer && ip link set inner up && ip link set outer up && ip link set lo up && ip address replace 198.18.0.1/32 dev lo"
        ])
    while setUp.poll() == nil { usleep(1000) }
    // The next measurement has a pair of the same name.
    defer {
        if var end = try? Child("ip", ["ip", "link", "delete", "inner"]) { while end.poll() == nil { usleep(1000) } }
    }
    guard let inner = Interfaces.matching(["inner"]).first, let outer = Interfaces.matching(["outer"]).first else { throw Errno.noEntry }
    try measureStart(&report, inner)

    let file = try ScratchFile("policy", policy)
    let agent = try Child(
        "weir-agent", [agentPath, "--interface", "inner", "--policy", file.path, "--listen", "127.0.0.1:\(port)"], quiet: true)
    while fetch(port: port, path: "/readyz") == nil { usleep(1000) }

    let towards = try PacketSocket(outer), back = try PacketSocket(inner)
    var number = 0
    func attack(_ source: UInt32, name: String) throws {
        number += 1
        let c = Conversation(client: Address(ipv4: source), clientPort: 40_000)
        try back.send(c.synAck)
        try towards.send(c.ack)
        try towards.send(c.data(Hello(serverName: name, number: number).stream(), at: 0))
    }
    // The agent sleeps before each.
    for source in 0..<1000 as Range<UInt32> {
        try attack(0x0a02_0000 + source, name: "192.0.2.1")
        usleep(2000)
    }
    let quiet = try settled(1000)
    report.add(
        "seen to limited by user space, quiet (1,000 sources)", "\(micro(quiet.p50)) p50, \(micro(quiet.p99)) p99",
        goal: "p50 under 50 us, p99 under 1 ms",
        isMet: quiet.p50 < 50_000 && quiet.p99 < 1_000_000)
    agent.signal(SIGKILL)

    let busy = try Child(
        "weir-agent", [agentPath, "--interface", "inner", "--policy", file.path, "--listen", "127.0.0.1:\(port + 1)"], quiet: true)
    while fetch(port: port + 1, path: "/readyz") == nil { usleep(1000) }
    // Records arrive all the time: an attack that the kernel answers itself, and now and then one for user space.
    for source in 0..<1000 as Range<UInt32> {
        for other in 0..<20 as Range<UInt32> { try attack(0x0a03_0000 + source * 20 + other, name: "shop.example") }
        try attack(0x0a0a_0000 + source, name: "192.0.2.1")
    }
    let under = try settled(1000, port: port + 1)
    report.add(
        "the same during an attack", "\(micro(under.p50)) p50, \(micro(under.p99)) p99", goal: "p50 under 15 us", isMet: under.p50 < 15_000)
    let memory = memoryOf(busy.pid)
    report.add("resident memory of the agent", "\(memory / 1000) MB", goal: "under 25 MB", isMet: memory < 25_000)
    busy.signal(SIGKILL)

    // Where every hello is one for user space, of a source that nobody knew: an event to Kafka each is what there is to do besides.
    let broker = try Child(
        "broker", [agentPath.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/weir", "broker"], input: true, output: true)
    var address = ""
    while !address.contains("\n"), let bytes = broker.take() { address += String(decoding: bytes, as: UTF8.self) }
    let kafka = String(address.prefix { $0 != "\n" })
    let flooded = try Child(
        "weir-agent", [agentPath, "--interface", "inner", "--policy", file.path, "--listen", "127.0.0.1:\(port + 2)", "--kafka", kafka],
        quiet: true)
    while fetch(port: port + 2, path: "/readyz") == nil { usleep(1000) }
    let began = Clock.monotonic
    for source in 0..<4000 as Range<UInt32> { try attack(0x0a0b_0000 + source, name: "192.0.2.1") }
    let most = try settled(4000, port: port + 2)
    // Each is an event that Kafka has, or this is no measurement of that.
    while true {
        let page = fetch(port: port + 2, path: "/metrics") ?? [], lines = String(decoding: page, as: UTF8.self).split(separator: "\n")
        let delivered = lines.first { $0.hasPrefix("weir_agent_events_delivered_total ") }.flatMap { Int($0.split(separator: " ")[1]) }
        if delivered ?? 0 >= 4000 { break }
        guard Clock.monotonic - began < 30_000_000_000 else {
            throw Trouble(description: "\(delivered ?? 0) of 4,000 events reached the broker")
        }
        usleep(10_000)
    }
    report.add("the same, 4,000 new sources at once, an event to Kafka each", "\(micro(most.p50)) p50, \(micro(most.p99)) p99")
    report.add("resident memory of the agent with its Kafka client", "\(memoryOf(flooded.pid) / 1000) MB")
    let maps = Double(try KernelProbe(KernelPolicy(Policy())).mapBytes) / Double(1 << 20)
    report.add("memory of the kernel's maps", "\(Double(Int(maps * 10 + 0.5)) / 10) MiB", goal: "at most 16 MiB", isMet: maps <= 16)
}

private var agentPath: String { ownExecutable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/weir-agent" }
private func micro(_ nanoseconds: Int) -> String { "\(nanoseconds / 1000) us" }

/// Waits, bounded, until that many limits were set, and gives the agent's own figures.
private func settled(_ count: Int, port: UInt16 = port) throws -> (p50: Int, p99: Int) {
    let end = Clock.monotonic + 5_000_000_000
    var parser = JSONParser(maximumSize: 1 << 20, maximumItems: 4096)
    var last = (p50: 0, p99: 0, count: 0)
    while Clock.monotonic < end, last.count < count {
        guard let bytes = fetch(port: port, path: "/status") else { continue }
        last = try unsafe parser.object(bytes.span.bytes) { status throws(JSONError) in
            try status.object("seen_to_enforced_ns") { object throws(JSONError) in
                (try object.optionalInteger("p50") ?? 0, try object.optionalInteger("p99") ?? 0, try object.integer("count"))
            }
        }
        usleep(10_000)
    }
    if last.count < count, let bytes = fetch(port: port, path: "/metrics") {
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("weir_") && !line.hasSuffix(" 0") {
            print(line)
        }
    }
    guard last.count >= count else { throw Failure(description: "only \(last.count) of \(count) limits were set") }
    return (last.p50, last.p99)
}

private struct Failure: Error, CustomStringConvertible { let description: String }

/// From exec to the line that says so; beside it what the kernel takes for two links of an empty program.
private func measureStart(_ report: inout Report, _ interface: Interface) throws {
    var settings = ProbeSettings()
    settings.baseline = true
    let probe = try KernelProbe(KernelPolicy(Policy()), settings: settings)
    var links: [Int] = [], starts: [Int] = []
    for _ in 0..<10 {
        var before = Clock.monotonic
        let attachment = try Attachment(probe, interface: interface.index, name: interface.name, enforcing: false, method: .tcx)
        links.append(Int(Clock.monotonic - before))
        _ = consume attachment
        before = Clock.monotonic
        let agent = try Child(
            "weir-agent", [agentPath, "--interface", interface.name, "--listen", "127.0.0.1:0"], output: true, errorsToo: true)
        while let said = agent.take(), said.isEmpty { usleep(50) }
        starts.append(Int(Clock.monotonic - before))
    }
    let start = starts.quantile(0.5), link = links.quantile(0.5)
    report.add(
        "agent from exec to attached (TCX)", "\(milli(start)), \(milli(starts.quantile(0))) at least",
        baseline: "two TCX links \(milli(link))", goal: "under 40 ms", isMet: start < 40_000_000)
    report.add("of it our own", milli(start - link), baseline: "", goal: "under 8 ms", isMet: start - link < 8_000_000)
}

private func milli(_ nanoseconds: Int) -> String { "\(Double(nanoseconds / 10_000) / 100) ms" }

private func memoryOf(_ pid: CInt) -> Int {
    for line in (File.read("/proc/\(pid)/status", limit: 65_536) ?? "").split(separator: "\n") where line.hasPrefix("VmRSS:") {
        return Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0
    }
    return 0
}
