internal import AgentCore
internal import Glibc
internal import Linux

/// Node ports that lead to a watched port, as kube-proxy's tables have them, and that no agent here would look at.
func examineNodePorts(_ ports: [UInt16], _ say: (Bool?, String, String) -> Void) {
    var found = NodePorts(ipvs: File.read("/proc/net/ip_vs", limit: mostRead) ?? "")
    for program in ["iptables-save", "ip6tables-save"] {
        if let text = output(of: [program, "-t", "nat"]) { found.merge(NodePorts(iptables: text)) }
    }
    guard !found.entries.isEmpty else { return }
    let unwatched = found.unwatched(ports)
    guard !unwatched.isEmpty else { return say(true, "node ports", "none that leads to a watched port is unwatched") }
    for entry in unwatched.prefix(16) {
        let name = entry.service.isEmpty ? "" : " of \(entry.service)"
        say(
            nil, "node port \(entry.port)",
            "leads to \(entry.leadsTo.map(String.init).joined(separator: ", "))\(name); the uplink sees \(entry.port): add it to the policy's ports"
        )
    }
    if unwatched.count > 16 { say(nil, "\(unwatched.count - 16) more node ports", "are not shown") }
}

/// Of a table; what is longer is cut.
private let mostRead = 32 << 20
/// For a program that prints a table. Nanoseconds.
private let patience: UInt64 = 10_000_000_000

/// What a program prints; `nil` where it is not installed, or does not end.
private func output(of words: [String]) -> String? {
    guard var child = try? Child(words[0], words, output: true, quiet: true) else { return nil }
    var bytes: [UInt8] = []
    let start = Clock.monotonic
    while let more = child.take() {
        guard bytes.count < mostRead, Clock.monotonic &- start < patience else { return nil }
        bytes += more
        guard more.isEmpty else { continue }
        var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
        unsafe _ = poll(&target, 1, 100)
    }
    _ = child.poll()
    return String(decoding: bytes, as: UTF8.self)
}
