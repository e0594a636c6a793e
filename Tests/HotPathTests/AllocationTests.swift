import AgentCore
import BPF
import CAllocationCounter
import Detection
import Fingerprints
import Glibc
import History
import Linux
import Messages
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

@Suite struct AllocationTests {
    @Test("The counter counts")
    func counter() {
        let before = weir_allocations()
        let memory = malloc(10)
        free(memory)
        #expect(weir_allocations() == before + 1)
    }

    @Test(
        "Nothing is allocated between ring and verdict, neither for a flood nor for people, nor where the policy has every name looked into, with a history kept",
        .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: [false, true])
    func ringToVerdict(lists: Bool) throws {
        var settings = ProbeSettings()
        settings.replay = true
        var policy = Policy()
        policy.mode = .enforce
        policy.capture = .all
        policy.detections[.ipLiteralSNI] = policy.detections[.missingSNI]
        if lists {
            policy.detections[.unknownSNI] = policy.detections[.missingSNI]
            policy.lists.servedNames = ["a-name-that-is-longer-than-fifteen-bytes.example", "*.example"]
            policy.lists.protocols = ["h2", "http/1.1"]
        }
        let probe = try KernelProbe(KernelPolicy(policy), settings: settings)
        var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        var core = NodeCore<HelloFactsReader>(policy, NodeOptions(node: "node", bootID: "1", seed: 1))
        let world = CountingWorld()
        // The last round finds it full: what has no room costs nothing either.
        let history = HistoryBuffer(capacity: 128 << 10)
        var publications = 0
        for round in 0..<3 as Range<UInt16> {
            for port in 0..<200 as Range<UInt16> {
                let c = Conversation(client: Address(ipv4: 0xcb00_7100 + UInt32(port % 16)), clientPort: 1000 + round * 1000 + port)
                // Every fifth has something that only user space sees, so that a limit is set here as well.
                let name = port % 5 == 0 ? "192.0.2.7" : port % 2 == 0 ? nil : "shop.example"
                for frame in c.handshake + [c.data(Hello(serverName: name, number: Int(round) << 16 | Int(port)).stream(), at: 0)] {
                    _ = try probe.run(.replayLimiter, over: frame.span.bytes, at: 1_000_000_000 + UInt64(round) * 1_000_000 + UInt64(port))
                }
            }
            let before = weir_allocations()
            let drained = ring.drain(budget: .max) { record in
                guard let handshake = Handshake(record) else { return }
                core.take(
                    handshake, hello: record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength), in: world)
                history.add(record.extracting(first: Handshake.size + handshake.rawLength), offset: core.clockOffset)
            }
            // The first round also pays for what the language makes once.
            if round > 0 { #expect(weir_allocations() == before, "round \(round)") }
            #expect(drained == 200)
        }
        while let event = core.nextEvent(in: world) {
            publications += 1
            #expect(event.ja4 != nil, "the hello's bytes came along")
        }
        #expect(publications == 16 && world.limits > 0 && core.refusedLimits == 0)
        #expect(core.latency.count == 600 && core.enforcedLatency.count == world.limits)
        #expect(core.board.busiest(100).count == 16)
        #expect(history.missedCount > 0 && history.missedCount < 400)
    }
}

@Suite struct StallsAllocationTests {
    @Test("The loop's account of its time allocates nothing once it stands, whatever is noted and however long it goes on")
    func account() {
        var stalls = Stalls(at: 0, cpu: 0), now: UInt64 = 0, cpu: UInt64 = 0
        _ = Self.turns(10, &stalls, &now, &cpu)
        let before = weir_allocations()
        let longest = Self.turns(100_000, &stalls, &now, &cpu)
        #expect(weir_allocations() == before)
        #expect(longest > 0 && stalls.history.count == Stalls.columns && stalls.worst.count == Stalls.worstKept)
    }

    /// Short and long parts, late and timely waits; the longest turn.
    private static func turns(_ count: UInt64, _ stalls: inout Stalls, _ now: inout UInt64, _ cpu: inout UInt64) -> UInt64 {
        var longest: UInt64 = 0, number: UInt64 = 0
        // A range of these allocates where nothing is optimised.
        while number < count {
            number += 1
            stalls.waited(from: now, to: now + 2_000_000, due: now + number % 3 * 1_000_000)
            now += 2_000_000
            let took = number * 7919 % 40_000_000, used = cpu + took / 2
            stalls.note(number % 2 == 0 ? .ring : .limits, from: now, to: now + took, cpu: used)
            now += took
            cpu = used
            longest = max(longest, stalls.ended(at: now, cpu: cpu).took)
        }
        return longest
    }
}

/// Setting a limit is one system call of the agent's; here it is counted.
private final class CountingWorld: NodeWorld {
    private(set) var limits = 0
    var steady: UInt64 { Clock.monotonic }
    var wall: Instant { Instant(nanoseconds: Clock.wall) }
    func interface(_ index: UInt32) -> String { "eth0" }

    func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool {
        limits += 1
        return entry.perSecond == 3
    }

    func release(_ key: LimitKey) {}
    func use(_ policy: Policy, lengths: [UInt8]) {}
    func enforce(_ enforcing: Bool) {}
    func allow(_ prefix: Prefix) -> Bool { true }
    func disallow(_ prefix: Prefix) {}
    func deny(_ fingerprint: UInt64) -> Bool { true }
    func admit(_ fingerprint: UInt64) {}
    func keep(_ limit: Limit) {}
    func forget(_ key: Limit.Key) {}
    func note(_ news: NodeNews) {}
}
