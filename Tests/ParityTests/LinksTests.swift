import Detection
import Glibc
import Probe
import Support
import Testing
import Vocabulary
import Wire

/// What may stand between Ethernet's addresses and an IP header.
@Suite struct LinksTests {
    private let c = Conversation()
    private var hello: [UInt8] { Hello(serverName: nil).stream() }
    private static let nameless = AnomalySet([.missingSNI, .alpnWithoutSNI])
    private static let opened: Policy = {
        var policy = everything
        policy.decap = true
        return policy
    }()

    /// Both engines, in both builds, where the privilege is there.
    private func both(_ frames: [[UInt8]], _ policy: Policy, enforcing: Bool = true) throws -> [Handshake] {
        let ours = native(frames, KernelPolicy(policy), enforcing: enforcing)
        if geteuid() == 0 {
            for mayGoto in [true, false] {
                #expect(try kernel(frames, KernelPolicy(policy), enforcing: enforcing, mayGoto: mayGoto) == ours)
            }
        }
        return ours.map(\.handshake)
    }

    private func frames(with tags: [UInt8]) -> [[UInt8]] {
        (c.handshake + [c.data(hello, at: 0)]).map { Array($0[..<12]) + tags + $0[12...] }
    }

    @Test(
        "Tags of every kind, and many, are the link's own: their hello is judged like any other",
        arguments: [
            ([0x91, 0, 0, 7], 1), ([0x91, 0, 0, 7, 0x81, 0, 0, 9], 2), ([0x88, 0xa8, 0, 1, 0x91, 0, 0, 2, 0x81, 0, 0, 3], 3),
            ([UInt8]((0..<8).flatMap { [0x81, 0, 0, $0] as [UInt8] }), 8), ([UInt8]((0..<40).flatMap { [0x81, 0, 0, $0] as [UInt8] }), 40),
            ([0x89, 9, 1, 1, 0, 1, 0, 7], 0), ([0x81, 0, 0, 7, 0x89, 9, 1, 1, 0, 1, 0, 7], 1),
            ([0x89, 9, 1, 2, 0, 1, 0, 7, 0, 2, 0, 8], 0)
        ] as [([UInt8], Int)])
    func tags(tags: [UInt8], count: Int) throws {
        for policy in [everything, Self.opened] {
            let found = try both(frames(with: tags), policy)
            #expect(
                found.map(\.anomalies) == [Self.nameless] && found.map(\.vlanTags) == [count] && found.allSatisfy { $0.tunnels.isEmpty })
            #expect(found.map(\.outcome) == [.admitted])
        }
    }

    @Test(
        "A length or no type behind a tag is no Ethernet frame in a frame: whoever sends that makes no record of another's",
        arguments: [[0x81, 0, 0, 7, 0, 0], [0x81, 0, 0, 7, 5, 0xdc], [0, 0], [0x89, 9, 1, 1, 0, 1, 0, 7, 0, 0]] as [[UInt8]])
    func noType(tags: [UInt8]) throws {
        let inner = c.handshake + [c.data(hello, at: 0)]
        #expect(try both(inner.map { Array($0[..<12]) + tags + $0 }, Self.opened).isEmpty)
    }

    /// A frame, and what it is counted as.
    static let sealed: [(name: String, tags: [UInt8], counter: Counter?)] = [
        ("PPPoE, compressed", [0x88, 0x64, 0x11, 0, 0, 7, 1, 0, 0, 0xfd], .tunnelsSealed),
        ("PPPoE, encrypted", [0x88, 0x64, 0x11, 0, 0, 7, 1, 0, 0, 0x53], .tunnelsSealed),
        ("PPPoE, of a version to come", [0x88, 0x64, 0x21, 0, 0, 7, 1, 0, 0, 0x21], .tunnelsSealed),
        ("PPPoE, that speaks of the link", [0x88, 0x64, 0x11, 0, 0, 7, 1, 0, 0xc0, 0x21], nil),
        ("MPLS, of an unknown form", [0x88, 0x47, 0, 1, 0x0b, 64, 0x93, 0x93, 0x93], .tunnelsSealed),
        ("MPLS, an operator's channel", [0x88, 0x47, 0, 1, 0x0b, 64, 0x10, 0, 0, 0], nil),
        ("MPLS, without an end", [0x88, 0x47] + [UInt8](repeating: 0, count: 300), .deepHeaders),
        ("tags without an end", [UInt8]((0..<70).flatMap { [0x81, 0, 0, $0] as [UInt8] }), .deepHeaders),
        ("Cisco's metadata beyond the frame", [0x89, 9, 1, 255, 0, 1, 0, 7], nil)
    ]

    @Test("What cannot be read is counted by why, in both engines alike", arguments: sealed.indices)
    func counted(index: Int) throws {
        let (_, tags, counter) = Self.sealed[index], watched: [Counter] = [.tunnelsSealed, .tunnelsSplit, .deepHeaders]
        guard geteuid() == 0 else { return }
        for mayGoto in [true, false] {
            let pair = try EnginePair(KernelPolicy(Self.opened), enforcing: true, mayGoto: mayGoto)
            for frame in frames(with: tags) {
                let said = try pair.run(frame)
                #expect(said.native.isEmpty && said.kernel.isEmpty)
            }
            let counters = pair.counters, last = frames(with: tags).count
            for each in watched {
                #expect(counters.native[each] == counters.kernel[each], "\(each)")
                #expect((counters.native[each] > 0) == (each == counter) && counters.native[each] <= last, "\(each)")
            }
        }
    }

    @Test("GTP-U that is no packet of a subscriber's, and a tunnel in fragments")
    func others() throws {
        let plain = c.data(hello, at: 0), wrapped = Wrapping.gtpWithExtensions.around(plain)
        guard geteuid() == 0 else { return }
        let pair = try EnginePair(KernelPolicy(Self.opened), enforcing: true)
        var echo = wrapped
        echo[14 + 20 + 8 + 1] = 1
        _ = try pair.run(echo)
        #expect(pair.counters.native[.tunnelsSealed] == 0 && pair.counters.kernel[.tunnelsSealed] == 0)
        var empty = wrapped
        empty[14 + 20 + 8 + 12] = 0  // an extension header of no length
        _ = try pair.run(empty)
        #expect(pair.counters.native[.tunnelsSealed] == 1 && pair.counters.kernel[.tunnelsSealed] == 1)
        for wrapping in [Wrapping.vxlan, .gtp, .ipip, .gre] {
            for part in fragments(of: wrapping.around(plain), size: 128) { _ = try pair.run(part) }
        }
        #expect(Wrapping.mplsInPPPoE.tunnels.ids + Wrapping.gtp.tunnels.ids == ["pppoe", "mpls", "gtp"])
        #expect(pair.counters.native[.tunnelsSplit] == 4 && pair.counters.kernel[.tunnelsSplit] == 4)
    }

    @Test(
        "In front of a server a tunnel's frame passes, however deep its headers are", .enabled(if: geteuid() == 0, "loading BPF needs root")
    )
    func passes() throws {
        let pair = try HookPair(KernelPolicy(Self.opened))
        let deep = (0..<5).reduce(c.data(hello, at: 0)) { inner, _ in Wrapping.ipip.around(inner) }
        for frame in [deep, Wrapping.mpls.around(c.data(hello, at: 0)), frames(with: Self.sealed[6].tags)[0]] {
            let said = try pair.run(frame, fromClient: true)
            #expect(said.passes && said.isSame)
        }
        // Not so what nobody has wrapped.
        let tagged = try pair.run(frames(with: Self.sealed[7].tags)[0], fromClient: true)
        #expect(!tagged.passes && tagged.isSame)
    }
}
