import Detection
import Testing
import Vocabulary

private let full = HelloBytes(extensions: [
    (0x3a3a, []), HelloBytes.serverName("shop.example"), HelloBytes.groups([0x4a4a, 0x11ec, 29, 23]), HelloBytes.points([0]),
    HelloBytes.protocols(["h2", "http/1.1"]), HelloBytes.algorithms([0x0403, 0x0804]), HelloBytes.versions([0x5a5a, 0x0304, 0x0303]),
    (0xff01, [0])
])

@Suite struct ClientHelloTests {
    @Test("Every field is read, in its order")
    func fields() throws {
        let hello = try #require(ClientHello(full.message))
        #expect(hello.legacyVersion == 0x0303 && hello.cipherSuites == [0x1301, 0xc02b] && hello.compressionMethods == [0])
        #expect(hello.extensions == [0x3a3a, 0, 10, 11, 16, 13, 43, 0xff01])
        #expect(hello.groups == [0x4a4a, 0x11ec, 29, 23] && hello.pointFormats == [0] && hello.signatureAlgorithms == [0x0403, 0x0804])
        #expect(
            hello.serverName == "shop.example" && hello.alpnNames == ["h2", "http/1.1"]
                && hello.supportedVersions == [0x5a5a, 0x0304, 0x0303])
        #expect(!hello.isPartial && !hello.isMalformed)
    }

    @Test("A cut hello is partial or nothing, and what was read of it was sent", arguments: 0..<full.message.count)
    func cut(length: Int) throws {
        guard let hello = ClientHello(Array(full.message[..<length])) else { return }
        let whole = try #require(ClientHello(full.message))
        #expect(hello.isPartial && !hello.isMalformed)
        #expect(whole.extensions.starts(with: hello.extensions) && hello.cipherSuites == whole.cipherSuites)
        #expect(hello.serverName == nil || hello.serverName == whole.serverName || hello.serverName == "")
        #expect(hello.alpn.isEmpty || hello.alpn == whole.alpn)
    }

    @Test("Bytes after the message are somebody else's")
    func following() {
        #expect(ClientHello(full.message + [1, 2, 3]) == ClientHello(full.message))
    }

    @Test(
        "Without an extension block, and with an empty one, there are no extensions",
        arguments: [nil, []] as [[(type: UInt16, content: [UInt8])]?])
    func bare(extensions: [(type: UInt16, content: [UInt8])]?) throws {
        let hello = try #require(ClientHello(HelloBytes(version: 0x0301, session: [], extensions: extensions).message))
        #expect(
            hello.extensions.isEmpty && hello.serverName == nil && hello.highestVersion == 0x0301 && !hello.isMalformed && !hello.isPartial)
    }

    @Test(
        "The highest version is that of the extension, GREASE aside, else the hello's own",
        arguments: [
            ([0x5a5a, 0x0303, 0x0304], 0x0304), ([0x0302, 0x0301], 0x0302), ([0xfafa], 0x0303), ([], 0x0303)
        ] as [([UInt16], UInt16)])
    func version(offered: [UInt16], highest: UInt16) throws {
        let hello = try #require(ClientHello(HelloBytes(extensions: [HelloBytes.versions(offered)]).message))
        #expect(hello.highestVersion == highest)
    }

    @Test("GREASE is sixteen values and no others")
    func grease() {
        let values = (UInt16.min...UInt16.max).filter(ClientHello.isGREASE)
        #expect(
            values == [
                0x0a0a, 0x1a1a, 0x2a2a, 0x3a3a, 0x4a4a, 0x5a5a, 0x6a6a, 0x7a7a, 0x8a8a, 0x9a9a, 0xaaaa, 0xbaba, 0xcaca, 0xdada, 0xeaea,
                0xfafa
            ])
    }

    @Test("A name list of no names is an empty name, not a missing one", arguments: [[], [0, 0], [0, 3, 0, 0, 0]] as [[UInt8]])
    func empty(content: [UInt8]) throws {
        let hello = try #require(ClientHello(HelloBytes(extensions: [(0, content)]).message))
        #expect(hello.serverNameBytes == [] && hello.serverName == "" && !hello.isMalformed)
    }

    @Test("Of names only the host name counts")
    func kinds() throws {
        #expect(try #require(ClientHello(HelloBytes(extensions: [HelloBytes.serverName([1, 2], kind: 7)]).message)).serverNameBytes == [])
        let noText = try #require(ClientHello(HelloBytes(extensions: [HelloBytes.serverName([0x61, 0xff, 0x00])]).message))
        #expect(noText.serverName == "a\u{fffd}\0" && noText.serverNameBytes == [0x61, 0xff, 0])
    }

    @Test(
        "Lengths that disagree are flagged",
        arguments: [
            (0, [0, 9, 0, 0, 1, 0x61]), (0, [0, 4, 0, 0, 1, 0x61, 0x62]), (10, [0, 3, 0, 29, 0]), (10, [0, 2, 0, 29, 9]), (11, [2, 0]),
            (11, []), (16, [0, 3, 5, 0x68, 0x32]),
            (16, [0, 9]), (13, [0]), (43, [3, 3, 4, 3]), (43, [4, 3, 4])
        ] as [(UInt16, [UInt8])])
    func malformed(type: UInt16, content: [UInt8]) throws {
        let hello = try #require(ClientHello(HelloBytes(extensions: [(type, content)]).message))
        #expect(hello.isMalformed && !hello.isPartial && hello.extensions == [type])
    }

    @Test(
        "A name that is an address is an anomaly",
        arguments: [
            ("203.0.113.7", true), ("2001:db8::1", true), ("[2001:db8::1]", true), ("203.0.113.7.", true), ("fe80::1%eth0", true),
            ("::ffff:192.0.2.1", true),
            ("shop.example", false), ("", false), ("203.0.113", false), ("203.0.113.7.example", false), ("1234", false),
            ("256.0.0.1", false), ("a:b", false), ("[", false), ("[]", false)
        ])
    func literal(name: String, is literal: Bool) throws {
        let message = HelloBytes(extensions: [HelloBytes.serverName(name)]).message
        let other = name.contains(":") ? AnomalySet(.invalidSNI) : []
        #expect(glance(message, Policy(), nameIsAsked: true) == (literal ? AnomalySet(.ipLiteralSNI) : other))
        #expect(glance(message, Policy()) == [])
    }

    @Test(
        "A pattern stands for its own name, or behind *. for every name that ends so; case does not matter",
        arguments: [
            ("shop.example", "shop.example", true), ("shop.example", "SHOP.Example", true), ("shop.example", "xshop.example", false),
            ("shop.example", "shop.exampl", false),
            ("*.example", "a.example", true), ("*.example", "a.b.EXAMPLE", true), ("*.example", ".example", false),
            ("*.example", "example", false),
            ("*.example", "aexample", false), ("*.", "a.", false), ("*", "a", false)
        ])
    func patterns(pattern: String, name: String, covers: Bool) {
        #expect(Policy.covers(pattern, name) == covers)
        guard pattern.count > 2 else { return }
        var policy = Policy()
        policy.lists.servedNames = [pattern]
        #expect(glance(HelloBytes(extensions: [HelloBytes.serverName(name)]).message, policy) == (covers ? [] : AnomalySet(.unknownSNI)))
    }

    @Test("Damaged in any byte, it is read without a trap, and a glance finds the same name and protocols")
    func damage() {
        let good = full.message
        var policy = Policy()
        for index in good.indices {
            for value in [0, 1, 0x7f, 0xff, good[index] &+ 1, good[index] &- 1] as [UInt8] {
                var bytes = good
                bytes[index] = value
                let hello = ClientHello(bytes)
                _ = hello?.ja4Parts
                guard let hello, !hello.isMalformed, let name = hello.serverNameBytes, !name.isEmpty, name.allSatisfy({ $0 < 128 }),
                    let text = hello.serverName
                else { continue }
                policy.lists.servedNames = [text]
                policy.lists.protocols = hello.alpnNames
                #expect(glance(bytes, policy) == [], "byte \(index)")
                policy.lists.servedNames = ["x" + text]
                #expect(glance(bytes, policy) == AnomalySet(.unknownSNI), "byte \(index)")
            }
        }
    }

    @Test("Noise is read without a trap", arguments: 1...20)
    func noise(seed: UInt64) {
        var state = seed
        for length in 0..<400 {
            let bytes =
                [1, 0, 0, UInt8(truncatingIfNeeded: length)]
                + (0..<length).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1
                    return UInt8(truncatingIfNeeded: state >> 58)
                }
            if let hello = ClientHello(bytes) { _ = (hello.ja3Text, hello.ja4Parts) }
            _ = glance(bytes, Policy(), nameIsAsked: true)
        }
    }
}

private func glance(_ message: [UInt8], _ policy: Policy, nameIsAsked: Bool = false) -> AnomalySet? {
    HelloGlance(message.span.bytes)?.anomalies(of: message.span.bytes, over: .tcp, under: NameLists(policy), nameIsAsked: nameIsAsked)
}
