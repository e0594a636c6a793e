import Glibc
import JSON
import Linux
import Support
import Testing
import Wire

/// Members that a line of `--format json` has, in this order (contracts, "Replay output").
private let members: [String: [String]] = [
    "handshake": ["type", "frame", "time", "source.address", "source.port", "destination.address", "destination.port", "network.transport", "tls.client.server_name", "tls.client.version",
                  "tls.client.alpn", "tls.client.ja3", "tls.client.ja4", "segments", "records", "completeness", "incomplete.reason", "proof", "anomalies", "severity", "encapsulation"],
    "event": ["type", "schema", "id", "time", "node", "interface", "direction", "source.address", "source.port", "source.prefix", "destination.address", "destination.port", "network.transport",
              "workload", "anomalies", "severity", "completeness", "proof", "tls.client.server_name", "tls.client.version", "tls.client.alpn", "tls.client.ja3", "tls.client.ja4", "action", "limit",
              "counts", "enforced_by", "latency_us", "policy", "trace_id"],
    "summary": ["type", "file", "frames", "bytes", "handshakes", "complete", "reassembled", "incomplete", "unproven", "anomalies", "refused", "losses", "events", "limits", "decisions", "seconds"],
]

/// The names of an object's own members, as they come. The line is known to be JSON.
private func names(in line: String) -> [String] {
    var names: [String] = [], depth = 0, text: [UInt8]?, last: [UInt8] = [], isEscaped = false
    for byte in line.utf8 {
        if var open = text {
            if isEscaped || byte != UInt8(ascii: "\"") {
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
                open.append(byte)
                text = open
            } else {
                (last, text) = (open, nil)
            }
            continue
        }
        switch byte {
        case UInt8(ascii: "\""): text = []
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        case UInt8(ascii: ":") where depth == 1: names.append(String(decoding: last, as: UTF8.self))
        default: break
        }
    }
    return names
}

@Suite struct OutputTests {
    static let fixtures = ["browser", "browser-offloads", "curl", "curl-no-name", "cut-frames", "empty-name", "flood", "garbage", "gnutls", "gnutls-no-name", "http", "lone-hello", "many-records", "many-segments",
                           "openssl-address-as-name", "openssl-nanoseconds", "openssl-tls10-no-name", "openssl-tls11", "openssl-tls12", "openssl-tls12-no-name", "openssl-tls13", "openssl-tls13-no-name",
                           "openssl-v6", "openssl-v6-no-name", "python", "python-no-name", "ssh", "truncated", "vlan-no-name"].map { "\($0).pcap" } + ["pcapng.pcapng"]

    @Test("Each line of each recording has the members that were agreed, in their order and of their types, and the summary is the last", arguments: fixtures)
    func contract(file: String) throws {
        let (code, lines) = try replay("--format", "json", fixture(file))
        #expect(code == 0)
        var parser = JSONParser(), before = "", handshakes = 0, events = 0
        for (index, line) in lines.enumerated() {
            let bytes = Array(line.utf8)
            try parser.object(bytes.span.bytes) { object throws(JSONError) in
                let type = try object.string("type")
                #expect(names(in: line) == members[type])
                #expect((type == "summary") == (index == lines.count - 1))
                guard type != "summary" else {
                    let told = try (object.integer("handshakes"), object.integer("events"))
                    #expect(told == (handshakes, events))
                    return
                }
                let time = try object.string("time")
                #expect(time >= before && time.count == 30 && time.hasSuffix("Z"), "RFC 3339 in nanoseconds, in order")
                before = time
                for name in ["source.address", "destination.address", "network.transport", "completeness", "proof"] as [StaticString] { _ = try object.string(name) }
                for name in ["source.port", "destination.port"] as [StaticString] { _ = try object.integer(name, in: 1...65535) }
                for name in ["tls.client.server_name", "tls.client.version", "tls.client.ja3", "tls.client.ja4", "severity"] as [StaticString] { _ = try object.optionalString(name) }
                for anomaly in try object.strings("anomalies") { #expect(Anomaly(id: anomaly) != nil) }
                _ = try object.strings("tls.client.alpn")
                guard type == "handshake" else { return events += 1 }
                handshakes += 1
                _ = try (object.integer("frame", in: 1...(.max)), object.integer("segments"), object.integer("records"))
                let completeness = try object.string("completeness"), proof = try object.string("proof"), reason = try object.optionalString("incomplete.reason")
                let anomalies = try object.strings("anomalies"), severity = try object.optionalString("severity"), encapsulation = try object.strings("encapsulation")
                #expect(["complete", "reassembled", "incomplete"].contains(completeness))
                #expect(["tracked", "socket", "unproven"].contains(proof))
                #expect((completeness == "incomplete") == (reason != nil))
                #expect(anomalies.isEmpty == (severity == nil))
                #expect(encapsulation == (file.hasPrefix("vlan") ? ["vlan"] : []))
            }
        }
    }

    @Test("The table collapses what a source repeats, shows each with --all, and says what Weir would have done")
    func table() throws {
        let file = try TemporaryFile(Attack.capture), policy = try TemporaryFile(Attack.policy)
        let (code, lines) = try replay("--policy", policy.path, file.path)
        #expect(code == 0)
        #expect(lines[0].hasPrefix("\(file.path): 4,080 frames, ") && lines[0].contains(" 00:19 of traffic in "))
        #expect(lines.filter { $0.contains("203.0.113.66:") }.count == 2)
        #expect(lines.contains("…  998 more of 203.0.113.66, all missing_sni   (--all shows each)"))
        #expect(lines.contains { $0.hasPrefix("what Weir would have done    first limit at 0.000 s; 9") && $0.hasSuffix(" of 1,000 anomalous hellos refused") })
        #expect(lines.contains { $0.contains("scale shop/web 2 → 3 at 12.") })
        #expect(lines.last == "hellos 1,020 · complete 1,020 · incomplete 0 · unproven 0")
        #expect(try replay("--all", file.path).lines.filter { $0.contains("203.0.113.66:") }.count == 1000)
    }

    @Test("A coalesced event stands where it happened, before what came while it waited")
    func order() throws {
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        for (number, (milliseconds, name)) in ([(0, nil), (300, nil), (600, "shop.example"), (3000, "shop.example")] as [(UInt64, String?)]).enumerated() {
            let c = Conversation(clientPort: 10_000 + UInt16(number)), start = 1_700_000_000_000_000_000 + milliseconds * 1_000_000
            for (index, frame) in (c.handshake + [c.data(Hello(serverName: name).stream(), at: 0)]).enumerated() { frames.append((start + UInt64(index), frame)) }
        }
        let file = try TemporaryFile(pcap(frames))
        let types = try replay("--format", "json", file.path).lines.map { String($0.split(separator: "\"")[3]) }
        #expect(types == ["handshake", "event", "handshake", "event", "handshake", "handshake", "summary"])
    }

    @Test("A hello that stops half way has timed out after ten seconds, and at the end of a capture says that the capture ended", arguments: geteuid() == 0 ? ["native", "kernel"] : ["native"])
    func unfinished(engine: String) throws {
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        for (number, seconds) in ([0, 20] as [UInt64]).enumerated() {
            let c = Conversation(clientPort: 10_000 + UInt16(number)), half = Array(Hello(serverName: nil).stream().prefix(80))
            for (index, frame) in (c.handshake + [c.data(half, at: 0)]).enumerated() { frames.append((1_700_000_000_000_000_000 + seconds * 1_000_000_000 + UInt64(index), frame)) }
        }
        let file = try TemporaryFile(pcap(frames))
        let lines = try replay("--format", "json", "--engine", engine, file.path).lines
        let reasons = ["timeout", "capture"].map { reason in lines.filter { $0.contains(#""incomplete.reason":"\#(reason)""#) && $0.contains(#""anomalies":[]"#) }.count }
        #expect(reasons == [1, 1] && lines.count == 3)
    }

    @Test("Standard input is a capture like any other")
    func standardInput() throws {
        let named = try replay("--format", "json", fixture("flood.pcap")).lines.dropLast()
        #expect(try run("'\(weir)' replay --format json - < '\(fixture("flood.pcap"))'").lines.dropLast() == named)
        #expect(try replay("-", "-").code == 2)
    }

    @Test("A reader who has seen enough ends it quietly, and --fail-on is answered nevertheless")
    func closedPipe() throws {
        let file = try TemporaryFile(Attack.capture)
        for (options, code) in [("", 0), ("--fail-on high", 1)] {
            let (_, lines) = try run("'\(weir)' replay --all --format json \(options) \(file.path) | head -n 1; echo ${PIPESTATUS[0]}")
            #expect(lines.count == 2)
            #expect(lines.last == "\(code)")
        }
    }

    @Test("A port outside the policy counts with --all-ports only")
    func allPorts() throws {
        // A policy for another port, so that the recording's 443 is outside it.
        let policy = try TemporaryFile(Array("apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: other}\nspec: {ports: [9443]}\n".utf8))
        let words = ["--format", "json", "--policy", policy.path]
        #expect(try replay(words + [fixture("openssl-tls13-no-name.pcap")]).lines.count == 1)
        let all = try replay(words + ["--all-ports", fixture("openssl-tls13-no-name.pcap")]).lines
        #expect(all.filter { $0.contains(#""type":"handshake""#) && $0.contains(#""anomalies":["missing_sni"]"#) }.count == 1)
    }

    @Test("A capture rehearsed twice is twice as many events, none of them a duplicate to a consumer")
    func rehearsal() throws {
        let broker = try Child("broker", [weir, "broker"], input: true, output: true)
        let address = try #require(lines(1, of: broker).first)
        for _ in 0..<2 { #expect(try replay("--kafka", address, fixture("flood.pcap")).code == 0) }
        let tail = try Child("tail", [weir, "tail", "events", "--format", "json", "--kafka", address], output: true)
        var parser = JSONParser(), ids: [String] = []
        for line in lines(4, of: tail) {
            let bytes = Array(line.utf8)
            ids.append(try parser.object(bytes.span.bytes) { object throws(JSONError) in try object.string("id") })
        }
        #expect(ids.count == 4 && Set(ids).count == 4, "\(ids)")
    }

    @Test("A broker that is not there is told in one line, with exit code 3")
    func noBroker() throws {
        let (code, lines) = try replay("--kafka", "127.0.0.1:1", fixture("flood.pcap"))
        #expect(code == 3)
        #expect(lines.count == 1 && lines[0].hasPrefix("weir: Kafka at 127.0.0.1:1: "))
    }
}
