import Detection
import Glibc
import JSON
import Linux
import Support
import Testing
import Wire

@Suite struct ReplayTests {
    @Test("An attack in a capture is limited, told once a second and answered by one decision, the same each time")
    func attack() throws {
        let file = try TemporaryFile(Attack.capture), policy = try TemporaryFile(Attack.policy)
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
                    try object.object("counts") { counts throws(JSONError) in #expect(try counts.integer("seen") - counts.integer("reset") <= 4) }
                case "decision":
                    decisions += 1
                    #expect(try object.integer("desired_replicas") == 3)
                    try object.object("reason") { reason throws(JSONError) in #expect(try reason.integer("events_in_window") == 13) }
                default:
                    #expect(try object.integer("handshakes") == 1020)
                    // At most three in each of twenty seconds, and a source that goes on is not shut out either.
                    let refused = try object.integer("refused"), limits = try object.integer("limits")
                    #expect(limits >= 1)
                    #expect((1000 - 60...1000 - 40).contains(refused))
                    try object.object("anomalies") { anomalies throws(JSONError) in #expect(try anomalies.integer("missing_sni") == 1000) }
                }
            }
        }
        #expect(handshakes == 1020)
        #expect((20...22).contains(events))
        #expect(decisions == 1)
    }

    @Test("Both engines tell the same story of every recording", .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: [
        "browser", "browser-offloads", "curl-no-name", "gnutls", "openssl-tls10-no-name", "openssl-v6-no-name", "many-segments", "many-records", "truncated", "http", "ssh", "garbage", "flood",
        "vlan-no-name", "lone-hello", "empty-name", "openssl-address-as-name", "cut-frames",
    ])
    func engines(name: String) throws {
        let native = try replay("--format", "json", fixture("\(name).pcap"))
        #expect(native.lines.count >= 2)
        #expect(try replay("--format", "json", "--engine", "kernel", fixture("\(name).pcap")).lines == native.lines)
    }

    @Test("--fail-on decides the exit code", arguments: [("openssl-tls13-no-name", "high", 1), ("openssl-tls13-no-name", "critical", 0), ("openssl-tls13", "info", 0), ("http", "med", 1), ("http", "high", 0)])
    func failOn(name: String, severity: String, code: Int) throws {
        #expect(try replay("--fail-on", severity, fixture("\(name).pcap")).code == code)
    }

    @Test("What is no capture, or stops in the middle, gets one line and exit code 2")
    func wrong() throws {
        for (bytes, part) in [([], "empty"), (Array("not a capture at all, but long enough".utf8), "is no packet capture"), (Attack.corrupt, "frame 101 is corrupt"), (Array(Attack.capture.prefix(5000)), "ends inside frame")] as [([UInt8], String)] {
            let file = try TemporaryFile(bytes)
            let (code, lines) = try replay("--format", "json", file.path)
            #expect(code == 2)
            #expect(lines.last?.contains(part) == true, "\(lines.suffix(1))")
            #expect(lines.filter { !$0.hasPrefix("{") }.count == 1)
            // What came before is shown first.
            #expect(lines.contains { $0.hasPrefix(#"{"type":"summary""#) } == part.contains("frame"))
            #expect(lines.contains { $0.hasPrefix(#"{"type":"handshake""#) } == part.contains("frame"))
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
