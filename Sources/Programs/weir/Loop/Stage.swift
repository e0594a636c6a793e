internal import CDemonstration
internal import Front
internal import Glibc
internal import Linux

/// The demonstration's stage: this process's own network namespace is the node, with a bridge that every client's
/// namespace hangs on. Nothing has a name outside, so nothing can be left behind: the kernel takes all of it away with
/// the last process, whatever ended it.
final class Stage {
    private let server: Child
    private(set) var clients: [ClientProcess] = []
    static let interface = "br0"

    final class ClientProcess {
        let person: Person
        var child: Child
        var count = ClientCount()
        var text = ""
        init(_ person: Person, _ child: consuming Child) {
            self.person = person
            self.child = child
        }
    }

    static func isPossible() -> String? {
        guard Capabilities.has(Capabilities.sysAdmin), Capabilities.has(Capabilities.netAdmin) else {
            return "the demonstration makes network namespaces and loads BPF: run it as root (or use `weir replay`, which needs neither)"
        }
        return nil
    }

    /// The node's own network; call it before anything else starts a thread.
    static func enter() throws {
        do { try Network.makePrivate() } catch { throw Refusal.cannot("a network namespace: \(error)") }
        try ip(
            """
            link add \(interface) type bridge forward_delay 0 mcast_snooping 0
            addr add \(Person.server4)/24 dev \(interface)
            addr add \(Person.server6)/64 dev \(interface) nodad
            link set \(interface) up
            route add 203.0.113.0/24 dev \(interface)
            route add 2001:db8::/64 dev \(interface)

            """)
    }

    static var python: String { unsafe getenv("WEIR_PYTHON").map { unsafe String(cString: $0) } ?? "python3" }
    private static var script: String { unsafe String(cString: weir_demonstration_script()) }

    static func hasPostQuantumClient() throws -> Bool {
        var child = try started("python3", [python, "-c", script, "can-post-quantum"], quiet: true)
        return wait(for: &child, milliseconds: 10_000) == 0
    }

    /// Starts the server and waits until it listens.
    init() throws {
        server = try started("server", [Self.python, "-c", Self.script, "serve", Person.server4, Person.server6], output: true)
        let end = Clock.monotonic + 10_000_000_000
        while true {
            guard let said = server.take(), Clock.monotonic < end else {
                throw Refusal.cannot("the demonstration's TLS server does not start; are python3 and openssl installed?")
            }
            if !said.isEmpty { return }
            usleep(5000)
        }
    }

    /// One namespace, one address, one client.
    func bring(_ person: Person, number: Int) throws {
        let prefix = person.isIPv6 ? "64" : "24", route = person.isIPv6 ? "2001:db8:0:100::/64" : "198.51.100.0/24"
        // Segmentation is left to the sender, so that a hello longer than a segment is seen as two.
        let setup = """
            read go || exit 1; ip link set lo up; (ethtool -K eth0 tso off gso off; :) 2>/dev/null; ip link set eth0 up; \
            ip addr add \(person.address)/\(prefix) dev eth0 \(person.isIPv6 ? "nodad" : ""); ip route add \(route) dev eth0; exec "$@"
            """
        let child = try started(
            person.who, ["sh", "-c", setup, "sh", Self.python, "-c", Self.script] + person.action, ownNetwork: true, input: true,
            output: true)
        try Self.ip(
            """
            link add edge\(number) type veth peer name eth0 netns \(child.pid)
            link set edge\(number) master \(Self.interface) up

            """)
        child.send("go\n")
        clients.append(ClientProcess(person, child))
    }

    /// Reads what the clients have counted.
    func listen() { for client in clients { client.listen() } }

    /// Ends them all; their last counts are in.
    func end() {
        listen()
        for client in clients { client.child.stop(withinMilliseconds: 500) }
    }

    /// Runs a batch of iproute2 commands.
    private static func ip(_ batch: String) throws {
        let file: ScratchFile
        do { file = try ScratchFile("ip", batch) } catch { throw Refusal.cannot("\(error)") }
        var child = try started("ip", ["ip", "-batch", file.path], output: true, errorsToo: true)
        guard wait(for: &child, milliseconds: 5000) == 0 else {
            let said = child.take().map { String(decoding: $0, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? "" } ?? ""
            throw Refusal.cannot("ip: \(said)")
        }
    }
}

extension Stage.ClientProcess {
    func listen() {
        while let bytes = child.take(), !bytes.isEmpty { text += String(decoding: bytes, as: UTF8.self) }
        guard let end = text.lastIndex(of: "\n") else { return }
        if let line = text[..<end].split(separator: "\n").last, let parsed = ClientCount(line: line) { count = parsed }
        text = String(text[text.index(after: end)...])
    }
}

func started(
    _ name: String, _ words: [String], ownNetwork: Bool = false, input: Bool = false, output: Bool = false, quiet: Bool = false,
    errorsToo: Bool = false
) throws -> Child {
    do { return try Child(name, words, ownNetwork: ownNetwork, input: input, output: output, quiet: quiet, errorsToo: errorsToo) } catch {
        throw Refusal.cannot("\(error)")
    }
}

/// The exit code, or `nil` when it did not end in time.
func wait(for child: inout Child, milliseconds: Int) -> Int? {
    let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
    while Clock.monotonic < end {
        if let code = child.poll() { return code }
        usleep(1000)
    }
    return nil
}
