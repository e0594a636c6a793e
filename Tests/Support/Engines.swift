internal import BPF
import Linux
package import Probe
package import Units
package import Vocabulary
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
package func native(
    _ frames: [[UInt8]], _ policy: KernelPolicy, enforcing: Bool = false, start: UInt64 = 1_000_000_000, step: UInt64 = 1000
) -> [Verdict] {
    var engine = NativeEngine(policy, enforcing: enforcing)
    var verdicts: [Verdict] = []
    for (index, frame) in frames.enumerated() {
        engine.run(frame.span.bytes, wireSize: frame.count, at: start + UInt64(index) * step) { record in
            if let verdict = Verdict(record) { verdicts.append(verdict) }
        }
    }
    // Hellos that were closed half way are waited for, for a second.
    engine.sweep(at: start + UInt64(frames.count) * step + 2_000_000_000) { record in
        if let verdict = Verdict(record) { verdicts.append(verdict) }
    }
    return verdicts
}

/// The same through the kernel, by BPF_PROG_TEST_RUN.
package func kernel(
    _ frames: [[UInt8]], _ policy: KernelPolicy, enforcing: Bool = false, start: UInt64 = 1_000_000_000, step: UInt64 = 1000,
    mayGoto: Bool? = nil, helloMemory: Int = 4
) throws -> [Verdict] {
    var settings = ProbeSettings()
    settings.replay = true
    settings.helloMemory = helloMemory
    settings.mayGoto = mayGoto
    let probe = try KernelProbe(policy, settings: settings)
    var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
    var initials = try Ring(map: probe.initialsMap, size: probe.initialsSize)
    var verdicts: [Verdict] = []
    for (index, frame) in frames.enumerated() {
        _ = try probe.run(enforcing ? .replayLimiter : .replayObserver, over: frame.span.bytes, at: start + UInt64(index) * step)
        _ = ring.drain(budget: .max) { record in
            if let verdict = Verdict(record) { verdicts.append(verdict) }
        }
        _ = initials.drain(budget: .max) { record in
            if let verdict = Verdict(record) { verdicts.append(verdict) }
        }
    }
    probe.sweep(now: start + UInt64(frames.count) * step + 2_000_000_000)
    _ = ring.drain(budget: .max) { record in
        if let verdict = Verdict(record) { verdicts.append(verdict) }
    }
    return verdicts
}

/// Both engines side by side, with the same past.
package final class EnginePair {
    private var native: NativeEngine
    private let probe: KernelProbe
    private var ring: Ring
    private var initials: Ring
    private let program: KernelProbe.Program
    private var now: UInt64 = 1_000_000_000

    package init(_ policy: KernelPolicy, enforcing: Bool, mayGoto: Bool? = nil) throws {
        var settings = ProbeSettings()
        settings.replay = true
        settings.mayGoto = mayGoto
        native = NativeEngine(policy, enforcing: enforcing)
        probe = try KernelProbe(policy, settings: settings)
        ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        initials = try Ring(map: probe.initialsMap, size: probe.initialsSize)
        program = enforcing ? .replayLimiter : .replayObserver
    }

    /// What each says of a frame, `step` nanoseconds after the last.
    package func run(_ frame: [UInt8], step: UInt64 = 1_000_000) throws -> (native: [Verdict], kernel: [Verdict]) {
        now += step
        var ours: [Verdict] = [], theirs: [Verdict] = []
        native.run(frame.span.bytes, wireSize: frame.count, at: now) { record in Verdict(record).map { ours.append($0) } }
        // The kernel runs no frame without a whole IP header; nothing shorter is a TCP segment.
        if frame.count >= 54 { _ = try probe.run(program, over: frame.span.bytes, at: now) }
        _ = ring.drain(budget: .max) { record in Verdict(record).map { theirs.append($0) } }
        _ = initials.drain(budget: .max) { record in Verdict(record).map { theirs.append($0) } }
        return (ours, theirs)
    }

    /// What each says of hellos that stopped half way, in no order: tables are not walked alike.
    package func giveUp() -> (native: [[UInt8]], kernel: [[UInt8]]) {
        now += 60_000_000_000
        var ours: [[UInt8]] = [], theirs: [[UInt8]] = []
        native.sweep(at: now) { record in Verdict(record).map { ours.append($0.bytes) } }
        probe.sweep(now: now)
        _ = ring.drain(budget: .max) { record in Verdict(record).map { theirs.append($0.bytes) } }
        return (ours.sorted { $0.lexicographicallyPrecedes($1) }, theirs.sorted { $0.lexicographicallyPrecedes($1) })
    }

    /// Names a fingerprint to both. False when one had no room.
    package func deny(_ fingerprint: UInt64) -> Bool {
        let ours = native.deny(fingerprint), theirs = probe.deny(fingerprint)
        return ours && theirs
    }

    package func allowFingerprint(_ fingerprint: UInt64) {
        native.allowFingerprint(fingerprint)
        probe.allowFingerprint(fingerprint)
    }

    package var counters: (native: Counters, kernel: Counters) { (native.counters, probe.counters) }
}

/// Both limiters side by side, each way by its own program, as on an interface: with the same past.
package final class HookPair {
    private var native: NativeEngine
    private let probe: KernelProbe
    private var ring: Ring
    private var initials: Ring
    private let isRaw: Bool
    package var now: UInt64 = 1_000_000_000
    /// What the native engine has said.
    package private(set) var told: [Handshake] = []

    /// What the kernel has done with the last frame: drop it.
    package private(set) var isDropped = false

    /// - Parameters:
    ///   - isRaw: frames begin with their IP header.
    ///   - opens: with what opens Initials in the packet, if the policy asks for it.
    package init(_ policy: KernelPolicy, isRaw: Bool = false, opens: Bool = false, mayGoto: Bool? = nil) throws {
        var settings = ProbeSettings()
        settings.opens = opens
        settings.mayGoto = mayGoto
        settings.replay = true
        settings.baseline = true  // with what is attached to an interface
        self.isRaw = isRaw
        native = NativeEngine(policy, enforcing: true)
        probe = try KernelProbe(policy, settings: settings)
        ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        initials = try Ring(map: probe.initialsMap, size: probe.initialsSize)
        if isRaw { probe.readAsRaw(1) }
    }

    /// One frame, a millisecond after the last: whether it may go on as it is, and whether both engines said the same.
    package func run(_ frame: [UInt8], fromClient: Bool) throws -> (passes: Bool, isSame: Bool) {
        now += 1_000_000
        var ours: [Verdict] = [], theirs: [Verdict] = []
        let hook: NativeEngine.Hook = fromClient ? .incoming : .outgoing
        let passes = native.run(frame.span.bytes, wireSize: frame.count, at: now, hook: hook, isRaw: isRaw) { record in
            Verdict(record).map { ours.append($0) }
        }
        told += ours.map(\.handshake)
        isDropped = try probe.run(fromClient ? .limiter : .limiterOut, over: frame.span.bytes, at: now).verdict == 2
        _ = ring.drain(budget: .max) { record in Verdict(record).map { theirs.append($0) } }
        _ = initials.drain(budget: .max) { record in Verdict(record).map { theirs.append($0) } }
        return (passes, ours == theirs)
    }

    /// What each thinks of a QUIC path.
    package func opinion(of path: UInt64) -> (native: PathOpinion.Kind?, kernel: PathOpinion.Kind?) {
        (native.opinion(of: path)?.kind, probe.opinion(of: path)?.kind)
    }

    /// Limits nobody of this block any more, as agents do with a policy's proxies.
    package func allow(_ prefix: Prefix) -> Bool { native.allow(prefix) && probe.allow(prefix) }

    package var counters: (native: Counters, kernel: Counters) { (native.counters, probe.counters) }
}
