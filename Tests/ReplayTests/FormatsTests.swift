import Testing

/// The same recorded frames in every file format and behind every link header: the same lines.
@Suite struct FormatsTests {
    private static let recordings = ["openssl-tls13-no-name.pcap", "openssl-v6-no-name.pcap", "browser.pcap", "flood.pcap"]

    /// All lines but the summary, and of that what does not count bytes.
    private func lines(_ path: String) throws -> [String] {
        let (code, lines) = try replay("--format", "json", path)
        #expect(code == 0)
        let summary = try #require(lines.last)
        #expect(summary.contains("\"frames_cut_by_capture\":0,"))
        return lines.dropLast() + [String(summary.split(separator: ",\"handshakes\"").last ?? "")]
    }

    @Test("Every pcap dialect and link type says what the recording says", arguments: Dialect.pcap, recordings)
    func pcap(dialect: Dialect, recording: String) throws {
        let file = try TemporaryFile(dialect.file(Frame.all(of: recording))), expected = try lines(fixture(recording))
        #expect(expected.count > 1)
        #expect(try lines(file.path) == expected)
    }

    @Test("So does pcapng whose interfaces differ in link type and clock", arguments: recordings, [false, true])
    func pcapng(recording: String, bigEndian: Bool) throws {
        let file = try TemporaryFile(Dialect.pcapng(Frame.all(of: recording), bigEndian: bigEndian))
        #expect(try lines(file.path) == lines(fixture(recording)))
    }

    @Test("An IPv4-mapped 228, an IPv6 229")
    func ownNumbers() throws {
        for (recording, type) in [("openssl-tls13-no-name.pcap", 228), ("openssl-v6-no-name.pcap", 229)] as [(String, UInt32)] {
            let file = try TemporaryFile(Dialect(name: "", link: .raw(type)).file(Frame.all(of: recording)))
            #expect(try lines(file.path) == lines(fixture(recording)))
        }
    }

    @Test("What loopbacks carry besides IP is passed over")
    func foreign() throws {
        let frames = Frame.all(of: "openssl-tls13-no-name.pcap"),
            dialect = Dialect(name: "", link: .loopback(bigEndian: false, network: false, ipv6: 30))
        // AF_APPLETALK in a frame of its own, and a frame that ends inside its header, at the time of the first.
        var file = dialect.file(frames)
        for body in [[16, 0, 0, 0, 0x45, 0, 0, 0], [2, 0]] as [[UInt8]] {
            file += file[24..<32] + [UInt8(body.count), 0, 0, 0, UInt8(body.count), 0, 0, 0] + body
        }
        let path = try TemporaryFile(file), (code, lines) = try replay("--format", "json", path.path)
        #expect(
            code == 0 && lines.count { $0.contains("\"type\":\"handshake\"") } == 1
                && lines.last?.contains("\"frames\":\(frames.count + 2),") == true)
    }

    @Test("A link type that is not read is refused in one line that names those that are")
    func refused() throws {
        var bytes = Dialect(name: "").file(Frame.all(of: "ssh.pcap"))
        bytes[20] = 127
        let file = try TemporaryFile(bytes), (code, lines) = try replay(file.path)
        #expect(
            code == 2
                && lines == [
                    "weir: \(file.path): its link type is IEEE802_11_RADIO, and only Ethernet, raw IP, Linux cooked (-i any), BSD loopback is read"
                ])
    }

    @Test("A pcapng cut anywhere, or with any byte changed, ends in lines and exit code 2 or 0, never otherwise")
    func damaged() throws {
        let whole = Dialect.pcapng(Array(Frame.all(of: "openssl-tls13-no-name.pcap").prefix(6)), bigEndian: false)
        for length in stride(from: 1, to: whole.count, by: 97) {
            let file = try TemporaryFile(Array(whole[..<length])), (code, lines) = try replay("--format", "json", file.path)
            #expect([0, 2].contains(code) && lines.count { !$0.hasPrefix("{") } == (code == 2 ? 1 : 0), "\(length): \(lines)")
        }
        for index in stride(from: 0, to: 400, by: 13) {
            var bytes = whole
            bytes[index] ^= 0xff
            let file = try TemporaryFile(bytes), (code, lines) = try replay("--format", "json", file.path)
            #expect([0, 2].contains(code) && lines.count { !$0.hasPrefix("{") } == (code == 2 ? 1 : 0), "\(index): \(lines)")
        }
    }
}
