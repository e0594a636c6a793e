internal import BPF
internal import Detection
internal import Linux
internal import Probe
internal import Support
internal import Units
internal import Vocabulary
internal import Wire

/// The programs in the kernel, by BPF_PROG_TEST_RUN, over an empty program.
func measureProbe(_ report: inout Report) throws {
    var settings = ProbeSettings()
    settings.replay = true
    settings.baseline = true
    // Here one source says a million hellos within one nanosecond: counted, as of any source, but never a flood.
    var policy = Policy()
    policy.thresholds.helloRate = 1_000_000_000
    policy.thresholds.helloBurst = 1_000_000_000
    let probe = try KernelProbe(KernelPolicy(policy), settings: settings)
    var ring = try Ring(map: probe.ringMap, size: probe.ringSize)

    // A frame that changes no state can be run a million times in a row.
    func steady(_ program: KernelProbe.Program, _ frame: [UInt8]) throws -> Int {
        try unsafe probe.run(program, over: frame.span.bytes, at: 1, count: 1_000_000).nanoseconds
    }
    var other = Conversation()
    other.serverPort = 8080
    let foreign = other.data([UInt8](repeating: 7, count: 500), at: 0)
    let empty = try steady(.nothing, foreign)
    let passing = try steady(.observer, foreign)
    report.add(
        "TCP frame of another port", "+\(passing - empty) ns", baseline: "empty program \(empty) ns", goal: "under 10 ns",
        isMet: passing - empty < 10)

    // Each way has its own program, as on an interface.
    func open(_ c: Conversation, enforcing: Bool = false, at time: UInt64 = 1) throws {
        _ = try unsafe probe.run(enforcing ? .limiter : .observer, over: c.syn.span.bytes, at: time)
        _ = try unsafe probe.run(enforcing ? .limiterOut : .observerOut, over: c.synAck.span.bytes, at: time)
        _ = try unsafe probe.run(enforcing ? .limiter : .observer, over: c.ack.span.bytes, at: time)
    }
    func answer(_ c: Conversation, to hello: [UInt8]) -> [UInt8] {
        c.frame(
            fromClient: false, sequence: c.serverISN &+ 1, acknowledged: c.clientISN &+ 1 &+ UInt32(hello.count),
            flags: Conversation.acknowledge | Conversation.push,
            payload: [22, 3, 3, 0, 86, 2, 0, 0, 82, 3, 3] + [UInt8](repeating: 0x5a, count: 80) + [20, 3, 3, 0, 1, 1])
    }

    let c = Conversation(), hello13 = Hello().stream()
    try open(c)
    _ = try unsafe probe.run(.observer, over: c.data(hello13, at: 0).span.bytes, at: 1)
    _ = try unsafe probe.run(.observerOut, over: answer(c, to: hello13).span.bytes, at: 1)
    // A TLS 1.3 client's first encrypted record ends what there is to follow.
    func rest(_ bytes: [UInt8], at offset: Int) -> [UInt8] {
        c.frame(
            fromClient: true, sequence: c.clientISN &+ 1 &+ UInt32(offset), acknowledged: c.serverISN &+ 98,
            flags: Conversation.acknowledge | Conversation.push, payload: bytes)
    }
    _ = try unsafe probe.run(
        .observer, over: rest([23, 3, 3, 0, 53] + [UInt8](repeating: 9, count: 53), at: hello13.count).span.bytes,
        at: 1)
    let after = rest([UInt8](repeating: 23, count: 500), at: hello13.count + 58), bare = rest([], at: hello13.count + 58)
    let theirs = c.frame(
        fromClient: false, sequence: c.serverISN &+ 98, acknowledged: c.clientISN &+ 1 &+ UInt32(hello13.count + 58),
        flags: Conversation.acknowledge, payload: [UInt8](repeating: 23, count: 500))
    let emptyAfter = try steady(.nothing, after), watched = try steady(.observer, after)
    for (what, program, frame) in [
        ("client's frame after the answer, observing", .observer, after),
        (
            "the same, enforcing", .limiter,
            after
        ), ("the same without payload, enforcing", .limiter, bare),
        ("server's frame after its answer, observing", .observerOut, theirs), ("the same, enforcing", .limiterOut, theirs)
    ] as [(String, KernelProbe.Program, [UInt8])] {
        let cost = try steady(program, frame) - emptyAfter
        report.add(what, "+\(cost) ns", baseline: "empty program \(emptyAfter) ns", goal: "under 120 ns", isMet: cost < 120)
    }

    let small = Hello(padding: 300).stream(), big = Hello(padding: 1500).stream()
    // The flow is put back before each look (bpf/bench.bpf.c), and a hello's own cost is what that does not take. The ring is
    // emptied before it is full: a record that is lost costs less.
    func rehearsed(_ program: KernelProbe.Program, _ frame: [UInt8]) throws -> Int {
        let floor = try steady(.rehearseFloor, frame)
        _ = ring.drain(budget: .max) { _ in }
        let judged = try (0..<250).map { _ in
            let time = try unsafe probe.run(program, over: frame.span.bytes, at: 1, count: 4000).nanoseconds
            var records = 0
            _ = ring.drain(budget: .max) { _ in records += 1 }
            guard records == 4000 else { throw Trouble(description: "\(program.rawValue): \(records) records of 4000") }
            return time
        }
        return judged.quantile(0.5) - floor + max(0, watched - emptyAfter)
    }
    let hello = try rehearsed(.rehearseHello, c.data(small, at: 0))
    report.add(
        "hello of \(small.count) bytes, with its record", "+\(hello) ns", baseline: "empty program \(empty) ns",
        goal: "under 400 ns", isMet: hello < 400)

    let pair = try rehearsed(.rehearsePair, c.data(big, at: 0)) + max(0, watched - emptyAfter)
    report.add(
        "post-quantum hello of \(big.count) bytes in two segments", "+\(pair) ns", baseline: "empty program \(empty) ns",
        goal: "under 800 ns", isMet: pair < 800)

    // Here each hello has a flow of its own and is run once, in cold caches, the timer's own cost in the baseline.
    var round: UInt32 = 0
    func once(_ hello: Hello, segment: Int, enforcing: Bool) throws -> (probe: Int, empty: Int) {
        let program: KernelProbe.Program = enforcing ? .limiter : .observer
        round += 1
        var times: [Int] = [], floors: [Int] = []
        for port in 0..<4000 as Range<UInt16> {
            var c = Conversation(client: Address(ipv4: 0x0a00_0000 + UInt32(port % 64)), clientPort: 2000 + port)
            c.clientISN = UInt32(port) &* 7919 &+ round &* 65_537
            try open(c, enforcing: enforcing, at: UInt64(port) * 1_000_000 + 1)
            var time = 0, floor = 0
            var hello = hello
            (hello.random[8], hello.random[9], hello.random[10]) = (UInt8(port >> 8), UInt8(port & 255), UInt8(truncatingIfNeeded: round))
            for frame in c.segments(of: hello.stream(), size: segment) {
                floor += try unsafe probe.run(.nothing, over: frame.span.bytes, at: 1).nanoseconds
                time += try unsafe probe.run(program, over: frame.span.bytes, at: UInt64(port) * 1_000_000 + 1).nanoseconds
            }
            times.append(time)
            floors.append(floor)
            _ = ring.drain(budget: .max) { _ in }
        }
        return (times.quantile(0.5), floors.quantile(0.5))
    }
    let cold = try once(Hello(padding: 300), segment: 1448, enforcing: false)
    report.add("the same, once each in cold caches", "+\(cold.probe - cold.empty) ns", baseline: "empty program \(cold.empty) ns")
    let two = try once(Hello(padding: 1500), segment: 1448, enforcing: false)
    report.add("the same in two segments, of \(big.count) bytes", "+\(two.probe - two.empty) ns", baseline: "empty program \(two.empty) ns")
    let limited = try once(Hello(serverName: nil, padding: 300), segment: 1448, enforcing: true)
    report.add(
        "nameless hello through the limiter, reset included, cold", "+\(limited.probe - limited.empty) ns",
        baseline: "empty program \(limited.empty) ns")
    // Nobody judged a hello, so the answer is counted, and beyond three a second refused: both sides are told.
    var refused: [Int] = []
    for port in 0..<2000 as Range<UInt16> {
        let c = Conversation(client: Address(ipv4: 0x0a09_0000), clientPort: 2000 + port)
        try open(c, enforcing: true, at: 9_000_000_000_000)
        let time = try unsafe probe.run(.limiterOut, over: answer(c, to: hello13).span.bytes, at: 9_000_000_000_000).nanoseconds
        if port > 10 { refused.append(time) }
        _ = ring.drain(budget: .max) { _ in }
    }
    let cost = refused.quantile(0.5) - limited.empty
    report.add(
        "answer that is refused, a reset for each side, cold", "+\(cost) ns", baseline: "empty program \(limited.empty) ns",
        goal: "under 1,000 ns", isMet: cost < 1000)
}

/// 1,000 attacks from 1,000 sources at full speed: what is admitted beyond three in any second.
func measureReflex(_ report: inout Report) throws {
    let probe = try KernelProbe(KernelPolicy(Policy()))
    var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
    var admitted: [Address: [UInt64]] = [:], seen = 0
    for source in 0..<1000 as Range<UInt32> {
        for port in 0..<20 as Range<UInt16> {
            let c = Conversation(client: Address(ipv4: 0x0a01_0000 + source), clientPort: 3000 + port)
            _ = try unsafe probe.run(.limiter, over: c.syn.span.bytes, at: 0)
            _ = try unsafe probe.run(.limiterOut, over: c.synAck.span.bytes, at: 0)
            for frame in [c.ack, c.data(Hello(serverName: nil, number: Int(source) << 16 | Int(port)).stream(), at: 0)] {
                _ = try unsafe probe.run(.limiter, over: frame.span.bytes, at: 0)
            }
        }
        _ = ring.drain(budget: .max) { record in
            guard let handshake = Handshake(record) else { return }
            seen += 1
            if !handshake.outcome.isRefused { admitted[handshake.source, default: []].append(handshake.seenNanoseconds) }
        }
    }
    let excess = admitted.values.reduce(0) { sum, times in
        sum + times.indices.dropFirst(3).filter { times[$0] - times[$0 - 3] < 1_000_000_000 }.count
    }
    report.add(
        "reflex: admitted beyond the limit, 1,000 sources, \(seen) hellos, no agent", "\(excess)", goal: "0",
        isMet: excess == 0 && seen == 20_000)
}
