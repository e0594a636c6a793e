import Detection
import Support
import Testing
import Units
import Vocabulary
import Wire

@Suite struct SummaryTests {
    private static let start: UInt64 = 1_700_000_000_000_000_000

    private func losses(_ line: String?) -> String { line.map { String($0.split(separator: "\"losses\":")[1].prefix { $0 != "}" }) } ?? "" }

    @Test(
        "A summary alone says what the whole story ends with", arguments: ["flood.pcap", "openssl-tls13.pcap", "http.pcap", "firefox.pcap"])
    func same(name: String) throws {
        let whole = try replay("--format", "json", fixture(name)), alone = try replay("--format", "json", "--summary-only", fixture(name))
        #expect(alone.code == 0 && alone.lines == whole.lines.suffix(1))
    }

    @Test("For people it has the figures and no rows, with times from the first hello on")
    func table() throws {
        let (code, lines) = try replay("--summary-only", fixture("flood.pcap"))
        #expect(
            code == 0 && lines[0].contains("144 frames")
                && !lines.contains { $0.contains("203.0.113.66:") || $0.contains("--all shows each") })
        #expect(
            lines.contains { $0.contains("13 of 16 anomalous hellos refused") }
                && lines.contains { $0.hasPrefix("anomalies missing_sni 16") })
        let words = try replay(fixture("flood.pcap")).lines
        #expect(lines.first { $0.contains("first limit at") } == words.first { $0.contains("first limit at") })
    }

    @Test("--fail-on judges a summary too")
    func failOn() throws { #expect(try replay("--summary-only", "--fail-on", "high", fixture("flood.pcap")).code == 1) }

    @Test("JA4 before hashing comes on request, and with it alone")
    func raw() throws {
        let line = try #require(
            try replay("--format", "json", "--ja4-raw", fixture("go.pcap")).lines.first { $0.contains("\"handshake\"") })
        #expect(line.contains(#""tls.client.ja4":"t13d1910h2_9dc949149365_97f8aa674fd9","tls.client.ja4_r":"t13d1910h2_000a,002f,0035,"#))
        #expect(try !replay("--format", "json", fixture("go.pcap")).lines.contains { $0.contains("ja4_r") })
        let nothing = try #require(
            try replay("--format", "json", "--ja4-raw", fixture("ssh.pcap")).lines.first { $0.contains("\"handshake\"") })
        #expect(nothing.contains(#""tls.client.ja4":null,"tls.client.ja4_r":null"#))
    }

    @Test("What full tables push out before it was judged is a loss of its kind, and what was judged is none")
    func pushedOut() throws {
        func conversation(_ number: Int) -> Conversation {
            Conversation(client: Address(ipv4: 0x0a00_0000 + UInt32(number / 60_000)), clientPort: UInt16(1024 + number % 60_000))
        }
        let hello = Hello().stream()
        // 16,384 flows, half-open flows, and 1,536 unfinished hellos of proven ones have room.
        let kinds: [(count: Int, frames: (Conversation) -> [[UInt8]], expected: String)] = [
            (16_394, { [$0.synAck] }, "\"flows_pushed_out\":0,\"half_open_pushed_out\":10"),
            (16_394, { [$0.synAck, $0.ack] }, "\"flows_pushed_out\":10,\"half_open_pushed_out\":0"),
            (1546, { [$0.synAck, $0.ack, $0.data(Array(hello.prefix(40)), at: 0)] }, "\"flows_pushed_out\":0,\"half_open_pushed_out\":0"),
            // Judged ones are followed for what they do next; nothing of their hello is lost.
            (16_394, { [$0.synAck, $0.ack, $0.data(hello, at: 0)] }, "\"flows_pushed_out\":0,\"half_open_pushed_out\":0")
        ]
        for (kind, (count, make, expected)) in kinds.enumerated() {
            var frames: [(time: UInt64, bytes: [UInt8])] = []
            for number in 0..<count {
                for frame in make(conversation(number)) { frames.append((Self.start + UInt64(frames.count), frame)) }
            }
            let file = try TemporaryFile(capture(frames)), (code, lines) = try replay("--format", "json", "--summary-only", file.path)
            #expect(code == 0 && losses(lines.last).hasSuffix(expected), "\(kind): \(losses(lines.last))")
            // Of an unfinished hello whose place was taken the record itself says so.
            if kind == 2 { #expect(losses(lines.last).contains("\"evicted\":10,")) }
        }
    }
}

@Suite struct PageTests {
    private let page = (try? output(of: ["cat", "\(root)/docs/replay.md"]).text) ?? ""

    @Test(
        "docs/replay.md names every member that a line has, and every loss",
        arguments: ["flood.pcap", "vlan-no-name.pcap", "ssh.pcap", "browser.pcap"])
    func members(name: String) throws {
        for line in try replay("--format", "json", "--ja4-raw", fixture(name)).lines
        where line.hasPrefix(#"{"type":"handshake""#) || line.hasPrefix(#"{"type":"summary""#) {
            // Anomalies have a page of their own, and so have values.
            for name in line.split(separator: "\"").enumerated().filter({ $0.offset > 0 && isName(in: line, $0.element) }).map(\.element)
            where name != "type" && Anomaly(id: String(name)) == nil {
                #expect(page.contains("`\(name)`"), "\(name)")
            }
        }
    }

    /// A string that a colon follows, and that something other than a colon stands before.
    private func isName(in line: String, _ text: Substring) -> Bool {
        line[text.endIndex...].hasPrefix("\":") && text.startIndex > line.startIndex && line[..<text.startIndex].hasSuffix("\"")
    }

    @Test("--help and the page know each other's options")
    func options() throws {
        let help = try replay("--help").lines
        let options = help.filter { $0.hasPrefix("  --") }.map { String($0.dropFirst(2).prefix { $0 != " " }) }
        #expect(options.count > 10)
        for option in options where !["--help", "--version"].contains(option) { #expect(page.contains(option), "\(option)") }
        for word in page.split(whereSeparator: { !($0.isLetter || $0.isNumber || $0 == "-") })
        where word.hasPrefix("--") && word.count > 3 && word != "--against" { #expect(options.contains(String(word)), "\(word)") }
        // Someone who has never seen it: what it reads, what it says, what can be typed.
        #expect(["what to know:", "examples:", "arguments:"].allSatisfy(help.contains))
    }
}
