import AgentCore
import BPF
import CAllocationCounter
import Detection
import Glibc
import Linux
import Probe
import Support
import Testing
import Wire

@Suite struct AllocationTests {
    @Test("The counter counts")
    func counter() {
        let before = weir_allocations()
        let memory = malloc(10)
        free(memory)
        #expect(weir_allocations() == before + 1)
    }

    @Test("Nothing is allocated between ring and verdict, neither for a flood nor for people", .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func ringToVerdict() throws {
        var settings = ProbeSettings()
        settings.replay = true
        var policy = Policy()
        policy.mode = .enforce
        policy.capture = .all
        policy.detections[.ipLiteralSNI] = policy.detections[.missingSNI]
        let probe = try KernelProbe(KernelPolicy(policy), settings: settings)
        var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        var agent = Agent(policy: policy, node: "node", bootID: "1", seed: 1)
        var path = VerdictPath()
        var limits = 0, publications = 0
        for round in 0..<3 as Range<UInt16> {
            for port in 0..<200 as Range<UInt16> {
                let c = Conversation(client: Address(ipv4: 0xcb00_7100 + UInt32(port % 16)), clientPort: 1000 + round * 1000 + port)
                for frame in c.handshake + [c.data(Hello(serverName: port % 2 == 0 ? nil : "shop.example", number: Int(round) << 16 | Int(port)).stream(), at: 0)] {
                    _ = try probe.run(.replayLimiter, over: frame.span.bytes, at: 1_000_000_000 + UInt64(round) * 1_000_000 + UInt64(port))
                }
            }
            let before = weir_allocations()
            let drained = ring.drain(budget: .max) { record in
                guard let handshake = Handshake(record) else { return }
                let raw = record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength)
                // Every fifth has something that only user space sees, so that a limit is set here as well.
                let found = handshake.sourcePort % 5 == 0 ? AnomalySet(.ipLiteralSNI) : AnomalySet()
                path.take(handshake, hello: raw, found: found, at: Instant(nanoseconds: Int64(handshake.seenNanoseconds)), &agent, clock: { Clock.monotonic }) { limit in
                    // Setting it is one system call of the shell's.
                    limits += 1
                    return limit.perSecond == 3
                }
            }
            // The first round also pays for what the language makes once.
            if round > 0 { #expect(weir_allocations() == before, "round \(round)") }
            #expect(drained == 200)
        }
        while let item = path.due.next() {
            publications += 1
            #expect(agent.withHello(of: item.slot) { $0.byteCount } ?? 0 > 0, "the hello's bytes came along")
        }
        #expect(publications == 16 && limits > 0 && path.refusedLimits == 0)
        #expect(path.latency.count == 600 && path.enforcedLatency.count == limits)
        #expect(path.board.busiest(100).count == 16)
    }
}
