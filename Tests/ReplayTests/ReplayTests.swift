import Detection
import Glibc
import JSON
import Linux
import Support
import Testing
import Units
import Vocabulary
import Wire

@Suite struct ReplayTests {
    static let attack: [UInt8] = {
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        // 50 nameless hellos a second for 20 seconds, and somebody with a name once a second.
        for number in 0..<1000 as Range<UInt64> {
            let start = 1_700_000_000_000_000_000 + number * 20_000_000
            let c = Conversation(clientPort: 10_000 + UInt16(number))
            for (index, frame) in (c.handshake + [c.data(Hello(serverName: nil, number: Int(number)).stream(), at: 0)]).enumerated() {
                frames.append((start + UInt64(index) * 100_000, frame))
            }
            if number % 50 == 0 {
                let good = Conversation(client: Address("203.0.113.10")!, clientPort: 20_000 + UInt16(number))
                for (index, frame) in (good.handshake + [good.data(Hello(number: 1 << 32 | Int(number)).stream(), at: 0)]).enumerated() {
                    frames.append((start + 1_000_000 + UInt64(index) * 100_000, frame))
                }
            }
        }
        return capture(frames)
    }()

    static let policy = Array(
        """
        apiVersion: weir.dev/v1alpha1
        kind: ThrottlePolicy
        metadata: {name: replay}
        spec: {scaleOut: {targets: [{match: {ports: [443]}, workload: shop/web, min: 2, max: 6}]}}

        """.utf8)

    @Test("An attack in a capture is limited, told once a second and answered by one decision, the same each time")
    func attack() throws {
        let file = try TemporaryFile(Self.attack), policy = try TemporaryFile(Self.policy)
        let (code, lines) = try replay("--format", "json", "--policy", policy.path, file.path)
        #expect(code == 0)
        #expect(try replay("--format", "json", "--policy", policy.path, file.path).lines == lines)
        var events = 0, decisions = 0, handshakes = 0, before = ""
        var parser = JSONParser()
        for line in lines {
            let bytes = Array(line.utf8)
            try parser.object(bytes.span.bytes) { object throws(JSONError) in
                switch try object.string("type") {
                case "handshake":
                    handshakes += 1
                    let time = try object.string("time")
                    #expect(time >= before, "in the order of time")
                    before = time
                    #expect(try object.string("proof") == "tracked")
                case "event":
                    events += 1
                    // The policy observes; replay says what enforcing would have done.
                    let action = try object.string("action")
                    #expect(action == (events == 1 ? "limited" : "already_limited"))
                    try object.object("counts") { counts throws(JSONError) in
                        #expect(try counts.integer("seen") - counts.integer("reset") <= 4)
                    }
                case "decision":
                    decisions += 1
                    #expect(try object.integer("desired_replicas") == 3)
                    try object.object("reason") { reason throws(JSONError) in #expect(try reason.integer("events_in_window") == 13) }
                default:
                    #expect(try object.integer("handshakes") == 1020)
                    try object.object("anomalies") { anomalies throws(JSONError) in #expect(try anomalies.integer("missing_sni") == 1000) }
                }
            }
        }
        #expect(handshakes == 1020)
        #expect((20...22).contains(events))
        #expect(decisions == 1)
    }

    @Test(
        "Both engines tell the same story of every recording", .enabled(if: geteuid() == 0, "loading BPF needs root"),
        arguments: [
            "browser", "browser-offloads", "curl-no-name", "gnutls", "openssl-tls10-no-name", "openssl-v6-no-name", "many-segments",
            "many-records", "truncated", "http", "ssh", "garbage", "flood",
            "vlan-no-name", "lone-hello", "empty-name", "openssl-address-as-name", "cut-frames"
        ])
    func engines(name: String) throws {
        let native = try replay("--format", "json", fixture("\(name).pcap"))
        #expect(native.lines.count >= 2)
        #expect(try replay("--format", "json", "--engine", "kernel", fixture("\(name).pcap")).lines == native.lines)
    }

    @Test(
        "--fail-on decides the exit code",
        arguments: [
            ("openssl-tls13-no-name", "high", 1), ("openssl-tls13-no-name", "critical", 0), ("openssl-tls13", "info", 0),
            ("http", "med", 1), ("http", "high", 0)
        ])
    func failOn(name: String, severity: String, code: Int) throws {
        #expect(try replay("--fail-on", severity, fixture("\(name).pcap")).code == code)
    }

    @Test("What is no capture, or stops in the middle, gets one line and exit code 2")
    func wrong() throws {
        for (bytes, part) in [
            ([], "empty"), (Array("not a capture at all, but long enough".utf8), ""), (Array(Self.attack.prefix(5000)), "ends inside frame")
        ] as [([UInt8], String)] {
            let file = try TemporaryFile(bytes)
            let (code, lines) = try replay("--format", "json", file.path)
            #expect(code == 2)
            #expect(lines.last?.contains(part) == true, "\(lines.suffix(1))")
            #expect(lines.filter { !$0.hasPrefix("{") }.count == 1)
        }
        #expect(try replay("/nowhere.pcap").code == 2)
    }

    @Test("The catalogue's page names what the code has, with its severities")
    func page() throws {
        let page = try #require(File.read("\(root)/docs/detections.md", limit: 1 << 20))
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { $0.split(separator: "|").map { $0.trimmed } }
        #expect(Set(rows.map { $0[0] }) == Set(Anomaly.allCases.map { "`\($0.id)`" }))
        for row in rows {
            let anomaly = try #require(Anomaly(id: row[0].filter { $0 != "`" }))
            #expect(Policy.defaultRules[anomaly]?.severity.id == row[1], "\(anomaly.id)")
        }
    }
}

extension Substring {
    fileprivate var trimmed: String { String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
}
