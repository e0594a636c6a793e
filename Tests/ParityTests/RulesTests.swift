import Detection
import Glibc
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

/// Rules of the kernel's that no frame shows alone: what a fragment leaves open, whom a window counts, what happens when tables are full.
@Suite(.enabled(if: geteuid() == 0, "loading BPF needs root")) struct RulesTests {
    private let policy = KernelPolicy(everything)

    private func nameless(_ number: Int) -> [UInt8] { Hello(serverName: nil, number: number).stream() }

    // MARK: Fragments

    @Test(
        "A fragment that came before its first was placed by nobody: a hello of its sender's that came in fragments is not clean",
        arguments: [false, true])
    func unplaced(isTurned: Bool) throws {
        let pair = try HookPair(policy), story = Story(pair), whole = Hello(number: 1).stream()
        let parts = fragments(of: story.c.data(whole, at: 0), size: 104)
        try story.open()
        for part in isTurned ? parts.reversed() : parts { try story.send(part) }
        // What was lost of it comes again.
        if isTurned { try story.send(story.c.data(whole, at: 0)) }
        #expect(pair.told.map(\.completeness) == [.reassembled])
        try story.server(serverHello, acknowledging: whole.count)
        #expect(story.answers == (isTurned ? counted : free))
        // Its sender's other connections, which came in no fragments, are as clean as they are.
        let other = Story(pair, port: 40_001)
        try other.open()
        try other.client(Hello(number: 2).stream(), at: 0)
        try other.server(serverHello, acknowledging: whole.count)
        #expect(story.answers == (isTurned ? [1, 1, 0] : [2, 0, 0]))
    }

    @Test("It waits no longer than a stack keeps fragments")
    func placedInTime() throws {
        let pair = try HookPair(policy), story = Story(pair), whole = Hello(number: 1).stream()
        try story.send(fragments(of: story.c.data(whole, at: 0), size: 104)[1])
        pair.now += 31_000_000_000
        try story.open()
        for part in fragments(of: story.c.data(whole, at: 0), size: 104, id: 78) { try story.send(part) }
        try story.server(serverHello, acknowledging: whole.count)
        #expect(story.answers == free)
    }

    // MARK: Windows

    @Test(
        "A limit holds towards the one destination that answered, unless the policy vouches for it: there it holds for all that the source does"
    )
    func reach() throws {
        // Four hellos to each of two servers within a second.
        func outcomes(_ policy: KernelPolicy) throws -> (refused: [Int], reach: Set<Reach>) {
            let pair = try EnginePair(policy, enforcing: true)
            var refused: [Int] = [], reach: Set<Reach> = []
            for (turn, server) in ["198.51.100.2", "198.51.100.3"].enumerated() {
                var here = 0
                for number in 0..<4 {
                    let c = Conversation(client: Address("203.0.113.9")!, server: Address(server)!, clientPort: UInt16(40_000 + number))
                    for frame in c.handshake + [c.data(nameless(10 * turn + number), at: 0)] {
                        let (ours, theirs) = try pair.run(frame, step: 100_000)
                        #expect(ours == theirs)
                        here += ours.filter(\.handshake.outcome.isRefused).count
                        reach.formUnion(ours.map(\.handshake.reach))
                    }
                }
                refused.append(here)
            }
            return (refused, reach)
        }
        func vouching(_ destinations: [String]) -> KernelPolicy {
            var policy = everything, target = Policy.Target(workload: "shop/web")
            target.destinations = destinations.map { Prefix($0)! }
            policy.scaleOut.targets = [target]
            return KernelPolicy(policy)
        }
        let none = try outcomes(policy), first = try outcomes(vouching(["198.51.100.2/32"])),
            both = try outcomes(vouching(["198.51.100.0/24"])),
            all = try outcomes(vouching([]))
        #expect(none.refused == [1, 1] && none.reach == [.destination], "\(none)")
        #expect(first.refused == [1, 4] && first.reach == [.source, .destination])
        #expect(both.refused == [1, 4] && both.reach == [.source])
        #expect(all.refused == [1, 4] && all.reach == [.source])
    }

    /// One nameless hello of each source, a millisecond apart at most.
    private func outcomes(_ sources: [String]) throws -> [Outcome] {
        let pair = try EnginePair(policy, enforcing: true)
        var told: [Outcome] = []
        for (number, source) in sources.enumerated() {
            let c = Conversation(client: Address(source)!, server: Address("2001:db8::2")!)
            for frame in c.handshake + [c.data(nameless(number), at: 0)] {
                let (ours, theirs) = try pair.run(frame, step: 100_000)
                #expect(ours == theirs)
                told += ours.map(\.handshake.outcome)
            }
        }
        return told
    }

    @Test("An IPv6 /56 has a window of twelve, whatever /64s its hellos come from")
    func window56() throws {
        let inside = (0..<14).map { "2001:db8:1:1\(String($0, radix: 16).count == 1 ? "0" : "")\(String($0, radix: 16))::1" }
        #expect(try outcomes(inside) == [Outcome](repeating: .admitted, count: 12) + [.reset, .reset])
        #expect(try outcomes(inside.prefix(12) + ["2001:db8:1:200::1"]).last == .admitted, "another /56's")
    }

    @Test("An IPv6 /48 has a window of forty-eight, whatever /56s")
    func window48() throws {
        let inside = (0..<50).map { "2001:db8:1:\(String(0x1000 + $0 * 0x100, radix: 16))::1" }
        #expect(try outcomes(inside) == [Outcome](repeating: .admitted, count: 48) + [.reset, .reset])
        #expect(try outcomes(inside.prefix(48) + ["2001:db8:2::1"]).last == .admitted, "another /48's")
    }

    @Test("IPv4 has no wider windows")
    func noWindow() throws {
        #expect(try outcomes((1...60).map { "203.0.113.\($0)" }) == [Outcome](repeating: .admitted, count: 60))
    }

    @Test("The map of limits is full: strangers share one limit, those who are in it have their own")
    func full() throws {
        let pair = try EnginePair(policy, enforcing: true)
        // Five entries of 16,384 are the shared limits themselves.
        let room = 16_384 - 5
        func say(_ source: UInt32, _ number: Int, port: UInt16 = 4000) throws -> Handshake? {
            let c = Conversation(client: Address(ipv4: 0x0a00_0000 + source), clientPort: port)
            var told: [Handshake] = []
            for frame in [c.synAck, c.ack, c.data(nameless(number), at: 0)] {
                let (ours, theirs) = try pair.run(frame, step: 1000)
                #expect(ours == theirs)
                told += ours.map(\.handshake)
            }
            return told.last
        }
        for number in 0..<room { #expect(try say(UInt32(number), number)?.outcome == .admitted) }
        #expect(pair.counters.native[.limitsFull] == 0)
        let strangers = try (0..<5).map { try say(UInt32(room + $0), room + $0)?.outcome }
        #expect(strangers == [.admitted, .admitted, .admitted, .reset, .reset])
        #expect(try say(1, 99_999, port: 5000)?.outcome == .admitted, "its own window has room")
        let (native, kernel) = pair.counters
        for counter in [Counter.limitsFull, .shared] { #expect(native[counter] == 5 && kernel[counter] == 5) }
    }

    // MARK: Where a frame is seen

    @Test("A hello seen once more on its way to the translated address is told of once, and counted once")
    func translated() throws {
        let pair = try EnginePair(policy, enforcing: true)
        var told: [Handshake] = []
        for port in 0..<4 as Range<UInt16> {
            let outside = Conversation(clientPort: 6000 + port)
            var inside = Conversation(server: Address("10.244.0.9")!, clientPort: 6000 + port)
            inside.serverPort = 8443
            let hello = nameless(Int(port))
            for frame in outside.handshake + inside.handshake + [outside.data(hello, at: 0), inside.data(hello, at: 0)] {
                let (ours, theirs) = try pair.run(frame)
                #expect(ours == theirs)
                told += ours.map(\.handshake)
            }
        }
        #expect(
            told.map(\.outcome) == [.admitted, .admitted, .admitted, .reset]
                && told.allSatisfy { $0.destination == Address("198.51.100.2") })
        #expect(pair.counters.native[.translated] == 4 && pair.counters.kernel[.translated] == 4)
    }

    @Test("Another client's hello with the same random is a replay, not a translation")
    func replayed() throws {
        let pair = try EnginePair(policy, enforcing: true)
        var told: [Handshake] = []
        for (client, server) in [("203.0.113.66", "198.51.100.2"), ("203.0.113.67", "10.244.0.9")] {
            let c = Conversation(client: Address(client)!, server: Address(server)!)
            for frame in c.handshake + [c.data(nameless(1), at: 0)] { told += try pair.run(frame).native.map(\.handshake) }
        }
        #expect(told.map { $0.anomalies.contains(.replayedHello) } == [false, true])
    }

    @Test("Frames that begin with their IP header are read as such, both ways", arguments: [false, true])
    func raw(isSix: Bool) throws {
        let pair = try HookPair(policy, isRaw: true)
        let c = isSix ? Conversation(client: Address("2001:db8::66")!, server: Address("2001:db8::2")!) : Conversation()
        let hello = nameless(1)
        let answer = c.frame(
            fromClient: false, sequence: c.serverISN &+ 1, acknowledged: c.clientISN &+ 1 &+ UInt32(hello.count),
            flags: Conversation.acknowledge, payload: serverHello)
        for (frame, fromClient) in [(c.syn, true), (c.synAck, false), (c.ack, true), (c.data(hello, at: 0), true), (answer, false)] {
            #expect(try pair.run(Array(frame[14...]), fromClient: fromClient).isSame)
        }
        #expect(
            pair.told.map(\.proof) == [.tracked] && pair.told.map(\.source) == [c.client]
                && pair.told.allSatisfy { $0.anomalies.contains(.missingSNI) })
        #expect(pair.counters.native[.answersCounted] == 1 && pair.counters.kernel[.answersCounted] == 1)
    }
}
