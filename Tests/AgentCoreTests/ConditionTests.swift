import AgentCore
import ControllerCore
import Detection
import Messages
import Testing
import Units
import Vocabulary
import Wire

/// What is told of a destination touches no source, whatever the policy says.
@Suite struct ConditionTests {
    private static func flood(_ second: UInt64) -> Handshake {
        var flow = Handshake()
        flow.kind = .flow
        flow.transport = .udp
        flow.anomalies = AnomalySet(.quicUnvalidatedFlood)
        flow.reach = .destination
        flow.destination = Address("192.0.2.1")!
        flow.destinationPort = 443
        flow.seenNanoseconds = second * 1_000_000_000
        return flow
    }

    private func policy(_ severity: Severity, proof: Proof = .tracked) -> Policy {
        var policy = Policy()
        policy.mode = .enforce
        policy.proof = proof
        policy.detections[.quicUnvalidatedFlood]?.severity = severity
        return policy
    }

    @Test(
        "It makes an event without proof, prefix, limit or consequence", arguments: [Severity.medium, .high, .critical],
        [Proof.unproven, .tracked])
    func event(severity: Severity, proof: Proof) throws {
        let policy = policy(severity, proof: proof), world = RecordingWorld()
        var core = NodeCore<TableOfFingerprints>(policy, NodeOptions(node: "a", bootID: "0", seed: 1))
        #expect(core.take(Self.flood(5), hello: RawSpan(), in: world) == AnomalySet(.quicUnvalidatedFlood))
        #expect(core.hasDueEvents && core.trackedSources == 0)
        let next = core.nextEvent(in: world)
        let event = try #require(next)
        #expect(event.sourcePrefix.description == "::/0" && event.proof == .unproven && event.reach == .destination && event.limit == nil)
        #expect(event.destinationAddress == Address("192.0.2.1") && event.action == .none && event.severity == severity)
        #expect(core.nextEvent(in: world) == nil && !core.hasDueEvents)
        #expect(!world.said().contains { $0.contains("limit") })
        var controller = Controller(policy: policy, sources: 16, limits: 16)
        for number in 0..<100 { #expect(controller.consider(event, at: LogPosition(partition: 0, offset: Int64(number))).isEmpty) }
        var accounts = Accounts()
        core.account(into: &accounts)
        #expect(accounts[.own] == 1 && accounts[.unproven] == 0)
    }

    @Test("Below med it is recorded and makes none, and what does not fit is counted")
    func quiet() {
        let world = RecordingWorld()
        var core = NodeCore<TableOfFingerprints>(policy(.low), NodeOptions(node: "a", bootID: "0", seed: 1))
        core.take(Self.flood(5), hello: RawSpan(), in: world)
        #expect(!core.hasDueEvents && core.statistics.unproven == 1)
        core = NodeCore<TableOfFingerprints>(policy(.medium), NodeOptions(node: "a", bootID: "0", seed: 1))
        for second in 0..<100 as Range<UInt64> { core.take(Self.flood(second), hello: RawSpan(), in: world) }
        var accounts = Accounts()
        core.account(into: &accounts)
        #expect(accounts[.gathering] == 64 && accounts[.unproven] == 36)
        var made = 0
        while core.nextEvent(in: world) != nil { made += 1 }
        #expect(made == 64)
    }
}
