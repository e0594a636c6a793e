internal import BPF
import Linux
package import Probe
package import Wire

/// A record copied out of its engine.
package struct Verdict: Equatable, Sendable {
    package let bytes: [UInt8]
    package let handshake: Handshake

    package init?(_ record: RawSpan) {
        guard let handshake = Handshake(record) else { return nil }
        bytes = record.withUnsafeBytes { Array($0.prefix(Handshake.size + handshake.rawLength)) }
        self.handshake = handshake
    }

    package var raw: [UInt8] { Array(bytes.dropFirst(Handshake.size)) }
    package static func == (left: Verdict, right: Verdict) -> Bool { left.bytes == right.bytes }
}

/// Runs frames a microsecond apart and gives what was said about them.
package func native(_ frames: [[UInt8]], _ policy: KernelPolicy, enforcing: Bool = false, start: UInt64 = 1_000_000_000, step: UInt64 = 1000) -> [Verdict] {
    var engine = NativeEngine(policy, enforcing: enforcing)
    var verdicts: [Verdict] = []
    for (index, frame) in frames.enumerated() {
        engine.run(frame.span.bytes, wireSize: frame.count, at: start + UInt64(index) * step) { record in
            if let verdict = Verdict(record) { verdicts.append(verdict) }
        }
    }
    return verdicts
}

/// The same through the kernel, by BPF_PROG_TEST_RUN.
package func kernel(_ frames: [[UInt8]], _ policy: KernelPolicy, enforcing: Bool = false, start: UInt64 = 1_000_000_000, step: UInt64 = 1000) throws -> [Verdict] {
    var settings = ProbeSettings()
    settings.replay = true
    let probe = try KernelProbe(policy, settings: settings)
    var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
    var verdicts: [Verdict] = []
    for (index, frame) in frames.enumerated() {
        _ = try probe.run(enforcing ? .limiter : .observer, over: frame.span.bytes, at: start + UInt64(index) * step)
        _ = ring.drain(budget: .max) { record in
            if let verdict = Verdict(record) { verdicts.append(verdict) }
        }
    }
    return verdicts
}
