import Detection
import Fingerprints
import Testing

/// The worked example of docs/detections.md.
private var example: ClientHello {
    var hello = ClientHello()
    hello.legacyVersion = 0x0303
    hello.cipherSuites = [
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035
    ]
    hello.extensions = [
        0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015
    ]
    hello.signatureAlgorithms = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
    hello.supportedVersions = [0x0304, 0x0303]
    hello.alpn = [Array("h2".utf8), Array("http/1.1".utf8)]
    return hello
}

private func ja4(_ change: (inout ClientHello) -> Void) throws -> String {
    var hello = example
    change(&hello)
    return try #require(Fingerprint(hello)).ja4
}

@Suite struct FingerprintTests {
    @Test("The worked example has its published JA4")
    func worked() throws {
        #expect(try ja4 { _ in } == "t13d1516h2_8daaf6152771_e5627efa2ab1")
        #expect(
            try #require(Fingerprint(example)).ja4Raw
                == "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_"
                + "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601")
    }

    @Test("GREASE changes nothing, wherever it is")
    func grease() throws {
        let greased = try ja4 { hello in
            hello.cipherSuites.insert(0x1a1a, at: 0)
            hello.extensions.insert(0x2a2a, at: 0)
            hello.extensions.append(0xfafa)
            hello.signatureAlgorithms.insert(0x3a3a, at: 3)
            hello.supportedVersions.insert(0x4a4a, at: 0)
        }
        #expect(greased == "t13d1516h2_8daaf6152771_e5627efa2ab1")
    }

    @Test("Order matters for signature algorithms only")
    func order() throws {
        #expect(
            try ja4 {
                $0.cipherSuites.reverse(); $0.extensions.reverse()
            } == "t13d1516h2_8daaf6152771_e5627efa2ab1")
        #expect(try !ja4 { $0.signatureAlgorithms.reverse() }.hasSuffix("_e5627efa2ab1"))
    }

    @Test(
        "The first ALPN value gives two characters, of its hexadecimal when it is not alphanumeric",
        arguments: [
            ("h2", "h2"), ("http/1.1", "h1"), ("h", "hh"), ("", "00"), ("\u{1}", "01"), ("\u{1}z", "0a"), ("a-", "6d"), ("-b", "22"),
            ("Z9", "Z9")
        ])
    func alpn(name: String, characters: String) throws {
        #expect(try ja4 { $0.alpn = [Array(name.utf8)] }.prefix(10) == "t13d1516\(characters)")
    }

    @Test(
        "A protocol name of foreign bytes gives their hexadecimal",
        arguments: [([0xab], "ab"), ([0xab, 0xcd], "ad"), ([0x30, 0xab], "3b"), ([0x30, 0x31, 0xab, 0xcd], "3d")] as [([UInt8], String)])
    func foreign(name: [UInt8], characters: String) throws {
        #expect(try ja4 { $0.alpn = [name] }.prefix(10) == "t13d1516\(characters)")
    }

    @Test("Without a list its place holds zeros")
    func empty() throws {
        #expect(try ja4 { $0.alpn = [] } == "t13d151600_8daaf6152771_e5627efa2ab1")
        #expect(try ja4 { $0.cipherSuites = [] } == "t13d0016h2_000000000000_e5627efa2ab1")
        #expect(
            try ja4 {
                $0.extensions = []; $0.signatureAlgorithms = []; $0.supportedVersions = []; $0.alpn = []
            } == "t12i150000_8daaf6152771_000000000000")
        #expect(
            try ja4 {
                $0.extensions = [0, 16]; $0.signatureAlgorithms = []
            } == "t13d1502h2_8daaf6152771_000000000000")
        #expect(
            try ja4 {
                $0.cipherSuites = [0x0a0a]; $0.extensions = [0x1a1a, 0]
            } == "t13d0001h2_000000000000_000000000000")
    }

    @Test("Without signature algorithms there is no underscore")
    func noAlgorithms() throws {
        var hello = example
        hello.signatureAlgorithms = []
        #expect(try #require(Fingerprint(hello)).ja4Raw.hasSuffix(",4469,ff01"))
    }

    @Test("Counts end at 99, and have two digits")
    func counts() throws {
        #expect(
            try ja4 {
                $0.cipherSuites = (0..<100).map { $0 }; $0.extensions = (0..<200).map { $0 }
            }.hasPrefix("t13d9999h2_"))
        #expect(
            try ja4 {
                $0.cipherSuites = (0..<99).map { $0 }; $0.extensions = (0..<9).map { $0 }
            }.hasPrefix("t13d9909h2_"))
    }

    @Test(
        "The version is that of the catalogue's table",
        arguments: [
            (0x0304, "13"), (0x0303, "12"), (0x0302, "11"), (0x0301, "10"), (0x0300, "s3"), (0x0002, "s2"), (0x0305, "00"), (0, "00")
        ] as [(UInt16, String)])
    func version(version: UInt16, text: String) throws {
        #expect(
            try ja4 {
                $0.supportedVersions = []; $0.legacyVersion = version
            }.prefix(3) == "t\(text)")
    }

    @Test("JA3 is the published text and its MD5")
    func ja3() throws {
        var hello = ClientHello()
        hello.legacyVersion = 769
        hello.cipherSuites = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4]
        hello.extensions = [0, 10, 11]
        hello.groups = [23, 24, 25]
        hello.pointFormats = [0]
        #expect(hello.ja3Text == "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0")
        #expect(try #require(Fingerprint(hello)).ja3 == "ada70206e40642a3e4461f35503241d5")
        hello.cipherSuites = [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99]
        (hello.extensions, hello.groups, hello.pointFormats) = ([], [], [])
        #expect(hello.ja3Text == "769,4-5-10-9-100-98-3-6-19-18-99,,,")
        #expect(try #require(Fingerprint(hello)).ja3 == "de350869b8c85de67a350c8d186f11e6")
    }

    @Test("JA3 leaves GREASE out of every list of two-byte values")
    func ja3Grease() {
        var hello = example
        (hello.groups, hello.pointFormats) = ([29, 23], [0])
        let text = hello.ja3Text
        hello.cipherSuites.append(0x0a0a)
        hello.extensions.append(0x0a0a)
        hello.groups.insert(0x0a0a, at: 0)
        #expect(hello.ja3Text == text)
    }

    @Test("A part of a hello has no fingerprint")
    func partial() {
        var hello = example
        hello.isPartial = true
        #expect(Fingerprint(hello) == nil)
    }
}
