import Glibc
import JSON
import Support
import Testing
import Units
import Vocabulary
import Wire

/// Loading BPF needs root.
private let engines = Glibc.geteuid() == 0 ? ["native", "kernel"] : ["native"]

private let handshakeKeys = [
    "type", "frame", "time", "source.address", "source.port", "destination.address", "destination.port", "network.transport",
    "network.community_id",
    "tls.client.server_name", "tls.client.version", "tls.client.alpn",
    "tls.client.ja3", "tls.client.ja4", "tls.client.supported_groups", "tls.client.key_shares", "tls.client.ech", "segments", "records",
    "completeness", "incomplete.reason", "proof", "retry", "anomalies",
    "severity", "encapsulation"
]

/// Names of an object's own members, in their order.
private func keys(_ line: String) -> [String] {
    var keys: [String] = [], depth = 0, text: String?, last = ""
    var isEscaped = false
    for character in line {
        if let inside = text {
            if isEscaped || character == "\\" {
                isEscaped = !isEscaped
            } else if character == "\"" {
                (last, text) = (inside, nil); continue
            }
            text = inside + String(character)
            continue
        }
        switch character {
        case "\"": text = ""
        case "{", "[": depth += 1
        case "}", "]": depth -= 1
        case ":": if depth == 1 { keys.append(last) }
        default: break
        }
    }
    return keys
}

@Suite struct LinesTests {
    static let recordings = [
        "browser", "curl", "cut-frames", "empty-name", "flood", "garbage", "http", "lone-hello", "many-records", "many-segments",
        "openssl-address-as-name", "openssl-tls10-no-name",
        "openssl-v6-no-name", "openssl-nanoseconds", "ssh", "truncated", "vlan-no-name"
    ]

    @Test("A line says what the contract says, by those names and in those types", arguments: recordings)
    func schema(name: String) throws {
        let (code, lines) = try replay("--format", "json", fixture("\(name).pcap"))
        #expect(code == 0)
        for line in lines.dropLast() where line.hasPrefix("{\"type\":\"handshake\"") {
            #expect(keys(line).filter { $0 != "subtype" } == handshakeKeys)
            #expect(keys(line).contains("subtype") == line.contains("not_tls"))
            let said = try HandshakeLine(line)
            #expect(
                said.time.hasSuffix("Z") && said.addresses.allSatisfy { Address($0) != nil }
                    && said.ports.allSatisfy { (0...65535).contains($0) })
            #expect(said.numbers.allSatisfy { $0 >= 1 } && said.transport == "tcp" && ["tracked", "unproven"].contains(said.proof))
            #expect(["1.3", "1.2", "1.1", "1.0", "ssl3", "ssl2", nil].contains(said.version))
            #expect(
                ["complete", "reassembled", "incomplete"].contains(said.completeness)
                    && (said.reason != nil) == (said.completeness == "incomplete"))
            #expect((said.severity == nil) == said.anomalies.isEmpty)
            let isHello = !said.anomalies.contains("not_tls") && said.completeness != "incomplete"
            #expect((said.ja3?.utf8.count == 32) == isHello && (said.ja4?.utf8.count == 36) == isHello)
            #expect(said.encapsulation == (name == "vlan-no-name" ? ["vlan"] : []))
        }
        let summary = try SummaryLine(try #require(lines.last))
        #expect(summary.type == "summary" && summary.frames > 0 && summary.bytes > 0)
        #expect(
            summary.kinds.reduce(0, +) == summary.handshakes
                && summary.handshakes == lines.filter { $0.hasPrefix("{\"type\":\"handshake\"") }.count)
        #expect(summary.events == lines.filter { $0.hasPrefix("{\"type\":\"event\"") }.count)
        #expect((summary.cut > 0) == (name == "cut-frames"))
        #expect(keys(lines.last!).suffix(1) == ["seconds"])
    }

    @Test(
        "A hello that stops half way has timed out after ten seconds, and at the end of a capture says that the capture ended",
        arguments: engines)
    func unfinished(engine: String) throws {
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        for (number, seconds) in ([0, 20] as [UInt64]).enumerated() {
            let c = Conversation(clientPort: 10_000 + UInt16(number)), half = Array(Hello(serverName: nil).stream().prefix(80))
            for (index, frame) in (c.handshake + [c.data(half, at: 0)]).enumerated() {
                frames.append((1_700_000_000_000_000_000 + seconds * 1_000_000_000 + UInt64(index), frame))
            }
        }
        let file = try TemporaryFile(capture(frames))
        let lines = try replay("--format", "json", "--engine", engine, file.path).lines
        // Ten seconds' silence is an anomaly of low severity; the end of a capture is nobody's.
        let reasons = [("timeout", #"["truncated_hello"]"#), ("capture", "[]")].map { reason, anomalies in
            lines.filter { $0.contains(#""incomplete.reason":"\#(reason)""#) && $0.contains(#""anomalies":\#(anomalies)"#) }.count
        }
        #expect(reasons == [1, 1] && lines.count == 3)
    }

    @Test("Each line comes at its time, the coalesced event of a second included")
    func order() throws {
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        func say(_ conversation: Conversation, _ hello: Hello, at milliseconds: UInt64) {
            for (index, frame) in (conversation.handshake + [conversation.data(hello.stream(), at: 0)]).enumerated() {
                frames.append((1_700_000_000_000_000_000 + milliseconds * 1_000_000 + UInt64(index) * 1000, frame))
            }
        }
        // Twice within a second, then silence: the second's event is told when others have long been heard.
        for (port, time) in [(UInt16(1), UInt64(0)), (2, 150)] {
            say(Conversation(clientPort: port), Hello(serverName: nil, number: Int(port)), at: time)
        }
        for number in 0..<30 as Range<UInt64> {
            say(
                Conversation(client: Address("203.0.113.9")!, clientPort: 100 + UInt16(number)), Hello(number: 100 + Int(number)),
                at: 200 + number * 100)
        }
        let file = try TemporaryFile(capture(frames)), lines = try replay("--format", "json", file.path).lines
        let times = lines.dropLast().map { line in String(line.split(separator: "\"time\":\"")[1].prefix { $0 != "\"" }) }
        #expect(times == times.sorted() && lines.filter { $0.contains("\"type\":\"event\"") }.count == 2)
    }

    @Test("Of an attack three a second would have been admitted, and no more")
    func admitted() throws {
        let file = try TemporaryFile(ReplayTests.attack)
        let summary = try SummaryLine(try #require(try replay("--format", "json", file.path).lines.last))
        #expect((57...61).contains(1000 - summary.refused) && summary.limits == 1)
    }
}

/// What a handshake's line says, each member asked for in its type.
private struct HandshakeLine {
    var time = "", transport = "", completeness = "", proof = ""
    var addresses: [String] = [], ports: [Int] = [], numbers: [Int] = [], alpn: [String] = [], anomalies: [String] = [],
        encapsulation: [String] = []
    var name: String?, version: String?, ja3: String?, ja4: String?, reason: String?, severity: String?

    init(_ line: String) throws {
        var parser = JSONParser()
        let bytes = Array(line.utf8)
        try parser.object(bytes.span.bytes) { object throws(JSONError) in
            time = try object.string("time")
            addresses = [try object.string("source.address"), try object.string("destination.address")]
            ports = [try object.integer("source.port"), try object.integer("destination.port")]
            numbers = [try object.integer("frame"), try object.integer("segments"), try object.integer("records")]
            transport = try object.string("network.transport")
            name = try object.optionalString("tls.client.server_name")
            version = try object.optionalString("tls.client.version")
            alpn = try object.strings("tls.client.alpn")
            ja3 = try object.optionalString("tls.client.ja3")
            ja4 = try object.optionalString("tls.client.ja4")
            completeness = try object.string("completeness")
            reason = try object.optionalString("incomplete.reason")
            proof = try object.string("proof")
            anomalies = try object.strings("anomalies")
            severity = try object.optionalString("severity")
            encapsulation = try object.strings("encapsulation")
        }
    }
}

private struct SummaryLine {
    var type = "", frames = 0, bytes = 0, handshakes = 0, events = 0, refused = 0, limits = 0, cut = 0
    var kinds: [Int] = []

    init(_ line: String) throws {
        var parser = JSONParser()
        let text = Array(line.utf8)
        try parser.object(text.span.bytes) { object throws(JSONError) in
            type = try object.string("type")
            frames = try object.integer("frames")
            bytes = try object.integer("bytes")
            handshakes = try object.integer("handshakes")
            kinds = [try object.integer("complete"), try object.integer("reassembled"), try object.integer("incomplete")]
            events = try object.integer("events")
            refused = try object.integer("refused")
            limits = try object.integer("limits")
            cut = try object.object("losses") { losses throws(JSONError) in try losses.integer("frames_cut_by_capture") }
        }
    }
}
