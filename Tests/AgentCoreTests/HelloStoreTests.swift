import AgentCore
import Detection
import Messages
import Testing
import Units
import Vocabulary
import Wire

private func verdict(
    _ source: Address, port: UInt16 = 50_000, at milliseconds: Int64 = 0, kind: Kind = .hello,
    _ anomalies: AnomalySet = AnomalySet(.missingSNI)
) -> Handshake {
    var handshake = Handshake()
    handshake.source = source
    handshake.sourcePort = port
    handshake.destination = Address("198.51.100.2")!
    handshake.destinationPort = 443
    handshake.anomalies = anomalies
    handshake.outcome = .admitted
    handshake.proof = .tracked
    handshake.kind = kind
    handshake.seenNanoseconds = UInt64(milliseconds * 1_000_000)
    return handshake
}

private func time(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
private func address(_ number: Int) -> Address { Address(ipv4: 0xcb00_7100 + UInt32(number)) }

@Suite struct HelloStoreTests {
    /// One verdict with these bytes; the slot of the event that it orders.
    private func consider(_ agent: inout Agent, _ handshake: Handshake, _ hello: [UInt8], at milliseconds: Int64 = 0) -> Int? {
        agent.consider(handshake, hello: hello.span.bytes, found: [], at: time(milliseconds)).publish
    }

    private func hello(_ agent: inout Agent, _ slot: Int) -> [UInt8]? {
        agent.withHello(of: slot) { bytes in (0..<bytes.byteCount).map { Span<UInt8>(_bytes: bytes)[$0] } }
    }

    private func take(_ agent: inout Agent, _ slot: Int, at milliseconds: Int64 = 0) {
        _ = agent.takeEvent(
            of: slot, interface: "", hello: nil, seen: time(milliseconds), decided: time(milliseconds), enforced: nil, until: nil)
    }

    private func agent(capacity: Int = 64) -> Agent { Agent(policy: Policy(), node: "node", bootID: "b", seed: 1, capacity: capacity) }

    @Test("Each source of a burst has its own hello when its event is made, whatever came after it", arguments: [1, 255, 256, 257, 500])
    func burst(size: Int) throws {
        var agent = agent()
        let hellos = (0..<60).map { [UInt8](repeating: UInt8($0), count: size) }
        let slots = try (0..<60).map { try #require(consider(&agent, verdict(address($0)), hellos[$0])) }
        for (slot, bytes) in zip(slots, hellos) { #expect(hello(&agent, slot) == bytes) }
        #expect(agent.statistics.hellosLost == 0)
    }

    @Test("An event is about its source's latest hello, shorter or longer than the one before it")
    func latest() throws {
        var agent = agent()
        let slot = try #require(consider(&agent, verdict(address(1)), [UInt8](repeating: 1, count: 400)))
        let other = try #require(consider(&agent, verdict(address(2)), [UInt8](repeating: 2, count: 400)))
        for count in [300, 1, 511, 2000, 90] {
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: count), count: count)
            #expect(consider(&agent, verdict(address(1)), bytes) == nil)
            #expect(hello(&agent, slot) == bytes)
            #expect(hello(&agent, other) == [UInt8](repeating: 2, count: 400))
        }
    }

    @Test("A source that floods takes nobody else's room")
    func flood() throws {
        var agent = agent(capacity: 8)
        let quiet = try #require(consider(&agent, verdict(address(1)), [7, 7, 7]))
        for number in 0..<10_000 { _ = consider(&agent, verdict(address(2)), [UInt8](repeating: 9, count: 100 + number % 150)) }
        #expect(hello(&agent, quiet) == [7, 7, 7])
    }

    @Test("A hello that had to make room is lost and counted, and no other stands in its place")
    func displaced() throws {
        var agent = agent(capacity: 8)
        // 4,096 bytes for hellos: two of 2,000 fit, the third takes the room of the first.
        let slots = try (0..<3).map { try #require(consider(&agent, verdict(address($0)), [UInt8](repeating: UInt8($0), count: 2000))) }
        #expect(hello(&agent, slots[0]) == nil && agent.statistics.hellosLost == 1)
        #expect(hello(&agent, slots[1]) == [UInt8](repeating: 1, count: 2000))
        #expect(hello(&agent, slots[2]) == [UInt8](repeating: 2, count: 2000))
        // It has a place again with its next hello.
        _ = consider(&agent, verdict(address(0)), [5])
        #expect(hello(&agent, slots[0]) == [5])
    }

    @Test("A hello longer than all room is cut, and an empty one is none")
    func sizes() throws {
        var agent = agent(capacity: 8)
        let slot = try #require(consider(&agent, verdict(address(1)), [UInt8](repeating: 3, count: 5000)))
        #expect(hello(&agent, slot)?.count == 4096)
        _ = consider(&agent, verdict(address(1)), [])
        #expect(hello(&agent, slot) == [])
    }

    @Test("What a flow does after its hello keeps the hello's facts; another connection's hello is not its own")
    func connections() throws {
        var agent = agent()
        let slot = try #require(consider(&agent, verdict(address(1), port: 1000), [1, 2, 3]))
        _ = consider(&agent, verdict(address(1), port: 1000, kind: .flow, AnomalySet(.renegotiationFlood)), [])
        #expect(hello(&agent, slot) == [1, 2, 3])
        _ = consider(&agent, verdict(address(1), port: 1001, kind: .flow, AnomalySet(.renegotiationFlood)), [])
        #expect(hello(&agent, slot) == [])
    }

    @Test("First client bytes that are no hello have no facts")
    func noHello() throws {
        var agent = agent()
        var cut = verdict(address(1))
        cut.completeness = .incomplete
        let slot = try #require(consider(&agent, cut, [1, 0, 0]))
        #expect(hello(&agent, slot) == [])
        _ = consider(&agent, verdict(address(1), AnomalySet(.notTLS)), [1, 0, 0])
        #expect(hello(&agent, slot) == [])
    }

    @Test("A source that moves in the table takes its hello along")
    func moved() throws {
        var agent = agent(capacity: 16)
        // The first half is forgotten, the second half closes the gaps.
        for number in 0..<8 { take(&agent, try #require(consider(&agent, verdict(address(number)), [UInt8(number)]))) }
        for number in 8..<16 {
            take(&agent, try #require(consider(&agent, verdict(address(number)), [UInt8(number)], at: 700_000)), at: 700_000)
        }
        agent.forget(at: time(700_001))
        #expect(agent.trackedSources == 8)
        var found: [UInt8] = []
        for slot in 0..<32 where agent.latest(of: slot).source >= address(8) && hello(&agent, slot)?.isEmpty == false {
            found += hello(&agent, slot) ?? []
        }
        #expect(Set(found).isSuperset(of: 8..<16))
        for slot in 0..<32 {
            guard let bytes = hello(&agent, slot), let byte = bytes.first else { continue }
            #expect(agent.latest(of: slot).source == address(Int(byte)))
        }
    }
}
