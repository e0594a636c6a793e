import Support
import Testing
import Units
import Vocabulary
import Wire

/// Segments and fragments in whatever order: replay says of the hello what it would have said.
@Suite struct OrderTests {
    private static let start: UInt64 = 1_700_000_000_000_000_000

    /// The lines of hellos, without what says how they came.
    private func said(_ frames: [[UInt8]], _ options: String...) throws -> [String] {
        let file = try TemporaryFile(capture(frames.enumerated().map { (Self.start + UInt64($0.offset) * 1000, $0.element) }))
        let (code, lines) = try replay("--format", "json", file.path)
        #expect(code == 0)
        return lines.filter { $0.contains("\"type\":\"handshake\"") }.map { line in
            ["server_name", "ja4", "completeness", "proof"].map { name in
                line.split(separator: "\(name)\":").dropFirst().first.map { String($0.prefix { $0 != "," }) } ?? ""
            }.joined(separator: " ")
        }
    }

    private static let hello = Hello(serverName: "shop.example", padding: 1500).stream()
    private static let expected = "\"shop.example\" "

    @Test("A hello of 1.8 KB in eighteen segments, the last one first, or shuffled", arguments: 0..<24 as Range<UInt64>)
    func segments(seed: UInt64) throws {
        let c = Conversation(), size = (Self.hello.count + 17) / 18
        var pieces = c.segments(of: Self.hello, size: size), random = SplitMix64(seed)
        #expect(pieces.count == 18)
        if seed == 0 { pieces.reverse() } else { pieces.shuffle(using: &random) }
        let found = try said(c.handshake + pieces), plain = try said(c.handshake + c.segments(of: Self.hello, size: size))
        #expect(
            found == plain && found.count == 1 && found[0].hasPrefix(Self.expected) && found[0].hasSuffix("\"reassembled\" \"tracked\""))
    }

    @Test("IP fragments of eight bytes, and of more, shuffled, in both families", arguments: [8, 16, 24, 200, 1400], 0..<6 as Range<UInt64>)
    func datagrams(size: Int, seed: UInt64) throws {
        var random = SplitMix64(seed &* 31 &+ UInt64(size))
        let four = Conversation(), six = Conversation(client: Address("2001:db8::66")!, server: Address("2001:db8::2")!)
        for (c, parts) in [
            (four, fragments(of: four.data(Self.hello, at: 0), size: size)), (six, fragments6(of: six.data(Self.hello, at: 0), size: size))
        ] {
            var parts = parts
            if seed > 0 { parts.shuffle(using: &random) }
            // One comes twice.
            let found = try said(c.handshake + parts.prefix(1) + parts)
            #expect(found.count == 1 && found[0].hasPrefix(Self.expected) && found[0].hasSuffix("\"reassembled\" \"tracked\""), "\(found)")
        }
    }

    @Test("A fragment that overtakes its first")
    func overtaking() throws {
        let c = Conversation(), parts = fragments(of: c.data(Self.hello, at: 0), size: 504)
        #expect(try said(c.handshake + [parts[1], parts[0]] + parts[2...]).first?.hasPrefix(Self.expected) == true)
    }

    @Test("Tunnels' packets in fragments become packets again")
    func tunnels() throws {
        let c = Conversation(), frames = c.handshake + [c.data(Self.hello, at: 0)]
        for wrapping in [Wrapping.vxlan, .gtpWithExtensions, .ipip, .gre] {
            let wrapped = frames.enumerated().flatMap {
                fragments(of: wrapping.around($0.element), size: 600, id: UInt16($0.offset)).reversed()
            }
            let file = try TemporaryFile(capture(wrapped.enumerated().map { (Self.start + UInt64($0.offset) * 1000, $0.element) }))
            let lines = try replay("--format", "json", "--decap", file.path).lines
            #expect(
                lines.first?.contains("shop.example") == true && lines.last?.contains("\"tunnels_fragmented\":0,") == true, "\(wrapping)")
        }
    }

    @Test("Fragments that contradict each other, or never are whole, are handed over as they came")
    func contradicting() throws {
        let c = Conversation()
        var parts = fragments(of: c.data(Self.hello, at: 0), size: 504)
        var twin = parts[1]
        twin[60] ^= 1
        #expect(try said(c.handshake + [parts[0], parts[1], twin] + parts[2...]).count == 1)
        parts.removeLast()
        let found = try said(c.handshake + parts)
        #expect(found.count == 1 && found[0].contains("\"incomplete\""))
    }

    @Test("With every port the talk before TLS is passed over and named; without, its port is not watched")
    func upgrades() throws {
        for talk in Talk.all {
            var c = Conversation()
            c.serverPort = 2525
            let begun = talk.frames(c)
            let hello = Talk.said(c, Self.hello, fromClient: true, client: begun.client, server: begun.server)
            let file = try TemporaryFile(
                capture((begun.frames + [hello]).enumerated().map { (Self.start + UInt64($0.offset) * 1000, $0.element) }))
            let lines = try replay("--format", "json", "--all-ports", file.path).lines
            #expect(lines[0].contains("shop.example") && lines[0].contains("\"encapsulation\":[\"\(talk.kind.id ?? "")\"]"), "\(lines)")
            #expect(try replay("--format", "json", file.path).lines.count == 1)
        }
    }
}
