import Glibc
import Support
import Testing
import Units
import Vocabulary
import Wire

@Suite struct InputsTests {
    @Test("Standard input says the same as the file")
    func standardInput() throws {
        let file = fixture("flood.pcap"), piped = try shell("weir replay --format json - < \(file)")
        let direct = try replay("--format", "json", file)
        #expect(piped.code == 0 && piped.lines.dropLast() == direct.lines.dropLast())
        #expect(try shell("cat \(file) | weir replay --format json -").lines == piped.lines)
    }

    @Test("A capture is the same whatever came before it, even itself")
    func several() throws {
        let file = fixture("flood.pcap"), once = try replay("--format", "json", file).lines
        #expect(try replay("--format", "json", file, file).lines == once + once)
    }

    @Test("One bad file does not hide the others")
    func others() throws {
        let (code, lines) = try replay("--format", "json", "/nowhere.pcap", fixture("ssh.pcap"))
        #expect(
            code == 2 && lines.contains { $0.hasPrefix("{\"type\":\"summary\"") }
                && lines.contains { $0.hasPrefix("weir: /nowhere.pcap: ") })
    }

    @Test("A frame that says it is huge is corrupt, and what came before it counts")
    func corrupt() throws {
        var bytes = ReplayTests.attack
        // The second frame's captured length.
        let second = 24 + 16 + Int(bytes[32]) + Int(bytes[33]) << 8
        bytes.replaceSubrange((second + 8)..<(second + 12), with: [255, 255, 255, 127])
        let file = try TemporaryFile(bytes), (code, lines) = try replay("--format", "json", file.path)
        #expect(
            code == 2 && lines.contains { $0.contains("\"frames\":1,") }
                && lines.last { $0.hasPrefix("weir: ") }?.contains("frame 2") == true)
    }

    @Test("Who stops reading ends it quietly, and an asked-for verdict still stands")
    func head() throws {
        let file = try TemporaryFile(ReplayTests.attack)
        let first = try shell("weir replay --format json \(file.path) | head -1")
        #expect(first.code == 0 && first.lines.count == 1)
        #expect(try shell("weir replay --format json --fail-on high \(file.path) | head -1").code == 1)
        #expect(try shell("weir replay --all \(file.path) | head -1").lines.count == 1)
    }

    @Test("What cannot be written is not passed over")
    func full() throws {
        let (code, lines) = try shell("weir replay \(fixture("ssh.pcap")) > /dev/full")
        #expect(code == 3 && lines == ["weir: standard output: No space left on device"])
    }

    @Test("A broker that is not there is told before the capture is read", arguments: ["127.0.0.1:1"])
    func broker(address: String) throws {
        let (code, lines) = try replay("--kafka", address, fixture("flood.pcap"))
        #expect(code == 3 && lines.count == 1 && lines[0].contains("Kafka at \(address)"))
    }

    @Test("A table collapses what repeats, and --all shows each")
    func table() throws {
        let (code, lines) = try replay(fixture("flood.pcap"))
        #expect(code == 0 && lines[0].hasPrefix(fixture("flood.pcap") + ": 144 frames, 13 kB"))
        #expect(
            lines.contains { $0.contains("14 more of 203.0.113.66, all missing_sni") }
                && lines.contains { $0.contains("13 of 16 anomalous hellos refused") })
        #expect(lines.filter { $0.contains("203.0.113.66:") }.count == 2)
        #expect(try replay("--all", fixture("flood.pcap")).lines.filter { $0.contains("203.0.113.66:") }.count == 16)
    }

    @Test("With --all-ports the server is known by its SYN-ACK, in either engine", arguments: ["native", "kernel"])
    func allPorts(engine: String) throws {
        guard engine == "native" || geteuid() == 0 else { return }
        var c = Conversation(clientPort: 443)
        c.serverPort = 5061
        let hello = Hello(serverName: nil).stream()
        // The answer of a server looks like no hello; a close from its side ends one that is half there.
        var half = Conversation(clientPort: 40_001)
        half.serverPort = 5061
        let answer = c.frame(
            fromClient: false, sequence: c.serverISN &+ 1, acknowledged: c.clientISN, flags: 0x18, payload: [22, 3, 3, 0, 4, 2, 0, 0, 0])
        let frames =
            c.handshake + [c.data(hello, at: 0), answer] + half.handshake
            + [
                half.data(Array(hello.prefix(50)), at: 0),
                half.frame(fromClient: false, sequence: half.serverISN &+ 1, acknowledged: half.clientISN &+ 51, flags: 0x11)
            ]
        let file = try TemporaryFile(
            capture(frames.enumerated().map { (1_700_000_000_000_000_000 + UInt64($0.offset) * 1_000_000, $0.element) }))
        let lines = try replay("--format", "json", "--all-ports", "--engine", engine, file.path).lines.filter {
            $0.contains("\"type\":\"handshake\"")
        }
        try #require(lines.count == 2)
        #expect(
            lines[0].contains("\"source.port\":443,") && lines[0].contains("\"destination.port\":5061") && lines[0].contains("missing_sni"))
        #expect(lines[1].contains("\"incomplete.reason\":\"closed\""))
        #expect(try !replay("--format", "json", "--engine", engine, file.path).lines.contains { $0.contains("missing_sni\"]") })
    }
}
