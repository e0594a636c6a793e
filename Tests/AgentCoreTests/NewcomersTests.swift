import AgentCore
import Detection
import Messages
import Testing
import Units
import Vocabulary
import Wire

private func time(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

private func policy(newSources: Int = 600, mode: Policy.Mode = .enforce) -> Policy {
    var policy = Policy()
    policy.mode = mode
    policy.trust.newSources = newSources
    return policy
}

private func verdict(_ number: UInt32, at milliseconds: Int64, _ outcome: Outcome = .admitted) -> Handshake {
    var handshake = Handshake()
    handshake.source = Address(ipv4: 0x0a00_0000 + number)
    handshake.destination = Address("198.51.100.2")!
    handshake.destinationPort = 443
    handshake.anomalies = AnomalySet(.missingSNI)
    handshake.outcome = outcome
    handshake.proof = .tracked
    handshake.limitPerSecond = 3
    handshake.interfaceIndex = 2
    handshake.seenNanoseconds = UInt64(milliseconds * 1_000_000)
    return handshake
}

/// A node and all that it told.
private struct Node {
    private let world = RecordingWorld()
    private var core: NodeCore<TableOfFingerprints>
    private(set) var events: [ThrottleEvent] = []
    private(set) var taken = 0

    init(_ policy: Policy = policy(), capacity: Int = 8192, tellsEverySource: Bool = false) {
        let options = NodeOptions(node: "n", bootID: "b", seed: 1, tellsEverySource: tellsEverySource)
        core = NodeCore(policy, options, capacity: capacity)
        core.use(KnownAddresses(), at: time(0), in: world)
    }

    mutating func take(_ handshake: Handshake) {
        taken += 1
        core.take(handshake, hello: RawSpan(), in: world)
        tell()
    }

    mutating func tick(at milliseconds: Int64, number: Int = 1) {
        core.tick(number, at: time(milliseconds), in: world)
        tell()
    }

    private mutating func tell() { while let event = core.nextEvent(in: world) { events.append(event) } }

    var limits: Int { world.limits.count }
    var tracked: Int { core.trackedSources }

    /// Of all that was taken, what no term has.
    var imbalance: Int {
        var accounts = Accounts()
        core.account(into: &accounts)
        accounts[.seen] = taken
        return accounts.imbalance(of: .records)
    }

    func events(of number: UInt32) -> [ThrottleEvent] {
        events.filter { $0.sourceAddress == Address(ipv4: 0x0a00_0000 + number) && $0.counts.sources == 0 }
    }
    var together: [ThrottleEvent] { events.filter { $0.counts.sources > 0 } }
}

@Suite("New sources of a minute") struct NewcomersTests {
    @Test("Three quarters of a minute's new sources are anybody's, a quarter is for those that were refused; one event tells the rest")
    func budget() throws {
        var node = Node()
        for number in 0..<1000 as Range<UInt32> { node.take(verdict(number, at: 60_000 + Int64(number))) }
        #expect(node.events.count == 450 && node.imbalance == 0)
        for number in 2000..<2200 as Range<UInt32> { node.take(verdict(number, at: 62_000, .reset)) }
        #expect(node.events.count == 600 && node.imbalance == 0)
        node.tick(at: 119_900)
        #expect(node.events.count == 600, "not before the minute is over")

        node.tick(at: 120_000)
        let told = node.events.dropFirst(600).filter { $0.counts.sources == 0 }, together = try #require(node.together.first)
        #expect(
            told.count == 300 && told.prefix(50).allSatisfy { $0.counts.reset == 1 }
                && told.dropFirst(50).allSatisfy { $0.counts.reset == 0 })
        #expect(together.counts.sources == 300 && together.counts.seen == 300 && node.together.count == 1 && node.imbalance == 0)
        #expect(together.sourcePrefix.length == 0 && together.reach == .destination && together.limit == nil)
        node.tick(at: 180_000)
        #expect(node.together.count == 1, "nothing is left to tell")
    }

    @Test("A minute ends for those who wait though a record comes in the next one before the clock ticks")
    func overtaken() {
        var node = Node(policy(newSources: 4))
        for number in 0..<9 as Range<UInt32> { node.take(verdict(number, at: 60_000)) }
        #expect(node.events.count == 3)
        node.take(verdict(20, at: 120_000))
        node.tick(at: 120_100)
        #expect(node.events.count == 3 + 1 + 2 + 1 && node.together.first?.counts.sources == 4 && node.imbalance == 0)
    }

    @Test("Those that were refused most are told first when a minute begins")
    func order() {
        var node = Node(policy(newSources: 4))
        for number in 0..<6 as Range<UInt32> { node.take(verdict(number, at: 60_000, .reset)) }
        for number in 6..<12 as Range<UInt32> { for _ in 0...number { node.take(verdict(number, at: 61_000, .reset)) } }
        #expect(node.events.count == 4)
        node.tick(at: 120_000)
        #expect(node.events(of: 11).first?.counts.reset == 12 && node.events(of: 10).first?.counts.reset == 11)
        #expect(node.events.count == 7 && node.together.first?.counts.sources == 6 && node.imbalance == 0)
    }

    @Test(
        "Twenty thousand sources come once each; whoever attacks then is told within the second, limited, and keeps its place among more",
        arguments: [Policy.Mode.enforce, .observe])
    func attacker(mode: Policy.Mode) throws {
        var node = Node(policy(mode: mode), capacity: 64)
        let single: Outcome = mode == .enforce ? .admitted : .observed
        for number in 0..<20_000 as Range<UInt32> { node.take(verdict(number, at: 60_000 + Int64(number / 10), single)) }
        let before = node.events.count
        #expect(before == 450 && node.tracked <= 128 && node.imbalance == 0)
        for step in 0..<100 as Range<Int64> {
            node.take(verdict(500_000, at: 63_000 + step, step < 3 || mode == .observe ? single : .reset))
            for other in 0..<20 as Range<UInt32> { node.take(verdict(30_000 + UInt32(step) * 20 + other, at: 63_000 + step, single)) }
        }
        let first = try #require(node.events(of: 500_000).first)
        #expect(first.counts.seen == 4 && first.counts.hasRefused, "its fourth hello is the first that is refused")
        node.tick(at: 64_100)
        #expect(node.events(of: 500_000).reduce(0) { $0 + $1.counts.seen } == 100)
        #expect(node.imbalance == 0)
    }

    @Test("What only the agent can judge is limited, however many sources there are")
    func limited() {
        var node = Node(capacity: 4)
        for number in 0..<1000 as Range<UInt32> {
            var handshake = verdict(number, at: 60_000, .passed)
            handshake.transport = .udp
            node.take(handshake)
        }
        #expect(node.limits == 1000 && node.imbalance == 0)
    }

    @Test("A source that was told already costs nothing, and a report of a capture leaves nobody out")
    func known() {
        var node = Node(policy(newSources: 4))
        for second in 0..<20 as Range<Int64> {
            for number in 0..<3 as Range<UInt32> { node.take(verdict(number, at: 60_000 + second * 1000)) }
        }
        #expect(node.events.count == 60)
        var replay = Node(policy(newSources: 4), tellsEverySource: true)
        for number in 0..<1000 as Range<UInt32> { replay.take(verdict(number, at: 60_000)) }
        #expect(replay.events.count == 1000)
    }

    @Test("Silence makes room again")
    func forgotten() {
        var node = Node(capacity: 4)
        for number in 0..<8 as Range<UInt32> { node.take(verdict(number, at: 60_000)) }
        #expect(node.tracked > 4)
        for number in 1...100 { node.tick(at: 700_000, number: number) }
        #expect(node.tracked == 0)
    }
}
