import BPF
import Detection
import Glibc
import Linux
import NetPoll
import Probe
import Support
import Testing
import Units
import Vocabulary

@Suite(.enabled(if: geteuid() == 0, "loading BPF needs root"))
final class RingTests {
    private let probe: KernelProbe

    init() throws { probe = try KernelProbe(KernelPolicy(Policy())) }

    private func hello(_ number: Int) throws {
        let c = Conversation(client: Address(ipv4: 0x0a00_0000 + UInt32(number)), clientPort: 40_000)
        _ = try probe.run(.observer, over: c.data(Hello(number: number).stream(), at: 0).span.bytes, at: 1_000_000_000 + UInt64(number))
    }

    /// What epoll sees of the ring.
    private var isReadable: Bool {
        var descriptor = pollfd(fd: probe.ringMap, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) == 1
    }

    @Test("Who keeps the position back is not slept on: the kernel hears of it before the sleep, and wakes for the next record")
    func sleep() throws {
        var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        for number in 0..<3 {
            try hello(number)
            #expect(isReadable && ring.hasRecords)
            let read = ring.drain(budget: 10, keeping: probe.ringSize) { _ in }
            #expect(read == 1 && !ring.hasRecords)
            #expect(isReadable, "the kernel still has it")
            ring.release()
            #expect(!isReadable && !ring.hasRecords)
        }
    }

    @Test("What is kept back is bounded: more than a ring's worth goes through it, and nothing is lost")
    func bounded() throws {
        var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        var read = 0, bytes = 0
        for number in 0..<20_000 {
            try hello(number)
            read += ring.drain(budget: 10, keeping: probe.ringSize / 16) { bytes += $0.byteCount }
        }
        #expect(bytes > probe.ringSize, "otherwise this proves nothing")
        #expect(read == 20_000 && probe.counters[.lost] == 0)
    }

    /// A connection whose handshake was seen, and its hello.
    private func proven(_ hello: Hello, port: UInt16) throws {
        let c = Conversation(clientPort: port)
        for (frame, program) in [
            (c.syn, .observer), (c.synAck, .observerOut), (c.ack, .observer), (c.data(hello.stream(), at: 0), .observer)
        ]
            as [([UInt8], KernelProbe.Program)]
        {
            _ = try probe.run(program, over: frame.span.bytes, at: 1_000_000_000)
        }
    }

    @Test("Who dozes is woken once by what cannot wait, and by a ring that fills; a hello that is in order waits")
    func doze() throws {
        var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        var poller = try Poller()
        try poller.add(probe.ringMap, as: 1, isEdge: true)
        // From here on the kernel believes that somebody is busy with the ring.
        try hello(0)
        #expect(ring.drain(budget: 10, keeping: probe.ringSize) { _ in } == 1)
        _ = try poller.wait(milliseconds: 0)

        probe.isDozing = true
        try hello(1)
        try proven(Hello(number: 2), port: 40_002)
        try #expect(poller.wait(milliseconds: 0) == 0 && probe.isDozing && ring.hasRecords)
        try proven(Hello(serverName: nil, number: 3), port: 40_003)
        try #expect(poller.wait(milliseconds: 5000) == 1 << 1 && !probe.isDozing)
        // Whoever is awake reads on by himself.
        try proven(Hello(serverName: nil, number: 4), port: 40_004)
        try #expect(poller.wait(milliseconds: 0) == 0)
        #expect(ring.drain(budget: 10, keeping: probe.ringSize) { _ in } == 4)

        probe.isDozing = true
        var sent = 0
        while probe.isDozing, sent < 20_000 {
            try hello(10 + sent)
            sent += 1
        }
        try #expect(poller.wait(milliseconds: 5000) == 1 << 1 && sent < 20_000 && probe.counters[.lost] == 0)
    }
}
