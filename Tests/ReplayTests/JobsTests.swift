import Glibc
import Support
import Testing
import Units
import Wire

/// Several threads say what one says, byte for byte, in the same order.
@Suite struct JobsTests {
    private static let names = ["flood", "openssl-default", "ssh", "browser", "truncated", "chromium", "many-segments", "firefox"]
    private static var files: String { names.map { fixture("\($0).pcap") }.joined(separator: " ") }

    /// What went to standard output, apart from what was spent.
    private func said(_ line: String) throws -> [String] {
        try shell(line).lines.map { $0.contains(" of traffic in ") ? String($0.prefix { $0 != "," }) : $0 }
    }

    @Test(
        "Several files, with one that is broken and one that is not there",
        arguments: ["--format json --ja4-raw", "", "--all", "--summary-only"])
    func several(options: String) throws {
        let broken = fixture("cut-frames.pcap"), line = "weir replay \(options) \(Self.files) /nowhere.pcap \(broken) \(Self.files) 2>&1"
        let one = try said(line)
        #expect(one.count > 20)
        for jobs in [2, 3, 8, 64] { #expect(try said(line.replacing("weir replay", with: "weir replay --jobs \(jobs)")) == one) }
    }

    /// Many conversations of many stacks, so that output and batches are larger than what waits anywhere.
    private static func large(_ seed: Int) -> [UInt8] {
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        for number in 0..<7000 {
            var hello = Hello(
                serverName: number % 5 == 0 ? nil : "host\(number * seed).example", alpn: number % 3 == 0 ? ["h2", "http/1.1"] : [],
                padding: number % 7 == 0 ? 1500 : 40, number: number)
            hello.ciphers.append(UInt16(0xc000 + number % 500))
            let c = Conversation(client: Address(ipv4: 0xcb00_7100 + UInt32(number % 251)), clientPort: UInt16(1024 + number))
            for frame in (number % 2 == 0 ? c.handshake : []) + c.segments(of: hello.stream(), size: 1400) {
                frames.append((1_700_000_000_000_000_000 + UInt64(frames.count) * 1_000_000, frame))
            }
        }
        return capture(frames)
    }

    @Test("One large file by two and three threads, and three of them at a time")
    func large() throws {
        let files = try [1, 2, 3].map { try TemporaryFile(Self.large($0)) }
        for options in ["--format json", "--summary-only", ""] {
            let line = "weir replay \(options) \(files[0].path)", one = try said(line)
            for jobs in [2, 3] { #expect(try said(line.replacing("weir replay", with: "weir replay --jobs \(jobs)")) == one) }
        }
        let line = "weir replay --format json \(files.map(\.path).joined(separator: " ")) | md5sum", one = try said(line)
        for jobs in [2, 3, 9] { #expect(try said(line.replacing("weir replay", with: "weir replay --jobs \(jobs)")) == one) }
        // What waits for its turn is bounded, so it was more than that.
        #expect(try Int(said("weir replay --format json \(files[1].path) | wc -c")[0])! > 3 << 20)
    }

    @Test("Who stops reading ends it, a full disk is told, and a verdict still stands", arguments: ["", "--all", "--format json"])
    func ends(options: String) throws {
        let files = "\(Self.files) \(Self.files)"
        #expect(try shell("weir replay --jobs 4 \(options) \(files) | head -1").code == 0)
        #expect(try shell("weir replay --jobs 4 \(options) --fail-on high \(files) | head -1").code == 1)
        let (code, lines) = try shell("weir replay --jobs 4 \(options) \(files) > /dev/full")
        #expect(code == 3 && lines == ["weir: standard output: No space left on device"])
        #expect(try shell("weir replay --jobs 3 \(options) \(fixture("flood.pcap")) > /dev/full").code == 3)
    }

    @Test("Standard input by several threads says the same")
    func pipe() throws {
        let file = fixture("flood.pcap"), one = try said("cat \(file) | weir replay --format json -")
        #expect(one.count > 10)
        #expect(try said("cat \(file) | weir replay --jobs 3 --format json -") == one)
    }

    @Test("What goes in one order takes no jobs", arguments: ["--kafka 127.0.0.1:1", "--engine kernel"])
    func refused(option: String) throws {
        let (code, lines) = try shell("weir replay --jobs 2 \(option) \(fixture("flood.pcap"))")
        #expect(code == 2 && lines.count == 1 && lines[0].contains("takes no --jobs"))
        #expect(try shell("weir replay --jobs 0 \(fixture("flood.pcap"))").code == 2)
    }
}
