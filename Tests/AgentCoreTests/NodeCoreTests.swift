import AgentCore
import Detection
import Messages
import Testing
import Units
import Vocabulary
import Wire

private func time(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

private let enforcing: Policy = {
    var policy = Policy()
    policy.mode = .enforce
    policy.name = "first"
    return policy
}()

private func limit(_ prefix: String = "203.0.113.66", until: Int64 = 600, origin: Limit.Origin = .controller) -> Limit {
    var limit = Limit(
        key: Limit.Key(prefix: Prefix(prefix)!, limitClass: .anomalous), perSecond: 3, answer: .reset, until: time(until), generation: 1,
        anomalies: AnomalySet(.missingSNI), traceID: "")
    limit.origin = origin
    return limit
}

private func verdict(
    _ address: String = "203.0.113.66", _ anomalies: AnomalySet = AnomalySet(.missingSNI), _ outcome: Outcome = .admitted,
    at seconds: Int64 = 1, fingerprint: UInt64 = 0
) -> Handshake {
    var handshake = Handshake()
    handshake.source = Address(address)!
    handshake.destination = Address("198.51.100.2")!
    handshake.destinationPort = 443
    handshake.interfaceIndex = 2
    handshake.anomalies = anomalies
    handshake.outcome = outcome
    handshake.proof = .tracked
    handshake.fingerprint = fingerprint
    handshake.seenNanoseconds = UInt64(seconds * 1_000_000_000)
    return handshake
}

@Suite struct NodeCoreTests {
    private let world = RecordingWorld()

    private func core(_ policy: Policy = enforcing) -> NodeCore<TableOfFingerprints> {
        var core = NodeCore<TableOfFingerprints>(policy, NodeOptions(node: "n", bootID: "b", seed: 1), capacity: 64)
        core.use(KnownAddresses(), at: time(0), in: world)
        return core
    }

    @Test("What the kernel has limited needs no limit of the agent's; what only the agent sees is limited before its event is made")
    func verdicts() {
        var policy = enforcing
        policy.lists.denied = [Policy.DeniedFingerprint(.ja4, "x")]
        policy.detections[.fingerprintDenied] = policy.detections[.missingSNI]
        var core = core(policy)
        world.wall = time(1)
        core.take(verdict(), hello: RawSpan(), in: world)
        #expect(world.said() == [] && core.hasDueEvents)
        #expect(core.nextEvent(in: world)?.action == .limited && !core.hasDueEvents)
        core.take(verdict("203.0.113.67", [], .passed, fingerprint: 7), hello: RawSpan(), in: world)
        core.take(verdict("203.0.113.68", [], .passed, fingerprint: 7), hello: RawSpan(), in: world)
        #expect(world.said() == ["deny 7", "limit 203.0.113.67/32", "limit 203.0.113.68/32"], "the kernel is told of a fingerprint once")
        let event = core.nextEvent(in: world)
        #expect(
            event?.action == .limited && event?.enforcedBy == .agent && event?.interface == "eth2" && event?.ja4 == "7"
                && event?.id == "n:b:2")
        core.tick(600, at: time(60), in: world)
        #expect(world.said() == ["admit 7"], "a denial has an end")
    }

    @Test("A table that is full is counted, and asked again for what the topic says, as room comes")
    func room() {
        var core = core()
        world.limitsRoom = 1
        core.take(limit(), at: time(0), in: world)
        core.take(limit("203.0.113.67"), at: time(0), in: world)
        #expect(world.said() == ["limit 203.0.113.66/32", "no room for 203.0.113.67/32"])
        #expect(
            core.account(naming: 9).held == 1
                && core.account(naming: 9).named == [NodeStatus.Lack(key: limit("203.0.113.67").key, reason: .noRoom)])
        core.tick(10, at: time(1), in: world)
        #expect(world.said() == ["no room for 203.0.113.67/32"])
        core.lift(limit().key, in: world)
        core.tick(20, at: time(2), in: world)
        #expect(world.said() == ["release 203.0.113.66/32", "limit 203.0.113.67/32"] && core.account(naming: 9).held == 2 - 1)
        #expect(world.kept.keys.map(\.description) == ["203.0.113.67/32|anomalous"])
    }

    @Test(
        "A policy's swap: whom it never limits, what the kernel judges by, what stands on the hooks, then the limits that stood meanwhile")
    func swap() {
        var observing = enforcing
        observing.mode = .observe
        var core = core(observing)
        core.take(limit(), at: time(0), in: world)
        core.take(limit("203.0.113.80"), at: time(0), in: world)
        #expect(world.said() == [], "an observing node sets none")
        var next = enforcing
        next.name = "second"
        next.allow.cidrs = [Prefix("203.0.113.80/32")!]
        core.use(next, KnownAddresses(), at: time(1), in: world)
        #expect(world.said() == ["allow 203.0.113.80/32", "release 203.0.113.80/32", "use second []", "enforce", "limit 203.0.113.66/32"])
        core.use(observing, KnownAddresses(), at: time(2), in: world)
        #expect(world.said().first == "disallow 203.0.113.80/32" && core.policy == observing)
    }

    @Test("The topic's budget of new sources begins once it was read; what is beyond holds in the next minute, and is told of in one line")
    func budget() {
        var policy = enforcing
        policy.trust.newLimits = 2
        var core = core(policy)
        for number in 1...3 { core.take(limit("203.0.113.\(number)"), at: time(0), in: world) }
        core.topicWasRead(in: world)
        #expect(world.said() == (1...3).map { "limit 203.0.113.\($0)/32" })
        for number in 4...7 {
            let isTaken = core.take(limit("203.0.113.\(number)"), at: time(0), in: world)
            #expect(isTaken == (number < 6))
        }
        core.tick(10, at: time(59), in: world)
        #expect(world.said() == ["limit 203.0.113.4/32", "limit 203.0.113.5/32", "overBudget(limits: 2, waiting: 2)"])
        core.tick(20, at: time(60), in: world)
        core.tick(30, at: time(120), in: world)
        #expect(Set(world.said()) == ["limit 203.0.113.6/32", "limit 203.0.113.7/32"])
    }

    @Test(
        "Never limited: the policy's blocks and proxies, this node's addresses, its pods' networks where asked for; a full list is told of")
    func allowed() {
        var known = KnownAddresses()
        known.own = [Prefix("198.51.100.2/32")!]
        known.pods = [Prefix("10.1.0.0/24")!]
        var policy = Policy()
        policy.allow.cidrs = [Prefix("192.0.2.0/24")!]
        #expect(AllowList(policy, known).prefixes == [Prefix("192.0.2.0/24")!, Prefix("198.51.100.2/32")!])
        policy.trust.proxies = [Prefix("192.0.2.9/32")!, Prefix("10.9.0.0/24")!]
        #expect(AllowList(policy, known).prefixes.isSuperset(of: policy.trust.proxies), "a proxy is many people")
        policy.allow.pods = true
        #expect(AllowList(policy, known).prefixes.contains(Prefix("10.1.0.0/24")!))
        (policy.allow.nodes, policy.allow.kubelet) = (false, false)
        #expect(!AllowList(policy, known).prefixes.contains(Prefix("198.51.100.2/32")!))
        var core = core()
        world.allowRoom = 0
        core.use(known, at: time(1), in: world)
        #expect(world.said() == ["allow 198.51.100.2/32", "allowListFull(\(Prefix("198.51.100.2/32")!))"])
        core.take(verdict("198.51.100.2"), hello: RawSpan(), in: world)
        #expect(!core.hasDueEvents, "nothing is held against whom nothing limits")
    }

    @Test("Limits of an earlier run hold until the topic has been read; what it has not said again by then goes, from the disk as well")
    func restored() {
        var core = core()
        core.restore([limit(), limit("203.0.113.67"), limit("203.0.113.68", until: 5)], at: time(10), in: world)
        #expect(world.said() == ["limit 203.0.113.66/32", "limit 203.0.113.67/32", "restored(limits: 2)"])
        core.take(limit(), at: time(11), in: world)
        _ = world.said()
        core.topicWasRead(in: world)
        #expect(world.said() == ["release 203.0.113.67/32"] && world.kept.keys.map(\.prefix) == [Prefix("203.0.113.66")!])
        core.topicWasRead(in: world)
        #expect(world.said() == [])
    }

    @Test("On a topic that was made anew a lesser generation is news; what nobody says again stays until its end")
    func anew() {
        var core = core(), before = limit(), after = limit(until: 900)
        before.generation = 5
        core.take(before, at: time(0), in: world)
        core.take(limit("203.0.113.67"), at: time(0), in: world)
        let isStale = !core.take(after, at: time(1), in: world)
        core.topicWasMadeAnew()
        let isNews = core.take(after, at: time(2), in: world)
        #expect(
            isStale && isNews
                && world.limits[LimitKey(prefix: after.key.prefix, limitClass: .anomalous)]?.untilNanoseconds == 900_000_000_000)
        #expect(core.account(naming: 0).held == 2)
    }

    @Test("A limit that ends is forgotten on the disk and left in the kernel, which has its end and may have renewed it")
    func ended() {
        var core = core()
        core.take(limit(until: 5), at: time(0), in: world)
        _ = world.said()
        core.tick(60, at: time(6), in: world)
        #expect(world.said() == [] && world.kept.isEmpty && world.limits.count == 1 && core.account(naming: 0).held == 0)
    }

    @Test("How long a limit took from the packet to this node is measured of fresh news alone")
    func latency() {
        var core = core()
        world.wall = time(100)
        core.take(limit(), seen: time(99), at: time(100), in: world)
        core.take(limit("203.0.113.67"), seen: time(80), at: time(100), in: world)
        #expect(core.clusterLatency.count == 1)
    }

    @Test(
        "Whatever comes in, and however it is proven: each record is in one term of the account, at every moment",
        arguments: 1...8 as ClosedRange<UInt64>)
    func accounts(seed: UInt64) {
        var policy = enforcing
        policy.trust.newSources = 8
        var random = SplitMix64(seed), core = core(policy), taken = 0
        func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
        for step in 1...2000 {
            world.wall = Instant(nanoseconds: Int64(step) * 100_000_000)
            // More sources than the table has room for.
            let anomalies = pick(3) == 0 ? AnomalySet() : AnomalySet([.missingSNI, .emptySNI, .fallbackSCSV][pick(3)])
            let source = "203.0.113.\(pick(2) == 0 ? pick(4) : pick(250))"
            var handshake = verdict(source, anomalies, [.admitted, .reset, .passed, .allowed][pick(4)])
            handshake.seenNanoseconds = UInt64(step) * 100_000_000
            handshake.proof = [.unproven, .tracked, .tracked, .socket][pick(4)]
            handshake.reach = pick(2) == 0 ? .source : .destination
            core.take(handshake, hello: RawSpan(), in: world)
            taken += 1
            if pick(10) == 0 { while core.nextEvent(in: world) != nil {} }
            if step % 10 == 0 { core.tick(step / 10, at: world.wall, in: world) }
            var accounts = Accounts()
            core.account(into: &accounts)
            accounts[.seen] = taken
            #expect(accounts.imbalance(of: .records) == 0, "\(accounts)")
            guard accounts.imbalance(of: .records) == 0 else { return }
        }
        var accounts = Accounts()
        core.account(into: &accounts)
        for term in [.own, .folded, .clean, .unproven, .allowed, .outweighed, .together] as [Accounts.Term] {
            #expect(accounts[term] > 0, "\(term)")
        }
    }
}
