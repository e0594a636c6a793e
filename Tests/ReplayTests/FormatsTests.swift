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

    @Test("Every pcap dialect and link type says what the recording says", arguments: Dialect.pcap + Dialect.links, recordings)
    func pcap(dialect: Dialect, recording: String) throws {
        let file = try TemporaryFile(dialect.file(Frame.all(of: recording))), expected = try lines(fixture(recording))
        #expect(expected.count > 1)
        #expect(try lines(file.path) == expected)
    }

    // It does not know pppd's link type, nor Cisco HDLC with a direction.
    @Test(
        "tshark finds the same hello behind each of our link headers", arguments: Dialect.links.filter { ![166, 205].contains($0.linkType) }
    )
    func tshark(dialect: Dialect) throws {
        let file = try TemporaryFile(dialect.file(Frame.all(of: "openssl-v6.pcap")))
        let (code, text) = try output(of: [
            "tshark", "-n", "-r", file.path, "-Y", "tls.handshake.type == 1", "-T", "fields", "-e", "tls.handshake.extensions_server_name"
        ])
        let (_, lines) = try replay("--format", "json", file.path), name = text.split(separator: "\n").last { !$0.contains("user") } ?? "-"
        #expect(code == 0 && lines.contains { $0.contains("\"tls.client.server_name\":\"\(name)\"") }, "\(text)")
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
        bytes[20] = 147
        let file = try TemporaryFile(bytes), (code, lines) = try replay(file.path)
        #expect(
            code == 2
                && lines == [
                    "weir: \(file.path): its link type is unknown (147), and only Ethernet, raw IP, Linux cooked (-i any), BSD loopback, PPP, PPPoE, Cisco HDLC, FDDI, 802.11, NFLOG, PPI is read"
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

/// What a link hides is counted by why, in both forms of the summary.
@Suite struct UnreadTests {
    private static let snap: [UInt8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0]

    /// A frame of some link type, and the cause.
    static let frames: [(number: UInt32, frame: [UInt8], cause: String?)] = [
        (9, [0xc0, 0x21, 1, 1, 0, 4], nil), (9, [0, 0xfd, 1, 2, 3], "frames_encrypted_by_link"), (9, [0x2d, 1], "frames_encrypted_by_link"),
        (9, [0, 0x2b, 1], "frames_of_other_protocols"), (50, [0xff, 3], "frames_cut_in_link_header"),
        (51, [0x11, 0, 0], "frames_cut_in_link_header"), (104, [0x0f, 0, 8], "frames_cut_in_link_header"),
        (0, [16, 0, 0, 0, 1], "frames_of_other_protocols"),
        (10, [0x50, 0], "frames_cut_in_link_header"), (10, [0xc0] + [UInt8](repeating: 0, count: 40), nil),
        (101, [0x20], "frames_of_other_protocols"), (113, [UInt8](repeating: 0, count: 9), "frames_cut_in_link_header"),
        (105, [0x80, 0] + [UInt8](repeating: 0, count: 40), nil), (105, [0xd4, 0, 0, 0], nil), (105, [0x09, 0, 0, 0], "frames_damaged"),
        (105, with(Dialect.wireless(snap), 1, 0x42), "frames_encrypted_by_link"),
        (105, with(Dialect.wireless(snap), 1, 0x06), "frames_fragmented_by_link"),
        (105, with(Dialect.wireless(snap), 22, 0x01), "frames_fragmented_by_link"),
        (105, Array(Dialect.wireless(snap).prefix(20)), "frames_cut_in_link_header"),
        (127, [0, 0, 9, 0, 2, 0, 0, 0, 0x40] + Dialect.wireless(snap), "frames_damaged"), (127, [1, 0, 8, 0, 0, 0, 0, 0], "frames_damaged"),
        (127, [0, 0, 8, 0, 0, 0, 0, 0x80] + Dialect.wireless(snap), "frames_damaged"),
        (127, [0, 0, 80, 0, 0, 0, 0, 0], "frames_cut_in_link_header"),
        (163, [0x80, 0x21, 0x10, 1, 0xff, 0xff, 0xff, 0xff], "frames_cut_in_link_header"),
        (239, [2, 0, 0, 1, 3, 0, 9, 0], "frames_damaged"), (239, [2, 0, 0, 1, 8, 0, 10, 0, 0, 0, 0, 0], nil),
        (192, [0, 0, 8, 0, 192, 0, 0, 0, 0], "frames_of_other_protocols"), (192, [0, 0, 4, 0, 1, 0, 0, 0], "frames_damaged"),
        (192, [0, 0, 32, 0, 105, 0, 0, 0, 2, 0, 20, 0] + [UInt8](repeating: 4, count: 20) + Dialect.wireless(snap), "frames_damaged")
    ]

    private static func with(_ frame: [UInt8], _ at: Int, _ value: UInt8) -> [UInt8] {
        var frame = frame
        frame[at] = value
        return frame
    }

    @Test("Each is counted once, under its cause, or not at all where it bears nothing", arguments: frames.indices)
    func counted(index: Int) throws {
        let (number, frame, cause) = Self.frames[index]
        let dialect = Dialect(name: "", link: .made(number) { _, _ in frame }), one = Array(Frame.all(of: "ssh.pcap").prefix(1))
        let file = try TemporaryFile(dialect.file(one)), (code, lines) = try replay("--format", "json", file.path)
        let summary = try #require(lines.last), text = try replay(file.path).lines.joined(separator: "\n")
        let all = ["cut_in_link_header", "encrypted_by_link", "fragmented_by_link", "damaged", "of_other_protocols"].map { "frames_\($0)" }
        #expect(code == 0 && summary.contains("\"frames\":1,"), "\(lines)")
        for name in all {
            #expect(summary.contains("\"\(name)\":\(name == cause ? 1 : 0),"), "\(name): \(summary)")
            #expect(text.contains("\(name) 1") == (name == cause), "\(text)")
        }
    }

    @Test("A frame of any link type, cut anywhere, is read or counted", arguments: Dialect.links)
    func cut(dialect: Dialect) throws {
        let one = Array(Frame.all(of: "lone-hello.pcap").prefix(1)), whole = dialect.frame(one[0].bytes)
        let parts = (0..<min(whole.count, 200)).map {
            Frame(microseconds: one[0].microseconds, bytes: [UInt8](repeating: 0, count: 14) + whole[..<$0])
        }
        let cut = Dialect(name: "", link: .made(dialect.linkType) { $1 })
        let file = try TemporaryFile(cut.file(parts)), (code, lines) = try replay("--format", "json", file.path)
        #expect(code == 0 && lines.last?.contains("\"frames\":\(parts.count),") == true, "\(lines)")
    }
}
