internal import BPF
internal import Detection
internal import Glibc
internal import Linux
internal import Pcap
internal import Probe
internal import Units
internal import Vocabulary
internal import Wire

/// What a client's Initial costs where it is opened in the packet: a new connection's with its keys, and one under keys that are known. The
/// thousand of Tests/oracles/initials.py, by BPF_PROG_TEST_RUN, beside the same datagrams where user space opens them.
func measureOpening(_ report: inout Report) throws {
    let python = unsafe getenv("WEIR_PYTHON").map { unsafe String(cString: $0) } ?? ".deps/venv/bin/python3"
    let path = "/tmp/weir-bench-\(getpid()).pcap"
    defer { unsafe unlink(path) }
    var child = try Child(python, [python, "Tests/oracles/initials.py", "many", path])
    while child.poll() == nil { usleep(1000) }
    var frames: [[UInt8]] = []
    var capture = try Capture(path: path)
    while try capture.next({ _, bytes in frames.append(unsafe bytes.withUnsafeBytes { unsafe Array($0) }) }) {}

    func costs(opens: Bool) throws -> (new: Int, again: Int, judged: Int) {
        var settings = ProbeSettings(), policy = Policy()
        (settings.replay, settings.baseline, settings.opens) = (true, true, opens)
        (policy.mode, policy.quic.inPacket, policy.quic.budget) = (.enforce, true, 1000)
        let probe = try KernelProbe(KernelPolicy(policy, opens: opens), settings: settings)
        var ring = try Ring(map: probe.initialsMap, size: probe.initialsSize), times: [[Int]] = [[], []]
        for (index, frame) in frames.enumerated() {
            for turn in 0..<2 {
                let run = try unsafe probe.run(.limiter, over: frame.span.bytes, at: UInt64(index * 2 + turn) * 1_000_000 + 1)
                times[turn].append(run.nanoseconds)
            }
            _ = ring.drain(budget: .max) { _ in }
        }
        return (times[0].quantile(0.5), times[1].quantile(0.5), Int(clamping: probe.counters[.quicJudged]))
    }
    let told = try costs(opens: false), opened = try costs(opens: true)
    let isWhole = opened.judged == frames.count && !frames.isEmpty
    report.add(
        "Initial of 1,200 bytes opened in the packet and judged, cold", "\(opened.new) ns", baseline: "given to user space \(told.new) ns",
        goal: "under 40,000 ns", isMet: isWhole && opened.new < 40_000)
    report.add(
        "the same sent again, under known keys", "\(opened.again) ns", baseline: "given to user space \(told.again) ns",
        goal: "under 30,000 ns", isMet: isWhole && opened.again < 30_000)
}
