import AgentCore
import Detection
import Messages
import Testing
import Units
import Vocabulary
import Wire

private func verdict(
    _ address: String = "203.0.113.66", at milliseconds: Int64, _ outcome: Outcome = .admitted,
    _ anomalies: AnomalySet = AnomalySet(.missingSNI), proof: Proof = .tracked
) -> Handshake {
    var handshake = Handshake()
    handshake.source = Address(address)!
    handshake.destination = Address("198.51.100.2")!
    handshake.destinationPort = 443
    handshake.anomalies = anomalies
    handshake.outcome = outcome
    handshake.proof = proof
    handshake.limitPerSecond = 3
    handshake.seenNanoseconds = UInt64(milliseconds * 1_000_000)
    return handshake
}

private func time(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

private let enforcing: Policy = {
    var policy = Policy()
    policy.mode = .enforce
    return policy
}()

@Suite struct AgentTests {
    private func agent(_ policy: Policy = enforcing, capacity: Int = 64) -> Agent {
        Agent(policy: policy, node: "node", bootID: "b", seed: 1, capacity: capacity)
    }

    private func publish(_ agent: inout Agent, _ slot: Int, at milliseconds: Int64) -> ThrottleEvent {
        agent.takeEvent(
            of: slot, interface: "eth0", hello: nil, seen: time(milliseconds), decided: time(milliseconds), enforced: nil, until: nil)
    }

    @Test("A source's first anomaly is told at once, the rest at most once a second with exact counts")
    func coalescing() throws {
        var agent = agent(), events: [ThrottleEvent] = []
        // 50 a second for ten seconds, three of each second admitted.
        for number in 0..<500 as Range<Int64> {
            let now = number * 20
            for slot in agent.tick(at: time(now)) { events.append(publish(&agent, slot, at: now)) }
            let order = agent.consider(verdict(at: now, number % 50 < 3 ? .admitted : .reset), found: [], at: time(now))
            if let slot = order.publish { events.append(publish(&agent, slot, at: now)) }
        }
        for slot in agent.tick(at: time(20_000)) { events.append(publish(&agent, slot, at: 20_000)) }
        #expect(events.count == 11)
        #expect(events[0].action == .limited && events[0].counts.seen == 1)
        #expect(events.dropFirst().allSatisfy { $0.action == .alreadyLimited && $0.enforcedBy == .kernel })
        #expect(events.reduce(0) { $0 + $1.counts.seen } == 500)
        #expect(events.reduce(0) { $0 + $1.counts.reset } == 470)
        for (event, before) in zip(events.dropFirst(), events) { #expect(event.time - before.time >= .seconds(1)) }
        #expect(Set(events.map(\.id)).count == events.count && Set(events.map(\.traceID)).count == events.count)
    }

    @Test(
        "An observing node counts what a limit would have refused: beyond so many within a second, never a slow source, and nothing when it enforces",
        arguments: [(500, 47, Policy.Mode.observe), (340, 0, .observe), (20, 0, .enforce)] as [(Int64, Int, Policy.Mode)])
    func wouldRefuse(interval: Int64, each: Int, mode: Policy.Mode) throws {
        var policy = Policy()
        policy.mode = mode
        var agent = agent(policy), events: [ThrottleEvent] = []
        // 50 a second, or three a second.
        let step = interval == 500 ? 20 : interval
        for number in 0..<100 as Range<Int64> {
            let now = number * step
            for slot in agent.tick(at: time(now)) { events.append(publish(&agent, slot, at: now)) }
            if let slot = agent.consider(verdict(at: now, mode == .observe ? .observed : .reset), found: [], at: time(now)).publish {
                events.append(publish(&agent, slot, at: now))
            }
        }
        for slot in agent.tick(at: time(100_000)) { events.append(publish(&agent, slot, at: 100_000)) }
        #expect(events.reduce(0) { $0 + $1.counts.wouldRefuse } == 2 * each)
        #expect(events[0].counts.wouldRefuse == 0 && events.contains { $0.counts.hasRefused } == (each > 0 || mode == .enforce))
    }

    @Test(
        "What nothing proves counts against nobody, and neither does what is allowed or only recorded",
        arguments: [
            verdict(at: 0, proof: .unproven), verdict(at: 0, .allowed), verdict(at: 0, .passed, AnomalySet(.ipLiteralSNI)),
            verdict(at: 0, .passed, [])
        ])
    func ignored(handshake: Handshake) {
        var agent = agent()
        let order = agent.consider(handshake, found: [], at: time(0))
        #expect(order.publish == nil && order.limit == nil)
        #expect(agent.trackedSources == 0)
    }

    @Test("What only user space can judge is limited by the agent, and only when the policy says so")
    func literal() throws {
        var policy = enforcing
        policy.detections[.ipLiteralSNI] = Policy.Rule(severity: .high, limit: Policy.LimitRule())
        var agent = agent(policy)
        let limit = try #require(agent.consider(verdict(at: 0, .passed, []), found: AnomalySet(.ipLiteralSNI), at: time(0)).limit)
        #expect(limit.key.prefix.description == "203.0.113.66/32" && limit.perSecond == 3 && limit.until == time(600_000))
        var observing = Policy()
        observing.detections = policy.detections
        agent.use(observing)
        let order = agent.consider(verdict("203.0.113.67", at: 5000, .observed, []), found: AnomalySet(.ipLiteralSNI), at: time(5000))
        #expect(order.limit == nil)
        #expect(publish(&agent, try #require(order.publish), at: 5000).action == .observed)
    }

    @Test("An IPv6 source is its /64, an IPv4 source its address")
    func prefixes() throws {
        var agent = agent()
        let first = agent.consider(verdict("2001:db8::66", at: 0), found: [], at: time(0)),
            second = agent.consider(verdict("2001:db8::67", at: 1), found: [], at: time(1))
        #expect(second.publish == nil && agent.trackedSources == 1)
        let event = publish(&agent, try #require(first.publish), at: 1)
        #expect(event.sourcePrefix.description == "2001:db8::/64" && event.counts.seen == 2)
    }

    @Test("An event is ordered once, and takes in what its source does until it is made; its ticks order none beside it")
    func due() throws {
        var agent = agent()
        let slot = try #require(agent.consider(verdict(at: 0), found: [], at: time(0)).publish)
        for number in 1...3 as ClosedRange<Int64> {
            #expect(agent.consider(verdict(at: number), found: [], at: time(number)).publish == nil)
        }
        #expect(agent.tick(at: time(2000)).isEmpty)
        let event = publish(&agent, slot, at: 3)
        #expect(event.counts.seen == 4 && event.counts.suppressed == 3)
        // Nothing is left over for the next second.
        #expect(agent.tick(at: time(5000)).isEmpty)
        #expect(agent.consider(verdict(at: 500), found: [], at: time(500)).publish == nil)
        let next = agent.tick(at: time(1500))
        #expect(next == [slot] && agent.tick(at: time(1600)).isEmpty, "ordered once by ticks, too")
        #expect(publish(&agent, slot, at: 1500).counts.seen == 1)
        #expect(agent.consider(verdict(at: 2600), found: [], at: time(2600)).publish == slot)
    }

    @Test("The event of a limit that was set here says so, also when the kernel has counted the source's next hello against it by then")
    func setHere() throws {
        var policy = enforcing
        policy.detections[.ipLiteralSNI] = policy.detections[.missingSNI]
        var agent = agent(policy)
        let order = agent.consider(verdict(at: 0, .passed, []), found: AnomalySet(.ipLiteralSNI), at: time(0)),
            slot = try #require(order.publish), limit = try #require(order.limit)
        #expect(agent.consider(verdict(at: 1, .reset, []), found: AnomalySet(.ipLiteralSNI), at: time(1)).publish == nil)
        let event = agent.takeEvent(
            of: slot, interface: "", hello: nil, seen: time(0), decided: time(0), enforced: time(0) + .microseconds(20), until: limit.until)
        #expect(
            event.enforcedBy == .agent && event.action == .limited && event.seenToEnforced == 20 && event.counts.seen == 2
                && event.counts.reset == 1)
    }

    @Test(
        "What somebody behind the node may have answered limits towards that destination, in class anomalous, and is told apart from what others may act on"
    )
    func reach() throws {
        var policy = enforcing
        var all = Policy.LimitRule(perSecond: 2)
        all.limitClass = .all
        policy.detections[.ipLiteralSNI] = Policy.Rule(severity: .high, limit: all)
        var agent = agent(policy)
        func said(_ milliseconds: Int64, _ reach: Reach, _ found: AnomalySet) -> Agent.Order {
            var handshake = verdict(at: milliseconds, .passed, AnomalySet())
            handshake.reach = reach
            return agent.consider(handshake, found: found, at: time(milliseconds))
        }
        let bound = said(0, .destination, AnomalySet(.ipLiteralSNI)), free = said(1, .source, AnomalySet(.missingSNI))
        #expect(bound.limit?.key == LimitKey(prefix: Prefix("203.0.113.66/32")!, limitClass: .anomalous, towards: Address("198.51.100.2")!))
        #expect(free.limit?.key.towards == nil)
        // The event that was due for the first becomes the second's, and of its anomaly alone.
        let event = publish(&agent, try #require(bound.publish), at: 2)
        #expect((event.reach, event.anomalies, event.counts.seen) == (.source, AnomalySet(.missingSNI), 1))
        // And what comes after it adds nothing to it.
        _ = said(10, .source, AnomalySet(.missingSNI))
        _ = said(11, .destination, AnomalySet(.ipLiteralSNI))
        let next = publish(&agent, try #require(agent.tick(at: time(1500)).first), at: 1500)
        #expect((next.reach, next.anomalies, next.counts.seen) == (.source, AnomalySet(.missingSNI), 1))
        let last = said(3000, .destination, AnomalySet(.ipLiteralSNI))
        #expect(publish(&agent, try #require(last.publish), at: 3000).reach == .destination)
    }
}
