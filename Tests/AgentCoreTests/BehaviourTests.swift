import AgentCore
import Detection
import Messages
import Testing
import Units
import Vocabulary
import Wire

/// What only many flows of a source tell.
@Suite struct BehaviourTests {
    private static let source = Address("203.0.113.66")!

    private var enforcing: Policy {
        var policy = Policy()
        policy.mode = .enforce
        return policy
    }

    private func hello(_ source: Address = source, fingerprint: UInt64 = 7, to destination: UInt32 = 1, proof: Proof = .tracked)
        -> Handshake
    {
        var handshake = Handshake()
        handshake.source = source
        handshake.destination = Address(ipv4: destination)
        handshake.destinationPort = 443
        handshake.fingerprint = fingerprint
        handshake.outcome = .passed
        handshake.proof = proof
        return handshake
    }

    private func flow(_ notes: Notes, proof: Proof = .tracked) -> Handshake {
        var handshake = hello(fingerprint: 0, proof: proof)
        handshake.kind = .flow
        handshake.notes = notes
        return handshake
    }

    private func agent(_ policy: Policy? = nil) -> Agent {
        Agent(policy: policy ?? enforcing, node: "node", bootID: "b", seed: 1, capacity: 64)
    }
    private func time(_ seconds: Double) -> Instant { Instant(nanoseconds: 1_800_000_000_000_000_000 + Int64(seconds * 1e9)) }

    @Test("Hellos that nobody goes on with: above the share, of enough hellos, and the source is limited from here")
    func incomplete() throws {
        // By default it counts and limits nobody: crowds do it as well.
        var policy = enforcing
        policy.detections[.handshakeIncomplete] = Policy.Rule(severity: .high, limit: Policy.LimitRule())
        var agent = agent(policy), orders: [Agent.Order] = []
        for number in 0..<20 { _ = agent.consider(hello(), found: [], at: time(Double(number))) }
        for number in 0..<20 { orders.append(agent.consider(flow(.silent), found: [], at: time(20 + Double(number)))) }
        #expect(orders.map { $0.anomalies.contains(.handshakeIncomplete) } == (1...20).map { $0 > 16 })
        let limit = try #require(orders[16].limit)
        #expect(limit.key.prefix == Prefix(Self.source, length: 128) && limit.perSecond == 3)

        // Of nineteen hellos nobody can say.
        var few = self.agent()
        for _ in 0..<19 { _ = few.consider(hello(), found: [], at: time(0)) }
        #expect((0..<19).allSatisfy { _ in few.consider(flow(.silent), found: [], at: time(1)).anomalies.isEmpty })
    }

    @Test("Fatal alerts, by the minute")
    func alerts() {
        var agent = agent()
        func alert(_ seconds: Double) -> Bool {
            agent.consider(flow(.fatalAlert), found: [], at: time(seconds)).anomalies.contains(.fatalAlertRate)
        }
        #expect((1...12).map { alert(Double($0)) } == (1...12).map { $0 > 10 })
        #expect((1...10).allSatisfy { !alert(62 + Double($0)) })
    }

    @Test("A stack for each hello is churn; a few stacks of many people are not")
    func churn() {
        var agent = agent()
        let found = (1...40).map {
            agent.consider(hello(fingerprint: UInt64($0)), found: [], at: time(Double($0))).anomalies.contains(.fingerprintChurn)
        }
        // Two values may share a bit, so it may come one or two later.
        let first = found.firstIndex(of: true)
        #expect((20...22).contains(first ?? 0) && found[(first ?? 0)...].contains(true))
        var people = self.agent()
        for number in 1...2000 {
            #expect(
                people.consider(hello(fingerprint: number % 3 > 0 ? 1 : UInt64(2 + number % 49)), found: [], at: time(Double(number) / 100))
                    .anomalies.isEmpty)
        }
    }

    @Test("Many destinations within a minute")
    func scan() {
        var agent = agent()
        let found = (1...25 as ClosedRange<UInt32>).map {
            agent.consider(hello(to: $0), found: [], at: time(Double($0))).anomalies.contains(.tlsScan)
        }
        #expect((20...22).contains(found.firstIndex(of: true) ?? 0))
        var slow = self.agent()
        for number in 1...60 as ClosedRange<UInt32> {
            #expect(slow.consider(hello(to: number), found: [], at: time(Double(number) * 4)).anomalies.isEmpty)
        }
    }

    @Test("What nothing proves is nobody's behaviour, and what is switched off is nobody's business")
    func unproven() {
        var agent = agent()
        for number in 1...60 as ClosedRange<UInt32> {
            #expect(
                agent.consider(hello(fingerprint: UInt64(number), to: number, proof: .unproven), found: [], at: time(0)).anomalies.isEmpty)
        }
        var policy = enforcing
        for anomaly in [Anomaly.tlsScan, .fingerprintChurn] { policy.detections[anomaly] = nil }
        var off = self.agent(policy)
        for number in 1...60 as ClosedRange<UInt32> {
            #expect(off.consider(hello(fingerprint: UInt64(number), to: number), found: [], at: time(0)).anomalies.isEmpty)
        }
    }

    @Test("More sources than the table holds push out the longest silent, and that is counted")
    func displaced() {
        var agent = agent()
        for number in 0..<20_000 as Range<UInt32> {
            _ = agent.consider(hello(Address(ipv4: 0x0a00_0000 + number)), found: [], at: time(Double(number) / 1000))
        }
        #expect(agent.displacedSources >= 20_000 - 2048 && agent.displacedSources < 20_000)
    }

    @Test("A kubelet that probes without a name every second for five minutes is never limited, and no event of it could scale anything")
    func kubelet() {
        var agent = agent()
        agent.allowed = AllowList([Prefix("10.244.0.0/24")!, Prefix("2001:db8:5::/64")!])
        for second in 0..<300 {
            for (address, outcome) in [("10.244.0.1", Outcome.observed), ("2001:db8:5::1", .passed)] {
                var probe = hello(Address(address)!)
                probe.anomalies = AnomalySet(.missingSNI)
                probe.outcome = outcome
                let order = agent.consider(probe, found: [], at: time(Double(second)))
                #expect(order.publish == nil && order.limit == nil)
            }
            #expect(agent.tick(at: time(Double(second))).isEmpty)
        }
        #expect(agent.statistics.events == 0 && agent.statistics.anomalous == 0)
        // Its neighbour in the next block is nobody special.
        var other = hello(Address("10.244.1.1")!)
        other.anomalies = AnomalySet(.missingSNI)
        #expect(agent.consider(other, found: [], at: time(301)).publish != nil)
    }

    @Test("A denied fingerprint that only user space knows yet is limited here, and told")
    func denied() throws {
        var policy = enforcing
        policy.lists.denied = [.init(.ja4, "t13d0505h2_000000000000_000000000000")]
        var agent = agent(policy)
        let order = agent.consider(hello(), found: AnomalySet(.fingerprintDenied), at: time(0))
        #expect(order.limit != nil && order.publish != nil && order.anomalies == AnomalySet(.fingerprintDenied))
        // Without a list there is nothing to be denied.
        var without = self.agent()
        #expect(without.consider(hello(), found: AnomalySet(.fingerprintDenied), at: time(0)).publish == nil)
    }
}
