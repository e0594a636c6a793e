import Detection
import Glibc
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

/// Lists are as long as a hello can hold: no build gives up on them earlier than another.
@Suite struct BoundsTests {
    struct Long: Sendable, CustomTestStringConvertible {
        let name: String
        let hello: Hello
        let expected: AnomalySet
        var testDescription: String { name }

        init(_ name: String, _ expected: AnomalySet = [], _ change: (inout Hello) -> Void) {
            self.name = name
            self.expected = expected
            var hello = Hello()
            change(&hello)
            self.hello = hello
        }

        /// Empty extensions of distinct types from 64 on, GREASE left out.
        private static func extensions(_ count: Int) -> [(type: UInt16, body: [UInt8])] {
            (64...UInt16.max).lazy.filter { $0 & 0x0f0f != 0x0a0a }.prefix(count).map { ($0, []) }
        }

        private static func protocols(_ sizes: [Int]) -> (type: UInt16, body: [UInt8]) {
            (16, Hello.vector16(sizes.flatMap { Hello.vector8([UInt8](repeating: 0x61, count: $0)) }))
        }

        static let all: [Long] =
            [33, 65, 500, 3900].flatMap { count in
                [
                    Long("\(count) extensions more") { $0.extensions! += extensions(count) },
                    Long("\(count) extensions before the name") { $0.extensions! = extensions(count) + $0.extensions! },
                    Long("\(count) extensions more, and the last again", AnomalySet(.duplicateExtension)) {
                        $0.extensions! += extensions(count) + [extensions(count).last!]
                    },
                    Long("no name among \(count) extensions", AnomalySet([.missingSNI, .alpnWithoutSNI])) {
                        $0.extensions!.removeFirst(); $0.extensions! += extensions(count)
                    }
                ]
            }
            + [61, 5000].flatMap { count in
                [
                    Long("\(count) protocols") { $0.extensions![3] = protocols([Int](repeating: 2, count: count)) },
                    Long("an empty protocol after \(count)", AnomalySet(.alpnMalformed)) {
                        $0.extensions![3] = protocols([Int](repeating: 2, count: count) + [0, 1])
                    }
                ]
            } + [
                Long("h2 behind 4,000 protocols, without a name", AnomalySet([.missingSNI, .alpnWithoutSNI])) { hello in
                    hello.extensions![3] = (
                        16, Hello.vector16([[UInt8]](repeating: [1, 0x61], count: 4000).flatMap { $0 } + [2, 0x68, 0x32])
                    )
                    hello.extensions!.removeFirst()
                },
                Long("7,000 suites", AnomalySet(.absurdCiphers)) { $0.ciphers = [UInt16](repeating: 0x000a, count: 6999) + [0x1301] },
                Long("the highest version behind a hundred") {
                    $0.extensions![4] = (43, Hello.vector8([[UInt8]](repeating: [3, 1], count: 100).flatMap { $0 } + [3, 4]))
                },
                Long("5,000 signature algorithms") {
                    $0.extensions![2] = (13, Hello.vector16((0..<5000).flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] as [UInt8] }))
                }
            ]
    }

    private static func said(_ verdicts: [Verdict]) -> [AnomalySet] {
        // Its size is another matter.
        verdicts.map { $0.handshake.anomalies.subtracting(AnomalySet([.oversizedHello, .tinyFragments])) }
    }

    private static func frames(_ long: Long) -> [[UInt8]] {
        let c = Conversation()
        return c.handshake + c.segments(of: long.hello.stream(), size: 1400)
    }

    @Test("The longest list is read to its end", arguments: Long.all)
    func read(_ long: Long) { #expect(Self.said(native(Self.frames(long), KernelPolicy(everything))) == [long.expected]) }

    @Test(
        "Both objects give the same bytes for it as replay does", .enabled(if: geteuid() == 0, "loading BPF needs root"),
        arguments: [true, false])
    func same(mayGoto: Bool) throws {
        let pair = try EnginePair(KernelPolicy(everything), enforcing: false, mayGoto: mayGoto)
        for (index, long) in Long.all.enumerated() {
            var c = Conversation()
            c.clientPort = 2000 + UInt16(index)
            var hello = long.hello
            hello.random[0] = UInt8(index)
            for frame in c.handshake + c.segments(of: hello.stream(), size: 1400) {
                let said = try pair.run(frame)
                #expect(said.native == said.kernel, "\(long.name)")
            }
        }
    }

    @Test(
        "A hello in records of one byte is put together in every build", .enabled(if: geteuid() == 0, "loading BPF needs root"),
        arguments: [true, false])
    func records(mayGoto: Bool) throws {
        let c = Conversation()
        let frames = c.handshake + c.segments(of: Hello(padding: 2700).stream(recordSize: 1), size: 1400)
        let ours = native(frames, KernelPolicy(everything))
        #expect(ours.count == 1 && ours.allSatisfy { $0.handshake.completeness == .reassembled })
        #expect(try kernel(frames, KernelPolicy(everything), mayGoto: mayGoto) == ours)
    }

    @Test(
        "Whether a chain of extension headers is too long depends on the frame alone, not on what the frame before it left behind",
        .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: [6, 17, 58, 60] as [UInt8])
    func chains(left: UInt8) throws {
        let pair = try EnginePair(KernelPolicy(everything), enforcing: true)
        var deep: UInt64 = 0, port: UInt16 = 2000
        for count in [1, 9, 20, 21, 22, 23, 30, 60] {
            var c = Conversation(client: Address("2001:db8::66")!, server: Address("2001:db8::2")!)
            port += 1
            c.clientPort = port
            for frame in c.handshake { _ = try pair.run(frame) }
            _ = try pair.run(c.data([UInt8](repeating: left, count: 1200), at: 0))
            c.ipv6Extensions = Array(repeating: (60, [1, 4, 0, 0, 0, 0]), count: count)
            // 256 bytes are read: 54 of Ethernet and IPv6, eight each, and 20 of TCP.
            if 54 + 8 * count + 20 > 256 { deep += 1 }
            _ = try pair.run(c.data(Hello(serverName: nil).stream(), at: 0))
            #expect(
                pair.counters.native[.deepHeaders] == deep && pair.counters.kernel[.deepHeaders] == deep,
                "\(count) headers behind bytes \(left)")
        }
    }
    @Test(
        "What is bounded is holes, not segments beyond one: also a small hello in forty pieces is whole when the second comes last",
        arguments: [1400, 121, 60], [0, 3, 8])
    func beyondOneHole(size: Int, shift: Int) throws {
        let c = Conversation(), stream = Hello(padding: size == 1400 ? 14_000 : 1_700).stream()
        var pieces = c.segments(of: stream, size: size)
        let late = pieces.remove(at: 1)
        // Others come in another order, and one twice.
        if shift > 0 {
            for index in stride(from: 1, to: pieces.count - shift, by: 2 * shift) {
                pieces.swapAt(index, min(index + shift / 2 + 1, pieces.count - 1))
            }
        }
        let frames = c.handshake + pieces + [pieces[2], late]
        let ours = native(frames, KernelPolicy(everything))
        #expect(
            ours.count == 1
                && ours.allSatisfy {
                    $0.handshake.completeness == .reassembled
                        && $0.handshake.anomalies.subtracting(AnomalySet([.tinyFragments, .oversizedHello])) == []
                })
        if geteuid() == 0 {
            for mayGoto in [true, false] { #expect(try kernel(frames, KernelPolicy(everything), mayGoto: mayGoto) == ours) }
        }
    }

    @Test(
        "A short packet in a tunnel is nobody's TCP segment, and no header that lies too deep",
        .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func shortInATunnel() throws {
        var policy = everything
        policy.decap = true
        let pair = try EnginePair(KernelPolicy(policy), enforcing: true)
        // An ICMP echo of eight bytes in IP in IP.
        let echo: [UInt8] =
            [0x45, 0, 0, 36, 0, 0, 0, 0, 64, 1, 0, 0, 203, 0, 113, 7, 198, 51, 100, 2, 8, 0, 0, 0, 0, 1, 0, 1]
            + [UInt8](repeating: 7, count: 8)
        let inner = [UInt8](repeating: 2, count: 12) + [8, 0] + echo
        for wrapping in Wrapping.allCases {
            _ = try pair.run(wrapping.around(inner))
            #expect(pair.counters.native[.deepHeaders] == 0 && pair.counters.kernel[.deepHeaders] == 0, "\(wrapping)")
        }
    }
}
