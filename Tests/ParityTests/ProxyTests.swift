import Detection
import Glibc
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

/// The text form's line (haproxy, doc/proxy-protocol.txt, section 2.1).
private func line(_ text: String) -> [UInt8] { Array((text + "\r\n").utf8) }

/// The binary form (section 2.2), with its extensions behind the addresses.
private func binary(command: UInt8 = 0x21, family: UInt8, _ addresses: [UInt8], extensions: [UInt8] = []) -> [UInt8] {
    let rest = addresses + extensions
    return [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, command, family, UInt8(rest.count >> 8), UInt8(rest.count & 255)] + rest
}

private func four(_ last: UInt8) -> [UInt8] { [192, 0, 2, last, 198, 51, 100, 2, 0x10, 0x01, 1, 187] }
private let six: [UInt8] =
    [0x20, 0x01, 0x0d, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9] + [UInt8](repeating: 1, count: 16) + [0x10, 0x01, 1, 187]

/// Connections of a balancer's, each with a header and then a nameless hello: for kernels that run elsewhere.
let proxiedFrames: [[[UInt8]]] = [
    [line("PROXY TCP4 192.0.2.1 198.51.100.2 4097 443")], [line("PROXY TCP6 2001:db8:7::9 2001:db8::2 4097 443")], [line("PROXY UNKNOWN")],
    [Array(line("PROXY TCP4 192.0.2.2 198.51.100.2 4097 443")[..<21]), Array(line("PROXY TCP4 192.0.2.2 198.51.100.2 4097 443")[21...])],
    [binary(family: 0x11, four(3))], [binary(family: 0x21, six, extensions: [4, 0, 3, 1, 2, 3])],
    [Array(binary(family: 0x21, six)[..<40]), Array(binary(family: 0x21, six)[40...])]
].enumerated().map { number, segments in
    let c = Conversation(client: Address("10.0.0.9")!, clientPort: UInt16(42_000 + number))
    var frames = c.handshake, at = 0
    for bytes in segments + [Hello(serverName: nil, number: 5000 + number).stream()] {
        frames.append(c.data(bytes, at: at))
        at += bytes.count
    }
    return frames
}

/// Who is named by a PROXY header, by whom, and what a limit on him refuses.
@Suite(.enabled(if: geteuid() == 0, "loading BPF needs root")) struct ProxyTests {
    private static let balancer = Address("10.0.0.9")!, balancer6 = Address("fd00::9")!
    private let policy: KernelPolicy = {
        var policy = everything
        policy.trust.proxies = [Prefix("10.0.0.0/24")!, Prefix("fd00::/64")!]
        return KernelPolicy(policy)
    }()

    private let pair: HookPair

    init() throws {
        pair = try HookPair(policy)
        for prefix in policy.proxies { #expect(pair.allow(prefix)) }
    }

    /// A minute later, so that nothing of the connection before it counts.
    private func story(from client: Address, _ port: UInt16 = 40_000) -> Story {
        pair.now += 61_000_000_000
        var story = Story(pair)
        story.c = Conversation(
            client: client, server: Address(client == Self.balancer6 ? "2001:db8::2" : "198.51.100.2")!, clientPort: port)
        story.c.serverISN = UInt32(truncatingIfNeeded: pair.now)
        return story
    }

    /// The records of one connection that says these segments and then a nameless hello, which the server answers.
    private func told(
        _ segments: [[UInt8]], from client: Address = balancer, order: [Int]? = nil, hello: [UInt8]? = nil, together: Bool = false
    ) throws -> [Handshake] {
        let before = pair.told.count, story = story(from: client)
        try story.open()
        var parts: [(at: Int, bytes: [UInt8])] = [], at = 0
        for bytes in segments + [hello ?? Hello(serverName: nil).stream()] {
            parts.append((at, bytes))
            at += bytes.count
        }
        if together { parts = [(0, parts.flatMap(\.bytes))] }
        for index in order ?? Array(parts.indices) { try story.client(parts[index].bytes, at: parts[index].at) }
        try story.server(serverHello, acknowledging: at)
        let (native, kernel) = pair.counters
        #expect([Counter.named, .unnamed].map { native[$0] } == [Counter.named, .unnamed].map { kernel[$0] })
        return Array(pair.told[before...])
    }

    private func expect(_ told: [Handshake], name source: String, port: UInt16 = 0x1001, proxy: Address = balancer) {
        #expect(told.map(\.source) == [Address(source)!] && told.map(\.sourcePort) == [port] && told.map(\.proxy) == [proxy])
        #expect(told.allSatisfy { $0.anomalies.contains(.missingSNI) && $0.outcome == .admitted })
    }

    private func expectNobody(_ told: [Handshake], from client: Address = balancer) {
        let first = told.first { $0.kind == .hello }
        #expect(first?.source == client && first?.proxy == nil && first?.sourcePort == 40_000)
    }

    @Test(
        "A trusted proxy's header names the source, in either form and family, whatever the connection's own is",
        arguments: [balancer, balancer6])
    func names(from proxy: Address) throws {
        for (header, source) in [
            (line("PROXY TCP4 192.0.2.1 198.51.100.2 4097 443"), "192.0.2.1"),
            (line("PROXY TCP4 255.255.255.254 255.255.255.255 4097 65535"), "255.255.255.254"),
            (line("PROXY TCP6 2001:db8:7::9 2001:db8::2 4097 443"), "2001:db8:7::9"),
            (
                line("PROXY TCP6 ffff:f00f:ffff:abcd:ffff:ABCD:ffff:fff9 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 4097 443"),
                "ffff:f00f:ffff:abcd:ffff:abcd:ffff:fff9"
            ),
            (line("PROXY TCP6 1:: :: 4097 443"), "1::"), (line("PROXY TCP6 ::1 ::1 4097 443"), "::1"),
            (line("PROXY TCP6 1:2:3:4:5:6:7:: ::1 4097 443"), "1:2:3:4:5:6:7:0"),
            (line("PROXY TCP6 ::ffff:192.0.2.7 ::1 4097 443"), "192.0.2.7"),
            (line("PROXY TCP6 64:ff9b::192.0.2.7 ::1 4097 443"), "64:ff9b::c000:207"),
            (binary(family: 0x11, four(1)), "192.0.2.1"), (binary(family: 0x21, six), "2001:db8:7::9"),
            (binary(family: 0x11, four(1), extensions: [4, 0, 3, 1, 2, 3]), "192.0.2.1"),
            (binary(family: 0x21, six, extensions: [4, 1, 0] + [UInt8](repeating: 7, count: 256)), "2001:db8:7::9")
        ] {
            expect(try told([header], from: proxy), name: source, proxy: proxy)
            expect(try told([header], from: proxy, together: true), name: source, proxy: proxy)
        }
    }

    @Test("It may come in pieces of any size, in order and in disorder", arguments: [1, 2, 5, 11, 15, 16, 17, 27, 28, 40, 51, 52, 53, 60])
    func pieces(size: Int) throws {
        for (header, source) in [
            (line("PROXY TCP4 192.0.2.1 198.51.100.2 4097 443"), "192.0.2.1"),
            (line("PROXY TCP6 2001:db8:7::9 2001:db8::2 4097 443"), "2001:db8:7::9"), (binary(family: 0x11, four(1)), "192.0.2.1"),
            (binary(family: 0x21, six, extensions: [4, 0, 20] + [UInt8](repeating: 7, count: 20)), "2001:db8:7::9")
        ] {
            let parts = stride(from: 0, to: header.count, by: size).map { Array(header[$0..<min($0 + size, header.count)]) }
            expect(try told(parts), name: source)
            // As many holes as are tracked.
            if parts.count <= 6 { expect(try told(parts, order: Array((0...parts.count).reversed())), name: source) }
            // The header's last piece and the hello in one segment.
            var last = parts
            let end = last.removeLast()
            expect(try told(last, hello: end + Hello(serverName: nil).stream()), name: source)
        }
    }

    @Test("LOCAL, UNKNOWN, other families, and what does not follow the form name nobody: the proxy is the source, and is not limited")
    func nobody() throws {
        for header in Self.nameless {
            let told = try told([header])
            expectNobody(told)
            #expect(told.allSatisfy { $0.outcome == .allowed })
            expectNobody(try self.told([header], together: true))
        }
    }

    private static let nameless: [[UInt8]] = [
        line("PROXY UNKNOWN"), line("PROXY UNKNOWN 192.0.2.1 198.51.100.2 4097 443"),
        line("PROXY TCP5 192.0.2.1 198.51.100.2 4097 443"),
        line("PROXY TCP4 192.0.2.256 198.51.100.2 4097 443"), line("PROXY TCP4 192.0.2 198.51.100.2 4097 443"),
        line("PROXY TCP4 192.0.2.1.5 198.51.100.2 4097 443"), line("PROXY TCP4 192.0..1 198.51.100.2 4097 443"),
        line("PROXY TCP4 2001:db8::1 2001:db8::2 4097 443"), line("PROXY TCP4 a.0.2.1 198.51.100.2 4097 443"),
        line("PROXY TCP6 192.0.2.1 198.51.100.2 4097 443"), line("PROXY TCP6 1:2:3:4:5:6:7 ::1 4097 443"),
        line("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 4097 443"), line("PROXY TCP6 1::2::3 ::1 4097 443"),
        line("PROXY TCP6 1:2: ::1 4097 443"),
        line("PROXY TCP6 :1::2 ::1 4097 443"), line("PROXY TCP6 12345::1 ::1 4097 443"), line("PROXY TCP6 1::g ::1 4097 443"),
        line("PROXY TCP6 :: ::1 4097 443"), line("PROXY TCP6 : ::1 4097 443"), line("PROXY TCP6 1:::2 ::1 4097 443"),
        line("PROXY TCP6 1::192.0.2 ::1 4097 443"), line("PROXY TCP6 1.2.3.4:: ::1 4097 443"),
        line("PROXY TCP4 192.0.2.1 198.51.100.2 65536 443"), line("PROXY TCP4 192.0.2.1 198.51.100.2  443"),
        line("PROXY TCP4 192.0.2.1"), binary(command: 0x20, family: 0x11, four(1)), binary(command: 0x22, family: 0x11, four(1)),
        binary(family: 0x00, []), binary(family: 0x31, [UInt8](repeating: 65, count: 216)), binary(family: 0x12, four(1)),
        binary(family: 0x21, four(1)), binary(family: 0x11, [192, 0, 2, 1])
    ]

    @Test("From any other peer a header names nobody: the peer is the source, as it always was")
    func stranger() throws {
        for header in [line("PROXY TCP4 192.0.2.1 198.51.100.2 4097 443"), binary(family: 0x21, six)] {
            let told = try told([header], from: Address("10.0.1.9")!)
            expectNobody(told, from: Address("10.0.1.9")!)
            #expect(told.allSatisfy { $0.outcome == .admitted && $0.anomalies.contains(.missingSNI) })
        }
    }

    @Test("The first header names; one that the client says itself, behind the proxy's, does not")
    func second() throws {
        let forged = line("PROXY TCP4 192.0.2.2 198.51.100.2 4097 443")
        for header in [line("PROXY TCP4 192.0.2.1 198.51.100.2 4097 443"), binary(family: 0x11, four(1))] {
            for told in [
                try told([header, forged]), try told([header + forged]), try told([Array(header[..<9]), Array(header[9...]), forged])
            ] {
                #expect(!told.isEmpty && told.allSatisfy { $0.source == Address("192.0.2.1") && $0.proxy == Self.balancer })
            }
        }
    }

    @Test(
        "A limit on the named source refuses what it opened through the proxy, and nobody else's connections through it", arguments: [1, 2])
    func limits(version: Int) throws {
        func header(_ last: UInt8) -> [UInt8] {
            version == 1 ? line("PROXY TCP4 192.0.2.\(last) 198.51.100.2 4097 443") : binary(family: 0x11, four(last))
        }
        var port: UInt16 = 40_000
        func visit(_ last: UInt8, _ hello: [UInt8], isWhole: Bool = true) throws -> Bool {
            port += 1
            var story = Story(pair)
            story.c = Conversation(client: Self.balancer, clientPort: port)
            try story.open()
            try story.client(header(last), at: 0)
            // A record that is not whole is nobody's to judge: then the answer is counted.
            try story.client(isWhole ? hello : Array(hello.dropLast()), at: header(last).count)
            return try story.server(serverHello, acknowledging: header(last).count + hello.count)
        }
        for number in 0..<8 {
            #expect(try visit(66, Hello(serverName: nil, number: number).stream()) == (number < 3), "\(number)")
            #expect(try visit(UInt8(100 + number), Hello(number: 100 + number).stream()), "another client of the same proxy")
        }
        // At the answer alone.
        for number in 0..<8 {
            #expect(try visit(67, Hello(number: 200 + number).stream(), isWhole: false) == (number < 3), "\(number)")
        }
        // Who is counted and refused is who was named.
        let refused = pair.told.filter(\.outcome.isRefused)
        #expect(
            Set(refused.map(\.source)) == [Address("192.0.2.66")!, Address("192.0.2.67")!]
                && refused.allSatisfy { $0.proxy == Self.balancer })
        #expect(pair.told.allSatisfy { $0.source != Self.balancer })
        #expect(try visit(68, Hello(serverName: nil, number: 300).stream()), "another one's first nameless hello")
    }

    @Test("A connection that the proxy opens anew on the same ports is the one's whom it names then")
    func anew() throws {
        let story = story(from: Self.balancer)
        for last in [UInt8(1), 2] {
            try story.open()
            let header = binary(family: 0x11, four(last)), hello = Hello(serverName: nil, number: Int(last)).stream()
            try story.client(header + hello, at: 0)
            try story.server(serverHello, acknowledging: header.count + hello.count)
            // The same numbers once more: what a SYN cookie gives within its minute.
        }
        #expect(pair.told.map(\.source) == [Address("192.0.2.1")!, Address("192.0.2.2")!])
    }

    @Test("What begins as a header and is none is what it is: no TLS", arguments: [1, 3, 6, 17])
    func alike(size: Int) throws {
        for text in [
            "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "PROXYING is fun, and no header at all\r\n", "\r\nhello there, whoever you are\r\n"
        ] {
            let bytes = Array(text.utf8), before = pair.told.count, story = story(from: Address("203.0.113.9")!)
            try story.open()
            for at in stride(from: 0, to: bytes.count, by: size) {
                try story.client(Array(bytes[at..<min(at + size, bytes.count)]), at: at)
            }
            #expect(pair.told[before...].map { $0.anomalies.contains(.notTLS) && !$0.anomalies.contains(.badRecord) } == [true], "\(text)")
        }
    }

    @Test("A hello that never is whole is told of with its named source")
    func incomplete() throws {
        let pair = try EnginePair(policy, enforcing: true), c = Conversation(client: Self.balancer)
        let header = line("PROXY TCP4 192.0.2.1 198.51.100.2 4097 443"), hello = Hello(serverName: nil).stream()
        for frame in c.handshake + [c.data(header, at: 0), c.data(Array(hello[..<60]), at: header.count)] {
            let (ours, theirs) = try pair.run(frame)
            #expect(ours == theirs)
        }
        let (native, kernel) = pair.giveUp()
        #expect(native == kernel && native.compactMap { Handshake($0.span.bytes)?.source } == [Address("192.0.2.1")!])
    }
}
