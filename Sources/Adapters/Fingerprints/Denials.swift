package import AgentCore
package import Detection
package import Units
internal import Vocabulary
package import Wire

/// The policy's denied fingerprints, looked up by the kernel's hash once a JA4 has been worked out. The hash covers what JA4
/// covers, so what is said of one hello holds for all that share it; a JA3 depends on more, and is worked out for each hello.
package struct Denials {
    private var denied: [Policy.DeniedFingerprint]
    /// By the kernel's hash: `nil` inside when its JA4 is not denied. Bounded: forgotten when full.
    private var known: [UInt64: Policy.DeniedFingerprint?] = [:]
    private let hasJA3: Bool
    private let capacity: Int

    package init(_ policy: Policy, capacity: Int = 4096) {
        denied = policy.recorded.contains(.fingerprintDenied) ? policy.lists.denied : []
        hasJA3 = denied.contains { $0.kind == .ja3 }
        self.capacity = capacity
    }

    package var isEmpty: Bool { denied.isEmpty }

    /// - Parameter raw: the hello's bytes, or nothing when they did not travel.
    package mutating func find(_ handshake: Handshake, _ raw: RawSpan, at now: Instant) -> DenialFinding {
        guard !denied.isEmpty, handshake.fingerprint != 0 else { return .nothing }
        if let known = known[handshake.fingerprint] {
            if let known, known.isInForce(at: now) { return .everyHello(until: known.until) }
            if !hasJA3 { return .nothing }
        }
        guard raw.byteCount > 0, var hello = ClientHello(raw) else { return .nothing }
        hello.transport = handshake.transport
        guard let fingerprint = Fingerprint(hello) else { return .nothing }
        let match = denied.first { $0.kind == .ja4 && $0.value == fingerprint.ja4 && $0.isInForce(at: now) }
        if known.count >= capacity { known.removeAll(keepingCapacity: true) }
        known[handshake.fingerprint] = .some(match)
        if let match { return .everyHello(until: match.until) }
        return denied.contains { $0.kind == .ja3 && $0.value == fingerprint.ja3 && $0.isInForce(at: now) } ? .thisHello : .nothing
    }
}

extension Policy.DeniedFingerprint {
    fileprivate func isInForce(at now: Instant) -> Bool { until.map { $0 > now } ?? true }
}
