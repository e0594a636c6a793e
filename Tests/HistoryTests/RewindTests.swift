import Detection
import Evidence
import Glibc
import History
import JSON
import Linux
import PolicyFile
import Support
import Testing
import Units
import Vocabulary
import Wire

@Suite struct RewindTests {
    private let directory = Directory()
    /// An hour ago.
    private let start = Clock.wall - 3_600_000_000_000

    private static let detections = [
        "missing_sni: {severity: high, limit: {perSecond: 3, for: 2m}}", "ip_literal_sni: {severity: high, limit: {perSecond: 2}}",
        "unknown_sni: {severity: high, serverNames: [\"*.example\"], limit: {perSecond: 4}}",
        "tls_scan: {severity: high, moreThan: 5, limit: {perSecond: 1}}",
        "client_hello_flood: {severity: high, rate: 5, burst: 10, limit: {perSecond: 3}}"
    ].map { "    \($0)" }.joined(separator: "\n")

    private func policy(_ name: String, mode: String = "enforce", _ detections: String) throws -> (path: String, policy: Policy) {
        let text =
            "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: \(name)}\n"
            + "spec:\n  mode: \(mode)\n  detections:\n\(detections)\n"
        let path = "\(directory.path).\(name).yaml"
        try #require(File.write(path, Array(text.utf8)))
        return (path, try PolicyFile.load(path: path))
    }

    /// A day of many kinds of sources, in a quarter of an hour.
    private func traffic(_ node: Node, seed: UInt64, numbers: Range<Int> = 0..<4000, sources first: Int = 1) {
        var random = SplitMix64(seed)
        for number in numbers {
            let source = random.below(24), time = 1_000_000_000 + UInt64(number) * 40_000_000 + UInt64(random.below(1_000_000))
            var hello = Hello(serverName: "shop.example", number: number)
            var server = "198.51.100.2"
            switch source % 8 {
            case 0: hello = Hello(serverName: nil, number: number)
            case 1: hello = Hello(serverName: "192.0.2.7", number: number)
            case 2: hello = Hello(serverName: random.below(3) == 0 ? "other.invalid" : "shop.example", number: number)
            case 3: server = "198.51.100.\(random.below(12))"
            case 4: hello = Hello(serverName: random.below(2) == 0 ? nil : "a.example", versions: [0x0301], number: number)
            default: break
            }
            var c = Conversation(client: Address("203.0.113.\(source + first)")!, clientPort: UInt16(1024 + number))
            c.server = Address(server)!
            // One source comes in bursts.
            for again in 0..<(source == 7 ? 12 : 1) {
                c.clientPort = UInt16(truncatingIfNeeded: 1024 + number + again * 4099)
                if again > 0 { hello.random[31] = UInt8(again) }
                node.run(c.handshake + [c.data(hello.stream(), at: 0)], at: time + UInt64(again) * 1000)
            }
        }
    }

    private func keep(_ node: Node, _ policy: HistoryPolicy, in other: Directory? = nil, node name: String = "node") throws {
        var writer = HistoryWriter(
            directory: (other ?? directory).path, node: name, bounds: HistoryWriter.Bounds(bytes: 64 << 20, age: .seconds(864_000)))
        #expect(node.buffer.missedCount == 0)
        let before = HistoryBuffer()
        #expect(before.add(policy))
        writer.drain(before, at: start)
        writer.end(node.buffer, at: start + 600_000_000_000)
    }

    @Test(
        "Under the policy that was in force a rewind finds the limits that the agent's turn made, source by source, and when",
        arguments: [1, 2] as [UInt64])
    func parity(seed: UInt64) throws {
        let (path, policy) = try policy("same", Self.detections)
        defer { unlink(path) }
        let probing = Prefix("203.0.113.1")!, node = Node(policy, offset: start, own: [probing])
        traffic(node, seed: seed)
        try keep(node, HistoryPolicy(name: policy.name, version: policy.version, enforces: true, text: try bytes(path)))
        let expected = node.made.filter { $0.value.limited > 0 }
        #expect(expected.count >= 12 && expected.values.contains { $0.refused > 0 } && expected.count < node.made.count)
        #expect(node.made["203.0.113.1"]?.hellos ?? 0 > 50 && expected["203.0.113.1"] == nil, "a kubelet has no name to ask for")
        for options in [[], ["--against", path]] {
            let (code, sources, summary) = try rewound(path, options)
            #expect(code == 0 && summary.contains("\"limited\":0,\"let_go\":0,\"still_limited\":\(expected.count)"), "\(summary)")
            #expect(sources.count == expected.count)
            for (address, made) in expected { for side in sources[address] ?? [] { #expect(side == made, "\(address)") } }
            #expect(sources.keys.sorted() == expected.keys.sorted())
        }
    }

    @Test("What an observing agent saw is judged as if it had enforced, with the same limits")
    func observed() throws {
        let (path, policy) = try policy("observing", mode: "observe", Self.detections),
            (enforcing, strict) = try self.policy("enforcing", Self.detections)
        defer { for one in [path, enforcing] { unlink(one) } }
        let seen = Node(policy, offset: start), limited = Node(strict, offset: start)
        for node in [seen, limited] { traffic(node, seed: 3) }
        #expect(seen.made.values.allSatisfy { $0.limited == 0 })
        try keep(seen, HistoryPolicy(name: policy.name, version: policy.version, enforces: false, text: try bytes(path)))
        let (_, sources, _) = try rewound(enforcing, [])
        let expected = limited.made.filter { $0.value.limited > 0 }
        #expect(sources.keys.sorted() == expected.keys.sorted())
        for (address, made) in expected {
            #expect(sources[address]?.last?.first == made.first && sources[address]?.last?.refused == made.refused, "\(address)")
        }
    }

    @Test("A history without the policy's words says so, and good clients decide the exit code")
    func good() throws {
        let (path, policy) = try policy("next", "    missing_sni: {severity: high, limit: {perSecond: 3}}")
        defer { unlink(path) }
        let node = Node(policy, offset: start)
        traffic(node, seed: 4)
        try keep(node, HistoryPolicy(name: "gone", version: "sha256:00", enforces: true, text: []))
        let (code, _, summary) = try rewound(path, ["--good", "203.0.113.9", "--good", "203.0.113.6/32"])
        #expect(
            code == 1 && summary.contains("\"unknown_policies\":[\"gone (sha256:00)\"]") && summary.contains("\"good_limited\":1"),
            "\(summary)")
        #expect(try rewound(path, ["--good", "203.0.113.6/32"]).code == 0)
    }

    @Test("A policy that was changed in between is followed where it changed, and two nodes are judged together, each by its own")
    func changed() throws {
        let (path, policy) = try policy("first", Self.detections)
        let (milder, second) = try self.policy("second", "    missing_sni: {severity: high, limit: {perSecond: 200}}")
        defer { for one in [path, milder] { unlink(one) } }
        let node = Node(policy, offset: start), other = Node(second, offset: start)
        traffic(node, seed: 6, numbers: 0..<1500)
        node.change(second)
        #expect(
            node.buffer.add(HistoryPolicy(name: second.name, version: second.version, enforces: true, text: try bytes(milder))))
        traffic(node, seed: 7, numbers: 1500..<3000)
        traffic(other, seed: 8, numbers: 0..<3000, sources: 100)
        try keep(node, HistoryPolicy(name: policy.name, version: policy.version, enforces: true, text: try bytes(path)))
        let elsewhere = Directory()
        try keep(
            other, HistoryPolicy(name: second.name, version: second.version, enforces: true, text: try bytes(milder)), in: elsewhere,
            node: "other")
        let (_, sources, summary) = try rewound(path, ["--state", elsewhere.path])
        let expected = node.made.merging(other.made) { one, _ in one }.filter { $0.value.limited > 0 }
        #expect(summary.contains("\"nodes\":2") && expected.count > 12, "\(summary)")
        for (address, made) in expected { #expect(sources[address]?.first == made, "\(address)") }
        // Under the first policy from beginning to end there is more.
        let refused = sources.values.reduce(into: (0, 0)) { sum, sides in
            sum.0 += sides[0].refused
            sum.1 += sides[1].refused
        }
        #expect(refused.1 > refused.0 && refused.0 > 0, "\(refused)")
    }

    @Test("What the agent's turn made of its hellos is verified by them, whatever else their source did", arguments: [9, 10] as [UInt64])
    func verified(seed: UInt64) throws {
        let (path, policy) = try policy("judging", Self.detections)
        defer { unlink(path) }
        let node = Node(policy, offset: start), elsewhere = Directory()
        defer { for name in EvidenceWriter.names { unlink("\(elsewhere.path)/\(name)") } }
        node.evidence = try EvidenceBook(elsewhere.path)
        traffic(node, seed: seed, numbers: 0..<300)
        let (found, unreadable) = try EvidenceReader.read(directory: elsewhere.path)
        #expect(found.count > 30 && unreadable == 0 && Set(found.map(\.event.anomalies)).count > 4)
        // Of each set of anomalies some, for each is a process.
        var tried: [AnomalySet: Int] = [:]
        for one in found where tried[one.event.anomalies, default: 0] < 3 {
            tried[one.event.anomalies, default: 0] += 1
            let (code, text) = try output(of: [program, "verify", one.event.traceID, "--state", elsewhere.path, "--policy", path])
            #expect(code == 0, "\(text)")
        }
        // The built-in policy looks for other things, and never for what has a list.
        let named = try #require(found.first { $0.event.anomalies.contains(.unknownSNI) })
        #expect(try output(of: [program, "verify", named.event.traceID, "--state", elsewhere.path]).code == 0)
    }

    private static let python = ["\(root)/.deps/venv/bin/python3", "python3"].first {
        (try? output(of: ["/usr/bin/env", $0, "-c", "import jsonschema"]).code) == 0
    }

    @Test(
        "Each line of JSON is what its schema describes, says a validator that is not ours",
        .enabled(if: python != nil, "python3 has no jsonschema (make deps)"))
    func schema() throws {
        let targets =
            "  scaleOut: {window: 5m, moreThan: 1, targets: [{workload: shop/web, match: {ports: [443]}, min: 1, max: 9, step: 2}]}"
        let (path, policy) = try policy("scaling", "    missing_sni: {severity: high, limit: {perSecond: 3}}\n\(targets)")
        defer { unlink(path) }
        let node = Node(policy, offset: start)
        traffic(node, seed: 5)
        try keep(node, HistoryPolicy(name: "default", version: "builtin", enforces: true, text: []))
        // A second start and a torn end: something is missing.
        var writer = HistoryWriter(directory: directory.path, node: "node", bounds: bounds)
        let buffer = HistoryBuffer()
        buffer.add(Sample(seen: Int(start) + 900_000_000_000, source: 1, fingerprint: 1, name: nil))
        writer.drain(buffer, at: start + 900_000_000_000)
        let last = try #require(directory.segments.last)
        try #require(File.write("\(last)", try raw(last) + [0x57, 0x48, 0x42]))
        let text = try output(of: [program, "rewind", "--policy", path, "--state", directory.path, "--format", "json"]).text
        for kind in ["source", "workload", "missing", "summary"] { #expect(text.contains("\"kind\":\"\(kind)\""), "\(kind): \(text)") }
        #expect(text.contains("\"cause\":\"damaged\"") && text.contains("\"cause\":\"not_running\""))
        let lines = "\(directory.path).jsonl"
        defer { unlink(lines) }
        try #require(File.write(lines, Array(text.utf8)))
        let check =
            "import json,sys,jsonschema; s=json.load(open(sys.argv[1])); v=jsonschema.Draft202012Validator(s); v.check_schema(s); "
            + "[v.validate(json.loads(line)) for line in open(sys.argv[2])]"
        let said = try output(
            of: ["/usr/bin/env", try #require(Self.python), "-c", check, "\(root)/manifests/schemas/rewind.v1.schema.json", lines])
        #expect(said.code == 0, "\(said.text.suffix(600))")
    }

    private func raw(_ path: String) throws -> [UInt8] {
        let descriptor = try FileDescriptor(owning: open(path, O_RDONLY))
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = Glibc.read(descriptor.rawValue, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }

    private func bytes(_ path: String) throws -> [UInt8] { Array(try #require(File.read(path, limit: 1 << 20)).utf8) }

    /// Each limited source before and after, and the summary's line.
    private func rewound(_ policy: String, _ options: [String]) throws -> (code: Int, sources: [String: [Made]], summary: String) {
        let (code, text) = try output(of: [program, "rewind", "--policy", policy, "--state", directory.path, "--format", "json"] + options)
        var parser = JSONParser(), sources: [String: [Made]] = [:]
        let lines = text.split(separator: "\n")
        for line in lines where line.contains("\"kind\":\"source\"") {
            let bytes = Array(line.utf8)
            try parser.object(bytes.span.bytes) { object throws(JSONError) in
                func made(_ side: borrowing JSONObject) throws(JSONError) -> Made {
                    Made(
                        hellos: try side.integer("hellos"), limited: try side.integer("limited"), refused: try side.integer("refused"),
                        first: try side.optionalString("first_limited"))
                }
                let before = try object.object("before") { side throws(JSONError) in try made(side) }
                let after = try object.object("after") { side throws(JSONError) in try made(side) }
                sources[try object.string("source.address")] = [before, after]
            }
        }
        return (code, sources, String(lines.last ?? ""))
    }
}

private let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private var program: String {
    [products, "\(root)/.build/debug", "\(root)/.build/release"].map { "\($0)/weir" }.first { access($0, X_OK) == 0 } ?? "weir"
}

private func output(of words: [String]) throws -> (code: Int, text: String) {
    var child = try Child(words[0], words, output: true, errorsToo: true), bytes: [UInt8] = []
    while let more = child.take() {
        bytes += more
        var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
        if more.isEmpty { poll(&target, 1, 1000) }
    }
    while true { if let code = child.poll() { return (code, String(decoding: bytes, as: UTF8.self)) } }
}
