import Detection
import Glibc
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

private let opened: Policy = {
    var policy = everything
    policy.decap = true
    return policy
}()

private let nameless = AnomalySet([.missingSNI, .alpnWithoutSNI])

/// How frames come: in fragments, in tunnels, behind what is no TLS, and in more pieces than is good.
@Suite struct FramesTests {
    private let c = Conversation()
    private var hello: [UInt8] { Hello(serverName: nil).stream() }

    /// Both engines, where the privilege is there.
    private func both(_ frames: [[UInt8]], _ policy: Policy, enforcing: Bool = false) throws -> [Handshake] {
        let ours = native(frames, KernelPolicy(policy), enforcing: enforcing)
        if geteuid() == 0 { #expect(try kernel(frames, KernelPolicy(policy), enforcing: enforcing) == ours) }
        return ours.map(\.handshake)
    }

    @Test("A tunnel is looked into when that is asked for, and nothing in it is limited on the spot", arguments: Wrapping.allCases)
    func tunnels(wrapping: Wrapping) throws {
        let frames = (c.handshake + [c.data(hello, at: 0)]).map(wrapping.around)
        let found = try both(frames, opened, enforcing: true)
        #expect(found.map(\.anomalies) == [nameless] && found.map(\.tunnels) == [wrapping.tunnels] && found.map(\.proof) == [.tracked])
        #expect(found.map(\.outcome) == [.observed] && found.map(\.vlanTags) == [[.vxlanInVLAN, .pppoeInVLAN].contains(wrapping) ? 1 : 0])
        #expect(found.map(\.source) == [c.client])
        #expect(try both(frames, everything).isEmpty)
    }

    @Test("Tunnels in tunnels have an end")
    func nested() throws {
        func wrapped(_ times: Int) -> [[UInt8]] {
            (c.handshake + [c.data(hello, at: 0)]).map { frame in (0..<times).reduce(frame) { inner, _ in Wrapping.ipip.around(inner) } }
        }
        #expect(try both(wrapped(3), opened).count == 1)
        #expect(try both(wrapped(4), opened).isEmpty)
    }

    @Test("A hello in IP fragments is put together, in either family", arguments: [64, 200, 504])
    func fragmented(size: Int) throws {
        let big = Hello(serverName: nil, padding: 1200).stream()
        let four = try both(c.handshake + fragments(of: c.data(big, at: 0), size: size), everything)
        #expect(
            four.map(\.completeness) == [.reassembled]
                && four.allSatisfy { $0.anomalies.isSuperset(of: nameless) && $0.wasFragmented && $0.proof == .tracked })
        let d = Conversation(client: Address("2001:db8::66")!, server: Address("2001:db8::2")!)
        let six = try both(d.handshake + fragments6(of: d.data(big, at: 0), size: size), everything)
        #expect(six.map(\.completeness) == [.reassembled] && six.allSatisfy { $0.anomalies.isSuperset(of: nameless) && $0.wasFragmented })
    }

    @Test("Later fragments turned round are placed; one before its first is lost, and the hello incomplete")
    func disordered() throws {
        let parts = fragments(of: c.data(Hello(serverName: nil, padding: 1200).stream(), at: 0), size: 504)
        #expect(try both(c.handshake + [parts[0], parts[2], parts[1]], everything).map(\.completeness) == [.reassembled])
        #expect(
            try both(c.handshake + [parts[1], parts[0], parts[2], c.data([], at: 1, flags: Conversation.reset)], everything).map(
                \.completeness) == [.incomplete])
    }

    @Test("A fragmented hello cannot become a reset: it is refused at its answer")
    func limited() throws {
        let serverHello: [UInt8] = [22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3] + [UInt8](repeating: 7, count: 84)
        var frames: [[UInt8]] = []
        for port in 0..<5 as Range<UInt16> {
            let d = Conversation(clientPort: 5000 + port)
            frames +=
                d.handshake
                + fragments(of: d.data(Hello(serverName: nil, padding: 600, number: Int(port)).stream(), at: 0), size: 400, id: port)
            frames.append(d.answer(serverHello, at: 0))
        }
        let told = try both(frames, everything, enforcing: true)
        #expect(told.filter { $0.kind == .hello }.map(\.outcome) == [Outcome](repeating: .observed, count: 5))
        #expect(told.filter { $0.kind == .flow }.map(\.outcome) == [.reset, .reset])
    }

    @Test(
        "What stands before the hello is passed over and named",
        arguments: [
            ([Array("PROXY TCP4 192.0.2.1 198.51.100.2 4000 443\r\n".utf8)], Preamble.proxy1, true),
            (
                [[13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 15, 160, 1, 187]],
                .proxy2, true
            ),
            ([Array("CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\n\r\n".utf8)], .connect, false),
            ([[4, 1, 1, 187, 198, 51, 100, 2, 0]], .socks4, false),
            ([[5, 1, 0], [5, 1, 0, 1, 198, 51, 100, 2, 1, 187]], .socks5, false),
            ([[5, 2, 0, 2], [1, 1, 97, 1, 98], [5, 1, 0, 3, 1, 97, 1, 187]], .socks5, false)
        ])
    func preambles(messages: [[UInt8]], preamble: Preamble, together: Bool) throws {
        var frames = c.handshake, at = 0
        for message in messages {
            frames.append(c.data(message, at: at))
            at += message.count
        }
        let found = try both(frames + [c.data(hello, at: at)], everything)
        #expect(found.map(\.preamble) == [preamble] && found.map(\.anomalies) == [nameless])
        // In parts: the hello in two segments behind it.
        let parts = try both(frames + [c.data(Array(hello[..<70]), at: at), c.data(Array(hello[70...]), at: at + 70)], everything)
        #expect(parts.map(\.preamble) == [preamble] && parts.map(\.completeness) == [.reassembled] && parts.map(\.anomalies) == [nameless])
        if together, let message = messages.first {
            #expect(try both(c.handshake + [c.data(message + hello, at: 0)], everything).map(\.preamble) == [preamble])
        }
    }

    @Test("A segment a byte, in an order drawn from a seed, is the hello that it is", arguments: 0..<8 as Range<UInt64>)
    func bytewise(seed: UInt64) throws {
        var random = SplitMix64(seed)
        let bytes = Hello(serverName: seed % 2 == 0 ? nil : "shop.example", number: Int(seed)).stream()
        // Eight holes are tracked: so the order is one within eight bytes.
        var order = Array(bytes.indices)
        for start in stride(from: 0, to: order.count, by: 8) { order[start..<min(start + 8, order.count)].shuffle(using: &random) }
        let found = try both(c.handshake + order.map { c.data([bytes[$0]], at: $0) }, everything)
        #expect(
            found.map(\.completeness) == [.reassembled] && found.map { $0.anomalies.contains(.missingSNI) } == [seed % 2 == 0]
                && found.allSatisfy { $0.anomalies.contains(.tinyFragments) })
    }

    @Test("More holes than are tracked: incomplete, and says so")
    func holes() throws {
        let bytes = hello
        let found = try both(c.handshake + stride(from: 1, to: 40, by: 2).map { c.data([bytes[$0]], at: $0) }, everything)
        #expect(found.first?.completeness == .incomplete && found.first?.incompleteReason == .gaps)
        #expect(found.allSatisfy { !$0.anomalies.contains(.missingSNI) })
    }

    @Test("Sixteen kibibytes, in segments of every size", arguments: [100, 536, 1448, 16_000])
    func large(size: Int) throws {
        var big = Hello(serverName: nil, padding: 16_000)
        // To the byte: a body of 16,384.
        big.extensions!.append((21, [UInt8](repeating: 0, count: 16_384 + 4 - big.message.count - 4)))
        #expect(big.message.count == 16_388)
        let found = native(c.handshake + c.segments(of: big.stream(recordSize: 16_388), size: size), KernelPolicy(everything)).map(
            \.handshake)
        #expect(
            found.map(\.completeness) == [.reassembled]
                && found.allSatisfy { $0.anomalies.isSuperset(of: AnomalySet([.missingSNI, .oversizedHello])) && $0.rawLength == 16_388 })
        if size < 3600, geteuid() == 0 {
            let frames = c.handshake + c.segments(of: big.stream(recordSize: 16_388), size: size)
            #expect(try kernel(frames, KernelPolicy(everything)) == native(frames, KernelPolicy(everything)))
        }
        big.extensions!.append((22, []))
        let beyond = native(c.handshake + c.segments(of: big.stream(recordSize: 16_392), size: size), KernelPolicy(everything)).map(
            \.handshake)
        #expect(
            beyond.map(\.completeness) == [.incomplete] && beyond.map(\.incompleteReason) == [.tooLong]
                && beyond.map(\.anomalies) == [AnomalySet(.oversizedHello)])
    }

    @Test("A frame merged beyond 64 KiB has no length of its own, and is looked at all the same", arguments: [false, true])
    func merged(six: Bool) {
        let d = six ? Conversation(client: Address("2001:db8::66")!, server: Address("2001:db8::2")!) : c
        var frame = d.data(hello, at: 0)
        let at = six ? 18 : 16
        (frame[at], frame[at + 1]) = (0, 0)
        frame += [UInt8](repeating: 0x17, count: 70_000)
        let found = native(d.handshake + [frame], KernelPolicy(everything)).map(\.handshake)
        #expect(found.first?.anomalies == nameless)
    }

    @Test("Mid-stream: a hello is recorded without proof, anything else is nobody's business")
    func midStream() throws {
        #expect(try both([c.data(hello, at: 5000)], everything).map(\.proof) == [.unproven])
        #expect(try both([c.data(Array("GET / HTTP/1.1\r\n".utf8), at: 5000)], everything).isEmpty)
    }

    @Test(
        "A newer hello took its place: told at once, once, by both engines alike, and nothing worse",
        .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func evicted() throws {
        let bytes = Hello(padding: 1500).stream(), pair = try EnginePair(KernelPolicy(everything), enforcing: false)
        var told: [Handshake] = []
        func run(_ frames: [[UInt8]]) throws {
            for frame in frames {
                let (ours, theirs) = try pair.run(frame)
                #expect(ours == theirs)
                told += ours.map(\.handshake)
            }
        }
        try run(c.handshake + [c.data(Array(bytes[..<1000]), at: 0)])
        for number in 1...1536 {
            let d = Conversation(client: Address(ipv4: 0x0a00_0000 + UInt32(number)), clientPort: 4000)
            try run(d.handshake + [d.data(Array(bytes[..<1000]), at: 0)])
            #expect(told.count == (number < 1536 ? 0 : 1))
        }
        #expect(
            told.map(\.source) == [c.client] && told.map(\.incompleteReason) == [.evicted]
                && told.allSatisfy { $0.completeness == .incomplete && $0.anomalies.isEmpty })
        try run([c.data(Array(bytes[1000...]), at: 1000)])
        #expect(told.count == 1)
        let (ours, theirs) = pair.giveUp(), counters = pair.counters
        #expect(ours == theirs && ours.count == 1536)
        #expect(counters.native[.evicted] == 1 && counters.kernel[.evicted] == 1)
    }

    @Test(
        "A second hello at the first one's sequence numbers is judged and told of, whole or in pieces, in any order; the same once more is not",
        .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func again() throws {
        let named = Hello(number: 1).stream(), nameless = Hello(serverName: nil, padding: 200, number: 1).stream()
        let early = Array(nameless[..<100]), late = Array(nameless[100...])
        let wholly = c.data(nameless, at: 0), pieces = [c.data(early, at: 0), c.data(late, at: 100)],
            backwards = [c.data(late, at: 100), c.data(early, at: 0)]
        let tiny = nameless.enumerated().map { c.data([$0.element], at: $0.offset) }
        let found = AnomalySet([.missingSNI, .overlapConflict])
        for (index, frames) in [[wholly], pieces, backwards, tiny].enumerated() {
            let told = try both(c.handshake + [c.data(named, at: 0)] + frames, everything)
            #expect(
                told.count == 2 && told[0].anomalies.isEmpty && told[1].anomalies.isSuperset(of: found) && told[1].proof == .tracked,
                "\(index): \(told.map(\.anomalies.list))")
        }
        // A limiter counts both, and refuses what is beyond the limit.
        let many = (0..<5).flatMap { number in
            let d = Conversation(clientPort: UInt16(900 + number))
            return d.handshake + [
                d.data(Hello(number: 10 + number).stream(), at: 0), d.data(Hello(serverName: nil, number: 10 + number).stream(), at: 0)
            ]
        }
        #expect(
            try both(many, everything, enforcing: true).filter { !$0.anomalies.isEmpty }.map(\.outcome) == [
                .admitted, .admitted, .admitted, .reset, .reset
            ])
        // What came before comes again: nothing is said, and the flow goes on as it was.
        let after = c.data([20, 3, 3, 0, 1, 1] + [23, 3, 3, 0, 3, 7, 7, 7], at: named.count)
        for frames in [
            [c.data(named, at: 0)], [c.data(Array(named[..<50]), at: 0), c.data(Array(named[50...]), at: 50)],
            [c.data(Array(named[50...]), at: 50)], [c.data(Array(named[..<50]), at: 0)]
        ] {
            let pair = try EnginePair(KernelPolicy(everything), enforcing: false)
            var told: [Handshake] = []
            for frame in c.handshake + [c.data(named, at: 0)] + frames + [after] {
                let (ours, theirs) = try pair.run(frame)
                #expect(ours == theirs)
                told += ours.map(\.handshake)
            }
            #expect(told.map(\.anomalies) == [AnomalySet()])
            let (ours, theirs) = pair.giveUp()
            #expect(ours.isEmpty && theirs.isEmpty, "what came again and never was whole is no incomplete hello")
        }
    }

    @Test(
        "Each MiB for hellos holds 512 of them in the kernel", .enabled(if: geteuid() == 0, "loading BPF needs root"),
        arguments: [(2, 1500, false), (4, 1500, true), (4, 2500, false), (8, 2500, true)])
    func helloMemory(size: Int, others: Int, isKept: Bool) throws {
        let bytes = Hello(padding: 1500).stream()
        var frames = c.handshake + [c.data(Array(bytes[..<1000]), at: 0)]
        for number in 0..<others {
            let d = Conversation(client: Address(ipv4: 0x0a00_0000 + UInt32(number)), clientPort: 4000)
            frames += d.handshake + [d.data(Array(bytes[..<1000]), at: 0)]
        }
        frames.append(c.data(Array(bytes[1000...]), at: 1000))
        let found = try kernel(frames, KernelPolicy(everything), helloMemory: size).filter { $0.handshake.source == c.client }
        #expect(found.contains { $0.handshake.completeness == .reassembled } == isKept, "\(found.map(\.handshake.completeness))")
    }

    @Test("A forged lone segment limits nobody, and a forged reset keeps no hello from being judged")
    func forged() throws {
        let lone = try both((0..<10).map { Conversation(clientPort: 900 + $0).data(hello, at: 0) }, everything, enforcing: true)
        #expect(lone.count == 10 && lone.allSatisfy { $0.outcome == .passed && $0.proof == .unproven })
        let frames =
            c.handshake + [
                c.data(Array(hello[..<60]), at: 0), c.data([], at: 9000, flags: Conversation.reset), c.data(Array(hello[60...]), at: 60)
            ]
        // Whoever forged it, and whether or not the server believed it: the hello is judged when it is whole.
        let found = try both(frames, everything)
        #expect(found.map(\.completeness) == [.reassembled] && found.allSatisfy { !$0.anomalies.contains(.truncatedHello) })
    }
}
