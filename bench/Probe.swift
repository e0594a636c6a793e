internal import BPF
internal import Detection
internal import Linux
internal import Probe
internal import Support
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
    func steady(_ program: KernelProbe.Program, _ frame: [UInt8]) throws -> Int { try unsafe probe.run(program, over: frame.span.bytes, at: 1, count: 1_000_000).nanoseconds }
    var other = Conversation()
    other.serverPort = 8080
    let foreign = other.data([UInt8](repeating: 7, count: 500), at: 0)
    let empty = try steady(.nothing, foreign)
    let passing = try steady(.observer, foreign)
    report.add("TCP frame of another port", "+\(passing - empty) ns", baseline: "empty program \(empty) ns", goal: "under 10 ns", isMet: passing - empty < 10)

    let c = Conversation()
    for frame in c.handshake + [c.data(Hello().stream(), at: 0)] { _ = try unsafe probe.run(.observer, over: frame.span.bytes, at: 1) }
    // A TLS 1.3 client's first encrypted record ends what there is to follow.
    let hello13 = Hello().stream()
    _ = try unsafe probe.run(.observer, over: c.data([23, 3, 3, 0, 53] + [UInt8](repeating: 9, count: 53), at: hello13.count).span.bytes, at: 1)
    let after = c.data([UInt8](repeating: 23, count: 500), at: 600)
    let emptyAfter = try steady(.nothing, after), watched = try steady(.observer, after), watchedByLimiter = try steady(.limiter, after)
    report.add("frame of a watched port after its hello", "+\(watched - emptyAfter) ns", baseline: "empty program \(emptyAfter) ns", goal: "under 80 ns", isMet: watched - emptyAfter < 80)
    report.add("the same, through the limiter", "+\(watchedByLimiter - emptyAfter) ns", baseline: "empty program \(emptyAfter) ns", goal: "under 80 ns", isMet: watchedByLimiter - emptyAfter < 80)

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
    report.add("hello of \(small.count) bytes, with its record", "+\(hello) ns", baseline: "empty program \(empty) ns", goal: "under 300 ns", isMet: hello < 300)

    let pair = try rehearsed(.rehearsePair, c.data(big, at: 0)) + max(0, watched - emptyAfter)
    report.add("post-quantum hello of \(big.count) bytes in two segments", "+\(pair) ns", baseline: "empty program \(empty) ns", goal: "under 800 ns", isMet: pair < 800)

    // Here each hello has a flow of its own and is run once, in cold caches, the timer's own cost in the baseline.
    var round: UInt32 = 0
    func once(_ hello: Hello, segment: Int, _ program: KernelProbe.Program) throws -> (probe: Int, empty: Int) {
        round += 1
        var times: [Int] = [], floors: [Int] = []
        for port in 0..<4000 as Range<UInt16> {
            var c = Conversation(client: Address(ipv4: 0x0a00_0000 + UInt32(port % 64)), clientPort: 2000 + port)
            c.clientISN = UInt32(port) &* 7919 &+ round &* 65_537
            for frame in c.handshake { _ = try unsafe probe.run(program, over: frame.span.bytes, at: UInt64(port) * 1_000_000 + 1) }
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
    let cold = try once(Hello(padding: 300), segment: 1448, .observer)
    report.add("the same, once each in cold caches", "+\(cold.probe - cold.empty) ns", baseline: "empty program \(cold.empty) ns")
    let two = try once(Hello(padding: 1500), segment: 1448, .observer)
    report.add("the same in two segments, of \(big.count) bytes", "+\(two.probe - two.empty) ns", baseline: "empty program \(two.empty) ns")
    let limited = try once(Hello(serverName: nil, padding: 300), segment: 1448, .limiter)
    report.add("nameless hello through the limiter, reset included, cold", "+\(limited.probe - limited.empty) ns", baseline: "empty program \(limited.empty) ns")
}

/// 1,000 attacks from 1,000 sources at full speed: what is admitted beyond three in any second.
func measureReflex(_ report: inout Report) throws {
    let probe = try KernelProbe(KernelPolicy(Policy()))
    var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
    var admitted: [Address: [UInt64]] = [:], seen = 0
    for source in 0..<1000 as Range<UInt32> {
        for port in 0..<20 as Range<UInt16> {
            let c = Conversation(client: Address(ipv4: 0x0a01_0000 + source), clientPort: 3000 + port)
            for frame in c.handshake + [c.data(Hello(serverName: nil, number: Int(source) << 16 | Int(port)).stream(), at: 0)] { _ = try unsafe probe.run(.limiter, over: frame.span.bytes, at: 0) }
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
    report.add("reflex: admitted beyond the limit, 1,000 sources, \(seen) hellos, no agent", "\(excess)", goal: "0", isMet: excess == 0 && seen == 20_000)
}
