import Detection
import Glibc
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

let everything: Policy = {
    var policy = Policy()
    policy.capture = .all
    return policy
}()

/// As `--all-ports` watches.
let everyPort: Policy = {
    var policy = everything
    policy.ports = Array(1...UInt16.max)
    return policy
}()

/// A conversation in one shape, with its name for the reader of a failure.
struct Shape: Sendable, CustomTestStringConvertible {
    let name: String
    let frames: [[UInt8]]
    var testDescription: String { name }

    init(_ name: String, _ frames: [[UInt8]]) {
        self.name = name
        self.frames = frames
    }

    static let all: [Shape] = {
        let c = Conversation()
        let nameless = Hello(serverName: nil).stream(), big = Hello(padding: 1500).stream()
        var shapes = [
            Shape("a plain hello", c.handshake + [c.data(Hello().stream(), at: 0)]),
            Shape("no name", c.handshake + [c.data(nameless, at: 0)]),
            Shape("no name, unproven", [c.data(nameless, at: 0)]),
            Shape("two segments", c.handshake + c.segments(of: big, size: 1400)),
            Shape("two segments, turned round", c.handshake + c.segments(of: big, size: 1400).reversed()),
            Shape("two segments, one twice", c.handshake + [0, 0, 1].map { c.segments(of: big, size: 1400)[$0] }),
            Shape("many small segments", c.handshake + c.segments(of: nameless, size: 20)),
            Shape(
                "every other segment first",
                c.handshake + stride(from: 1, to: 8, by: 2).map { c.segments(of: nameless, size: nameless.count / 8)[$0] }
                    + stride(from: 0, to: 9, by: 2).map { c.segments(of: nameless, size: nameless.count / 8)[$0] }),
            Shape("several records", c.handshake + [c.data(Hello(padding: 600).stream(recordSize: 100), at: 0)]),
            Shape("several records and segments", c.handshake + c.segments(of: Hello(padding: 600).stream(recordSize: 70), size: 333)),
            Shape("tiny records", c.handshake + c.segments(of: Hello().stream(recordSize: 1), size: 400)),
            Shape(
                "half a hello, then FIN",
                c.handshake + [
                    c.data(Array(nameless.prefix(60)), at: 0), c.data([], at: 60, flags: Conversation.finish | Conversation.acknowledge)
                ]),
            Shape(
                "half a hello, then the server's RST",
                c.handshake + [c.data(Array(nameless.prefix(60)), at: 0), c.answer([], at: 0, flags: Conversation.reset)]),
            Shape("a server that says a hello of its own", c.handshake + [c.data(Hello().stream(), at: 0), c.answer(nameless, at: 0)]),
            Shape("not TLS", c.handshake + [c.data(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), at: 0)]),
            Shape(
                "a reused 5-tuple",
                c.handshake + [c.data(nameless, at: 0)]
                    + {
                        var d = c; d.clientISN = 77; d.serverISN = 99; return d.handshake + [d.data(nameless, at: 0)]
                    }()),
            Shape("long, and whole", c.handshake + c.segments(of: Hello(padding: 16_000).stream(), size: 1400)),
            Shape("too long to assemble", c.handshake + c.segments(of: Hello(padding: 17_000).stream(), size: 1400))
        ]
        for version in [0x0300, 0x0301, 0x0302, 0x0303] as [UInt16] {
            var old = Hello(serverName: "old.example", versions: [])
            old.legacyVersion = version
            shapes.append(Shape("version \(String(version, radix: 16))", c.handshake + [c.data(old.stream(), at: 0)]))
        }
        var bare = Hello()
        bare.extensions = nil
        shapes.append(Shape("no extensions at all", c.handshake + [c.data(bare.stream(), at: 0)]))
        var empty = Hello(serverName: nil)
        empty.extensions!.append((0, [0, 0]))
        shapes.append(Shape("an empty name", c.handshake + [c.data(empty.stream(), at: 0)]))
        shapes.append(Shape("a literal", c.handshake + [c.data(Hello(serverName: "192.0.2.1").stream(), at: 0)]))
        var left = Hello().stream()
        left[91] ^= 1  // the length of the extension block
        shapes.append(Shape("lengths that disagree", c.handshake + [c.data(left, at: 0)]))
        var tagged = c
        tagged.vlans = [7, 9]
        shapes.append(Shape("two VLAN tags", tagged.handshake + [tagged.data(nameless, at: 0)]))
        var optioned = c
        optioned.ipv4Options = [1, 1, 1, 1]
        shapes.append(Shape("IPv4 options", optioned.handshake + [optioned.data(nameless, at: 0)]))
        var six = Conversation(client: Address("2001:db8::66")!, server: Address("2001:db8::2")!)
        shapes.append(Shape("IPv6", six.handshake + [six.data(nameless, at: 0)]))
        six.ipv6Extensions = [(0, [UInt8](repeating: 0, count: 6)), (60, [UInt8](repeating: 0, count: 14))]
        shapes.append(Shape("IPv6 with extension headers", six.handshake + [six.data(nameless, at: 0)]))
        return shapes
    }()
}

@Suite struct ShapesTests {
    static let anomalies: [String: AnomalySet] = [
        "a plain hello": [], "no name": nameless, "two segments": [], "two segments, turned round": [], "two segments, one twice": [],
        "many small segments": AnomalySet([.missingSNI, .alpnWithoutSNI, .tinyFragments]),
        "every other segment first": AnomalySet([.missingSNI, .alpnWithoutSNI, .tinyFragments]),
        "several records": AnomalySet(.recordFragmentation), "several records and segments": AnomalySet(.recordFragmentation),
        "tiny records": AnomalySet(.recordFragmentation),
        "no name, unproven": nameless, "a reused 5-tuple": nameless, "version 302": AnomalySet(.obsoleteVersion), "a literal": [],
        "half a hello, then FIN": AnomalySet(.truncatedHello), "half a hello, then the server's RST": AnomalySet(.truncatedHello),
        "a server that says a hello of its own": [],
        "not TLS": AnomalySet(.notTLS), "long, and whole": AnomalySet(.oversizedHello), "too long to assemble": AnomalySet(.oversizedHello),
        "version 300": AnomalySet([.obsoleteVersion, .obsoleteSSL]), "version 301": AnomalySet(.obsoleteVersion), "version 303": [],
        "no extensions at all": AnomalySet(.missingSNI), "an empty name": AnomalySet([.emptySNI]),
        "lengths that disagree": AnomalySet(.malformedHello),
        "two VLAN tags": nameless, "IPv4 options": nameless, "IPv6": nameless, "IPv6 with extension headers": nameless
    ]
    /// It offers h2, as browsers do.
    static let nameless = AnomalySet([.missingSNI, .alpnWithoutSNI])

    @Test("Every verdict of this list is one of a shape")
    func names() { #expect(Set(Self.anomalies.keys) == Set(Shape.all.map(\.name))) }

    @Test("Each shape gets its verdict, once, with its proof", arguments: Shape.all)
    func verdict(shape: Shape) throws {
        let verdicts = native(shape.frames, KernelPolicy(everything))
        #expect(verdicts.count == (shape.name == "a reused 5-tuple" ? 2 : 1))
        let handshake = try #require(verdicts.first).handshake
        #expect(handshake.anomalies == (try #require(Self.anomalies[shape.name], "what is right for this shape is not written down")))
        #expect(handshake.mayBeLiteral == (shape.name == "a literal"))
        #expect(handshake.proof == (shape.name.contains("unproven") ? .unproven : .tracked))
        let incomplete = ["half a hello, then FIN", "half a hello, then the server's RST", "too long to assemble"].contains(shape.name)
        #expect((handshake.completeness == .incomplete) == incomplete)
    }

    @Test(
        "The kernel and replay write the same bytes", .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: Shape.all,
        [false, true])
    func parity(shape: Shape, enforcing: Bool) throws {
        let policy = KernelPolicy(everything)
        #expect(try kernel(shape.frames, policy, enforcing: enforcing) == native(shape.frames, policy, enforcing: enforcing))
    }

    @Test(
        "The object for kernels without may_goto says the same", .enabled(if: geteuid() == 0, "loading BPF needs root"),
        arguments: Shape.all.filter { !$0.name.contains("too long") })
    func plain(shape: Shape) throws {
        let policy = KernelPolicy(everything)
        #expect(try kernel(shape.frames, policy, enforcing: true, mayGoto: false) == native(shape.frames, policy, enforcing: true))
    }

    @Test("With every port watched it is the same, though either end could then be the server", arguments: Shape.all)
    func turned(shape: Shape) { #expect(native(shape.frames, KernelPolicy(everyPort)) == native(shape.frames, KernelPolicy(everything))) }

    @Test("The kernel says so too", .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: Shape.all)
    func turnedParity(shape: Shape) throws {
        let policy = KernelPolicy(everyPort)
        #expect(try kernel(shape.frames, policy, enforcing: true) == native(shape.frames, policy, enforcing: true))
    }

    @Test("A hello cut anywhere is incomplete or malformed, never nameless", arguments: [false, true])
    func cut(named: Bool) {
        let c = Conversation(), stream = Hello(serverName: named ? "shop.example" : nil).stream()
        for length in 1..<stream.count {
            let frames = c.handshake + [c.data(Array(stream.prefix(length)), at: 0), c.data([], at: length, flags: Conversation.reset)]
            for verdict in native(frames, KernelPolicy(everything)) {
                #expect(verdict.handshake.completeness == .incomplete, "cut at \(length)")
                #expect(verdict.handshake.anomalies == AnomalySet(.truncatedHello), "cut at \(length)")
            }
        }
    }

    @Test("No more than three of a source are admitted in any second, and the kernel says so itself")
    func reflex() {
        var frames: [[UInt8]] = []
        for port in 0..<100 as Range<UInt16> {
            let c = Conversation(clientPort: 40_000 + port)
            frames += c.handshake + [c.data(Hello(serverName: nil).stream(), at: 0)]
        }
        // 400 frames 10 ms apart are 4 seconds, so 100 hellos 40 ms apart.
        let verdicts = native(frames, KernelPolicy(everything), enforcing: true, step: 10_000_000)
        #expect(verdicts.count == 100)
        #expect(verdicts.first?.handshake.isReflex == true)
        let admitted = verdicts.filter { $0.handshake.outcome == .admitted }.map(\.handshake.seenNanoseconds)
        #expect(admitted.count >= 10)
        for index in admitted.indices.dropFirst(3) { #expect(admitted[index] - admitted[index - 3] >= 1_000_000_000) }
        #expect(verdicts.allSatisfy { $0.handshake.outcome == .admitted || $0.handshake.outcome == .reset })
    }
}
