import Detection
import Glibc
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

/// One packet's worth of each detection that the probe judges: what has to be said, and of a near miss that it is not said.
struct Example: Sendable, CustomTestStringConvertible {
    let name: String
    let frames: [[UInt8]], expected: AnomalySet
    /// Things that come along with it.
    let others: AnomalySet
    var testDescription: String { name }

    init(_ name: String, _ frames: [[UInt8]], _ expected: AnomalySet, with others: AnomalySet = []) {
        (self.name, self.frames) = (name, frames)
        self.expected = expected
        self.others = others
    }

    init(_ name: String, _ frames: [[UInt8]], _ anomaly: Anomaly, with others: AnomalySet = []) {
        self.init(name, frames, AnomalySet(anomaly), with: others)
    }
}

private let c = Conversation()

private func say(_ hello: Hello, after: [[UInt8]] = []) -> [[UInt8]] { c.handshake + [c.data(hello.stream(), at: 0)] + after }

private func say(_ bytes: [UInt8]) -> [[UInt8]] { c.handshake + [c.data(bytes, at: 0)] }

private func named(_ name: String) -> [[UInt8]] { say(Hello(serverName: name)) }

/// An extension 0 whose body is these bytes.
private func extensionZero(_ body: [UInt8]) -> [[UInt8]] {
    var hello = Hello(serverName: nil, alpn: [])
    hello.extensions!.insert((0, body), at: 0)
    return say(hello)
}

private func suites(_ suites: [UInt16], versions: [UInt16] = [0x0304, 0x0303]) -> [[UInt8]] {
    var hello = Hello(versions: versions)
    hello.ciphers = suites
    return say(hello)
}

private func changed(_ change: (inout Hello) -> Void) -> [[UInt8]] {
    var hello = Hello()
    change(&hello)
    return say(hello)
}

private func alpn(body: [UInt8]) -> [[UInt8]] {
    changed { hello in hello.extensions = hello.extensions!.map { $0.type == 16 ? (16, body) : $0 } }
}

/// What a client sends after its hello of TLS 1.2, at the offset that this leaves.
private func after(_ records: [[UInt8]], versions: [UInt16] = [], hello number: Int = 0) -> [[UInt8]] {
    let hello = Hello(versions: versions, number: number).stream()
    var frames = c.handshake + [c.data(hello, at: 0)], at = hello.count
    for record in records {
        // The server has spoken: its first thousand bytes are acknowledged.
        frames.append(
            c.frame(
                fromClient: true, sequence: c.clientISN &+ 1 &+ UInt32(at), acknowledged: c.serverISN &+ 1001, flags: 0x18, payload: record)
        )
        at += record.count
    }
    return frames
}

private func record(_ type: UInt8, _ body: [UInt8]) -> [UInt8] { [type, 3, 3] + Hello.vector16(body) }
private let exchange = record(22, [16, 0, 0, 4, 1, 2, 3, 4]), change = record(20, [1]),
    finished = record(22, [UInt8](repeating: 0x5c, count: 40)), data = record(23, [UInt8](repeating: 0x77, count: 300))

extension Example {
    static let all: [Example] = names + versions + structure + flows

    static let names: [Example] = [
        Example("no name", say(Hello(serverName: nil, alpn: [])), .missingSNI),
        Example("a name", named("www.shop.example"), []),
        Example(
            "an encrypted name of the old draft",
            {
                var hello = Hello(serverName: nil, alpn: []); hello.extensions!.append((0xffce, [0, 1])); return say(hello)
            }(), .missingSNI),
        Example("an empty extension", extensionZero([]), .emptySNI),
        Example("an empty list", extensionZero([0, 0]), .emptySNI),
        Example("an empty name", extensionZero([0, 3, 0, 0, 0]), .emptySNI),
        Example("one byte", extensionZero([0]), .invalidSNI),
        Example("a list that is longer than it says", extensionZero([0, 4, 0, 0, 1, 97, 98]), .invalidSNI),
        Example("a name that is longer than its list", extensionZero([0, 4, 0, 0, 9, 97]), .invalidSNI),
        Example("another type of name", extensionZero([0, 4, 1, 0, 1, 97]), .invalidSNI),
        Example("two names", extensionZero([0, 8, 0, 0, 1, 97, 0, 0, 1, 98]), .invalidSNI),
        Example("a NUL", named("shop\0.example"), .invalidSNI),
        Example("a space", named("shop example"), .invalidSNI),
        Example("a slash", named("shop/example"), .invalidSNI),
        Example("eight letters of another script", named("bücher.example"), .invalidSNI),
        Example("each end of each range", named("azAZ09-_.azAZ09"), []),
        Example("a bracket", named("shop[example"), .invalidSNI),
        Example("a grave accent", named("shop`example"), .invalidSNI),
        Example("an at sign at the ninth place", named("shopshop@example"), .invalidSNI),
        Example("a final dot", named("shop.example."), .invalidSNI),
        Example("a label of 63", named(String(repeating: "a", count: 63) + ".example"), []),
        Example("a label of 64", named(String(repeating: "a", count: 64) + ".example"), .invalidSNI),
        Example("253 bytes", named(Array(repeating: String(repeating: "b", count: 62), count: 4).joined(separator: ".") + ".b"), []),
        Example(
            "254 bytes", named(Array(repeating: String(repeating: "b", count: 62), count: 4).joined(separator: ".") + ".bb"), .invalidSNI),
        Example(
            "HTTP and no name", say(Hello(serverName: nil, alpn: ["acme", "http/1.1"])), .alpnWithoutSNI, with: AnomalySet(.missingSNI)),
        Example("something else and no name", say(Hello(serverName: nil, alpn: ["h3", "http"])), .missingSNI),
        Example("an empty protocol", alpn(body: [0, 4, 2, 104, 50, 0]), .alpnMalformed),
        Example("no protocol", alpn(body: [0, 0]), .alpnMalformed),
        Example("protocols longer than their list", alpn(body: [0, 3, 3, 104, 50]), .alpnMalformed),
        Example("a list of protocols that says too little", alpn(body: [0, 2, 2, 104, 50]), .alpnMalformed)
    ]

    static let versions: [Example] = [
        Example(
            "SSLv2", say([0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10] + [UInt8](repeating: 1, count: 37)),
            AnomalySet([.sslv2Hello, .missingSNI])),
        Example(
            "SSLv2's form, TLS 1.0's version", say([0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10] + [UInt8](repeating: 1, count: 37)),
            AnomalySet([.sslv2Hello, .missingSNI])),
        Example("bit 7 and no such version", say([0x80, 0x2e, 1, 9, 9] + [UInt8](repeating: 1, count: 43)), .notTLS),
        Example(
            "TLS 1.1",
            changed { hello in
                hello = Hello(versions: []); hello.legacyVersion = 0x0302
            }, .obsoleteVersion),
        Example("1.1 in supported_versions, GREASE before it", say(Hello(versions: [0x5a5a, 0x0302])), .obsoleteVersion),
        Example(
            "SSL 3.0",
            changed { hello in
                hello = Hello(versions: []); hello.legacyVersion = 0x0300
            }, AnomalySet([.obsoleteSSL, .obsoleteVersion])),
        Example("weak suites, GREASE and a signal", suites([0x2a2a, 0x0004, 0x000a, 0x00ff, 0x0018, 0xc011]), .weakCiphersOnly),
        Example("one that is not weak", suites([0x0004, 0x000a, 0xc02f]), []),
        Example("no suites", suites([]), .absurdCiphers),
        Example("99 suites", suites((0..<99).map { 0xc000 + $0 }), []),
        Example("100 suites", suites((0..<100).map { 0xc000 + $0 }), .absurdCiphers),
        Example("four that came before", suites([1, 2, 3, 4, 0x2f].map { 0xc020 + $0 } + [0xc021, 0xc022, 0xc023, 0xc024]), []),
        Example(
            "five that came before", suites([1, 2, 3, 4, 5].map { 0xc020 + $0 } + [0xc021, 0xc022, 0xc023, 0xc024, 0xc025]), .absurdCiphers),
        Example(
            "a list of odd length",
            changedBytes { bytes in
                bytes[9 + 34 + 33 + 1] -= 1; bytes.remove(at: 9 + 34 + 33 + 2); shrink(&bytes)
            }, .absurdCiphers),
        Example("DHE and nothing else", suites([0x0033, 0x0067, 0x009e, 0xccaa, 0x00ff], versions: []), .dheForcing),
        Example("DHE and nothing else, but TLS 1.3", suites([0x0033, 0x0067]), []),
        Example("compression", changed { $0.compression = [1, 0] }, .compressionOffered),
        Example("a compression that is not null", changed { $0.compression = [1] }, .compressionOffered),
        Example("a second try", suites([0xc02f, 0x5600]), .fallbackSCSV)
    ]

    static let structure: [Example] = [
        Example("HTTP", say(Array("GET / HTTP/1.1\r\n\r\n".utf8)), .notTLS),
        Example("a record of an impossible length", say([22, 3, 1, 0xff, 0xff, 1, 0, 0, 60]), .badRecord),
        Example("a record of another protocol's version", say([22, 2, 1, 0, 60, 1, 0, 0, 56]), .badRecord),
        Example(
            "a second record that is none",
            say(
                {
                    var bytes = Hello(padding: 600).stream(recordSize: 300); bytes[305] = 99; return bytes
                }()), .badRecord),
        Example("a session id of 33", changed { $0.sessionID = [UInt8](repeating: 1, count: 33) }, .malformedHello),
        Example(
            "bytes left over",
            say(
                {
                    var bytes = Hello().stream() + [0, 0]; grow(&bytes, 2); return bytes
                }()), .malformedHello),
        Example(
            "a server's hello",
            say(
                {
                    var bytes = Hello().stream(); bytes[5] = 2; return bytes
                }()), .malformedHello),
        Example("8,193 bytes", c.handshake + c.segments(of: Hello(padding: 8300).stream(), size: 1400), .oversizedHello),
        Example(
            "half a hello, then the end",
            c.handshake + [c.data(Array(Hello().stream().prefix(90)), at: 0), c.data([], at: 90, flags: 0x11)], .truncatedHello),
        Example(
            "a first segment of 63 bytes",
            c.handshake + [c.data(Array(Hello().stream().prefix(63)), at: 0), c.data(Array(Hello().stream().dropFirst(63)), at: 63)],
            .tinyFragments),
        Example(
            "a first segment of 64 bytes",
            c.handshake + [c.data(Array(Hello().stream().prefix(64)), at: 0), c.data(Array(Hello().stream().dropFirst(64)), at: 64)], []),
        Example("five segments of a small hello", c.handshake + c.segments(of: Hello(padding: 200).stream(), size: 75), .tinyFragments),
        Example("three records", say(Hello(padding: 400).stream(recordSize: 200)), .recordFragmentation),
        Example("two records, the first of 127 bytes", say(Hello(padding: 40).stream(recordSize: 127)), .recordFragmentation),
        Example("two records, the first of 128 bytes", say(Hello(padding: 40).stream(recordSize: 128)), []),
        Example("other bytes at the same place", overlapping { $0[100] ^= 1 }, .overlapConflict),
        Example("the same bytes at the same place", overlapping { _ in }, []),
        Example(
            "other bytes beyond a hole",
            {
                let bytes = Hello(padding: 1500).stream()
                var other = Array(bytes[1000..<1500])
                other[499] ^= 0x80
                return c.handshake + [
                    c.data(Array(bytes[1000...]), at: 1000), c.data(other, at: 1000), c.data(Array(bytes[..<1000]), at: 0)
                ]
            }(), .overlapConflict),
        Example("a type twice", changed { $0.extensions!.append((10, [0, 2, 0, 29])) }, .duplicateExtension),
        Example("a far type twice", changed { $0.extensions! += [(0xff01, [0]), (0x4469, []), (0xff01, [0])] }, .duplicateExtension),
        Example(
            "GREASE twice, and types that hash alike",
            changed { $0.extensions! += [(0x2a2a, []), (0x2a2a, [])] + (100..<150).map { ($0, []) } }, []),
        Example("a key that is not last", changed { $0.extensions! += [(41, [0, 0]), (21, [0])] }, .pskNotLast),
        Example("a key that is last", changed { $0.extensions! += [(21, [0]), (41, [0, 0])] }, []),
        Example(
            "the same random on two flows",
            {
                var d = c
                d.clientPort = 41_000
                return say(Hello()) + d.handshake + [d.data(Hello().stream(), at: 0)]
            }(), .replayedHello),
        Example("a second hello on one flow", say(Hello(), after: [c.data(Hello().stream(), at: Hello().stream().count)]), [])
    ]

    static let flows: [Example] = [
        Example("a whole conversation of TLS 1.2", after([exchange + change + finished, data, data]), []),
        Example("a whole conversation of TLS 1.3", after([change + data, data, [1, 2, 3, 4, 5]], versions: [0x0304]), []),
        Example("something else after the hello", after([[99, 3, 3, 0, 1, 0]]), .badRecord),
        Example(
            "a header over two segments",
            after([Array((exchange + change + finished).prefix(15)), Array((exchange + change + finished).dropFirst(15)), data]), []),
        Example("a heartbeat that asks for more than it brings", after([record(24, [1, 0x40, 0, 1, 2, 3])]), .heartbleedProbe),
        Example("an honest heartbeat", after([record(24, [1, 0, 4] + [UInt8](repeating: 7, count: 20))]), []),
        Example("a heartbeat behind another record", after([exchange + record(24, [1, 0xff, 0xff])]), .heartbleedProbe),
        Example(
            "ChangeCipherSpec before the server has spoken",
            say(Hello(versions: []), after: [c.data(change, at: Hello(versions: []).stream().count)]), .earlyCCS),
        Example("the same of TLS 1.3, as with early data", say(Hello(), after: [c.data(change, at: Hello().stream().count)]), []),
        Example("a handshake anew, and again", after([exchange + change + finished, data, finished + finished]), .renegotiationFlood),
        Example("a handshake record after the first", after([exchange + change + finished, data, finished]), []),
        Example(
            "a proxy's scanner",
            c.handshake + [c.data(Array("CONNECT x:443 HTTP/1.1\r\n\r\n".utf8), at: 0), c.data([], at: 26, flags: 0x11)], .notTLS)
    ]

    private static func changedBytes(_ change: (inout [UInt8]) -> Void) -> [[UInt8]] {
        var bytes = Hello().stream()
        change(&bytes)
        return say(bytes)
    }

    /// One byte less, in the message's and the record's length.
    private static func shrink(_ bytes: inout [UInt8]) {
        bytes[4] -= 1
        bytes[8] -= 1
    }

    private static func grow(_ bytes: inout [UInt8], _ by: UInt8) {
        bytes[4] += by
        bytes[8] += by
    }

    private static func overlapping(_ change: (inout [UInt8]) -> Void) -> [[UInt8]] {
        let bytes = Hello(padding: 1500).stream()
        var again = Array(bytes[0..<1000])
        change(&again)
        return c.handshake + [c.data(Array(bytes[0..<1000]), at: 0), c.data(again, at: 0), c.data(Array(bytes[1000...]), at: 1000)]
    }
}

@Suite struct CatalogueTests {
    @Test("What the probe judges is said, and a near miss is not", arguments: Example.all)
    func said(example: Example) {
        let found = native(example.frames, KernelPolicy(everything)).reduce(into: AnomalySet()) { $0.formUnion($1.handshake.anomalies) }
        #expect(found == example.expected.union(example.others), "\(found.list.map(\.id))")
    }

    @Test("The kernel says the same", .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: Example.all, [false, true])
    func parity(example: Example, enforcing: Bool) throws {
        let policy = KernelPolicy(everything)
        #expect(try kernel(example.frames, policy, enforcing: enforcing) == native(example.frames, policy, enforcing: enforcing))
    }

    @Test("So does the object for kernels without may_goto", .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func plain() throws {
        let pair = try EnginePair(KernelPolicy(everything), enforcing: true, mayGoto: false)
        for example in Example.all {
            for frame in example.frames {
                let (ours, theirs) = try pair.run(frame)
                #expect(ours == theirs, "\(example.name)")
            }
        }
    }

    @Test("What the policy switches off is not said", arguments: Example.all.filter { !$0.expected.isEmpty })
    func off(example: Example) {
        var policy = everything
        for anomaly in example.expected.list { policy.detections[anomaly] = nil }
        let found = native(example.frames, KernelPolicy(policy)).reduce(into: AnomalySet()) { $0.formUnion($1.handshake.anomalies) }
        #expect(found.intersection(example.expected).isEmpty)
    }

    @Test("A prefix that says more hellos than its bucket holds, and no other")
    func flood() {
        var policy = everything, frames: [[UInt8]] = []
        policy.thresholds.helloRate = 10
        policy.thresholds.helloBurst = 20
        for number in 0..<60 {
            var d = Conversation(clientPort: UInt16(2000 + number))
            if number % 3 == 2 { d.client = Address("203.0.113.9")! }
            frames += d.handshake + [d.data(Hello(number: number).stream(), at: 0)]
        }
        let verdicts = native(frames, KernelPolicy(policy)).map(\.handshake),
            flooding = verdicts.filter { $0.anomalies.contains(.clientHelloFlood) }
        // 40 of one source at once: 21 are what the bucket and its rim hold.
        #expect(flooding.count == 19 && flooding.allSatisfy { $0.source == Conversation().client })
        // Ten a second go on for ever.
        #expect(native(frames, KernelPolicy(policy), step: 25_000_000).allSatisfy { !$0.handshake.anomalies.contains(.clientHelloFlood) })
    }

    @Test("A denied fingerprint, once it was named", .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func denied() throws {
        var policy = everything
        policy.lists.denied = [.init(.ja4, "t13d0505h2_000000000000_000000000000")]
        let pair = try EnginePair(KernelPolicy(policy), enforcing: false)
        func run(_ port: UInt16, _ hello: Hello) throws -> Handshake {
            let d = Conversation(clientPort: port)
            var found: [Verdict] = []
            for frame in d.handshake + [d.data(hello.stream(), at: 0)] {
                let (ours, theirs) = try pair.run(frame)
                #expect(ours == theirs)
                found += theirs
            }
            return try #require(found.count == 1 ? found.first : nil).handshake
        }
        let first = try run(1, Hello(number: 1))
        #expect(first.anomalies.isEmpty && first.fingerprint != 0)
        let isDenied = pair.deny(first.fingerprint)
        #expect(isDenied)
        #expect(try run(2, Hello(serverName: "other.example", number: 2)).anomalies == AnomalySet(.fingerprintDenied))
        #expect(try run(3, Hello(alpn: ["http/1.1"], number: 3)).anomalies.isEmpty)
        pair.allowFingerprint(first.fingerprint)
        #expect(try run(4, Hello(number: 4)).anomalies.isEmpty)
    }

    @Test("A fingerprint's hello travels when it is new, and not again", .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func newFingerprints() throws {
        var policy = Policy()
        policy.capture = .newFingerprint
        let pair = try EnginePair(KernelPolicy(policy), enforcing: false)
        func raw(_ port: UInt16, _ hello: Hello) throws -> [UInt8] {
            let d = Conversation(clientPort: port)
            var found: [Verdict] = []
            for frame in d.handshake + [d.data(hello.stream(), at: 0)] {
                let (ours, theirs) = try pair.run(frame)
                #expect(ours == theirs)
                found += theirs
            }
            return try #require(found.first).raw
        }
        let first = Hello(number: 1), other = Hello(alpn: ["http/1.1"], number: 3)
        #expect(try raw(1, first) == Array(first.stream().dropFirst(5)))
        #expect(try raw(2, Hello(serverName: "other.example", number: 2)).isEmpty)
        #expect(try raw(3, other) == Array(other.stream().dropFirst(5)))
        #expect(try raw(4, Hello(number: 4)).isEmpty)
    }

    @Test("Silence is told of its flow, once", .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func silence() throws {
        let pair = try EnginePair(KernelPolicy(everything), enforcing: false)
        let quiet = Conversation(clientPort: 1), halted = Conversation(clientPort: 2), going = Conversation(clientPort: 3),
            hello = Hello(number: 7).stream()
        for frame in quiet.handshake + halted.handshake + [halted.data(hello, at: 0)] + going.handshake + [
            going.data(Hello(number: 8).stream(), at: 0), going.data(exchange, at: hello.count)
        ] {
            _ = try pair.run(frame)
        }
        let (ours, theirs) = pair.giveUp()
        #expect(ours == theirs && ours.count == 2)
        let told = ours.compactMap { bytes in Handshake(bytes.span.bytes) }.sorted { $0.sourcePort < $1.sourcePort }
        #expect(told.map(\.kind) == [.flow, .flow] && told.map(\.sourcePort) == [1, 2])
        #expect(
            told[0].anomalies == AnomalySet(.connectNoHello) && told[0].notes == [] && told[1].anomalies.isEmpty && told[1].notes == .silent
        )
        let again = pair.giveUp()
        #expect(again.native.isEmpty && again.kernel.isEmpty)
    }

    @Test("A hello that takes more than five seconds")
    func slow() {
        let bytes = Hello(padding: 1500).stream(), frames = c.handshake + c.segments(of: bytes, size: 1400)
        #expect(native(frames, KernelPolicy(everything), step: 4_900_000_000).map(\.handshake.anomalies) == [[]])
        #expect(native(frames, KernelPolicy(everything), step: 5_100_000_000).map(\.handshake.anomalies) == [AnomalySet(.slowHello)])
    }

    @Test(
        "What the client speaks that is no TLS",
        arguments: [
            ("GET / HTTP/1.1\r\n", Subtype.http), ("SSH-2.0-x\r\n", .ssh), ("\u{3}\0\0\u{13}\u{e}", .other), ("EHLO me\r\n", .other),
            ("PRI * HTTP/2.0\r\n", .http), ("x", .other)
        ])
    func subtype(text: String, subtype: Subtype) {
        #expect(native(say(Array(text.utf8)), KernelPolicy(everything)).map(\.handshake.subtype) == [subtype])
    }

    @Test("Remote desktop's first bytes")
    func desktop() {
        #expect(
            native(say([3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0]), KernelPolicy(everything)).map(\.handshake.subtype)
                == [.rdp])
    }
}
