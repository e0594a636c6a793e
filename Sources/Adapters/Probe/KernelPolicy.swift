internal import CWire
package import Detection
package import Units
internal import Vocabulary

/// A policy in the form that the probe reads (`struct weir_config`), for the kernel and for the native engine alike.
package struct KernelPolicy {
    /// Other engines read the struct in place; it is 9 KB of plain bytes.
    package private(set) var bytes: [UInt8]
    /// Destinations whose answers prove a source to others: a table of their own.
    package let vouched: [Prefix]
    /// Peers whose PROXY header names the source: another table.
    package let proxies: [Prefix]

    /// - Parameters:
    ///   - lengths: prefix lengths (over 128 bits) that limits in force have, beyond the policy's own; at most six are heeded.
    ///   - generation: counts reloads; a record's reader can tell which policy judged it.
    ///   - opens: what opens Initials in the packet is there; without it a policy that asks for it is obeyed by user space alone.
    ///   - vouchesForAll: every destination's answers count, as in a capture: there nobody is hurt.
    package init(_ policy: Policy, generation: UInt32 = 1, lengths: [UInt8] = [], opens: Bool = false, vouchesForAll: Bool = false) {
        var config = weir_config()
        proxies = policy.trust.proxies
        switch vouchesForAll ? .all : policy.vouching {
        case .none: vouched = []
        case .destinations(let destinations):
            vouched = destinations
            config.vouches = UInt8(WEIR_VOUCH_SOME.rawValue)
        case .all:
            vouched = []
            config.vouches = UInt8(WEIR_VOUCH_ALL.rawValue)
        }
        // The arrays of a C struct are tuples here, so C fills them in.
        unsafe withUnsafeMutablePointer(to: &config) { config in
            for port in policy.ports { unsafe weir_config_watch(config, port) }
            for (port, kind) in policy.upgrades.sorted(by: { $0.key < $1.key }) {
                unsafe _ = weir_config_upgrade(config, port, kind.rawValue)
            }
            unsafe config.pointee.upgrades_anywhere = policy.upgradesAnywhere ? 1 : 0
            for (anomaly, rule) in policy.detections {
                guard let limit = rule.limit, let slot = unsafe weir_config_rule(config, UInt32(anomaly.rawValue)) else { continue }
                unsafe slot.pointee.for_ns = UInt64((limit.duration ?? policy.duration(ofStep: 0)).wholeNanoseconds)
                unsafe slot.pointee.per_second = UInt8(clamping: limit.perSecond)
                unsafe slot.pointee.limit_class = limit.limitClass.rawValue
                unsafe slot.pointee.answer = limit.answer.rawValue
            }
            unsafe config.pointee.recorded = policy.recorded.rawValue
            // Answers of flows that no table knows have a limit of their own: honest people are among them.
            let unseen = policy.detections[.unseenAnswer]?.limit == nil ? AnomalySet() : AnomalySet(.unseenAnswer)
            // What a crowd behind one address does as well is no reason to refuse each of its hellos.
            let others = AnomalySet([.unseenAnswer, .clientHelloFlood]).subtracting(policy.limiting.subtracting(AnomalySet(.unseenAnswer)))
            unsafe config.pointee.anomalous = policy.anomalies(atLeast: .medium).union(policy.limiting).subtracting(others).rawValue
            // What only user space can judge is not the kernel's to limit by reflex.
            unsafe config.pointee.limiting = policy.limiting.subtracting(Policy.judgedInUserSpace).union(unseen).rawValue
            unsafe config.pointee.hello_timeout_ns = 10_000_000_000
            unsafe config.pointee.prefix4 = UInt8(96 + policy.prefixes.ipv4)
            unsafe config.pointee.prefix6 = UInt8(policy.prefixes.ipv6)
            unsafe config.pointee.proof = Self.number(policy.proof)
            unsafe config.pointee.capture = Self.number(policy.capture)
            unsafe config.pointee.generation = generation
            if policy.quic.enabled, let ports = unsafe weir_config_quic_ports(config) {
                for (index, port) in policy.quic.ports.prefix(Int(WEIR_QUIC_PORTS)).enumerated() { unsafe ports[index] = port }
            }
            unsafe config.pointee.quic_in_packet = opens && policy.quic.enabled && policy.quic.inPacket ? 1 : 0
            unsafe config.pointee.quic_budget = UInt32(policy.quic.budget) * 10_000
            unsafe config.pointee.decap = policy.decap ? 1 : 0
            unsafe config.pointee.read_names = policy.readsEveryHello ? 1 : 0
            unsafe config.pointee.judges = policy.readsEveryHello || !policy.lists.denied.isEmpty ? 1 : 0
            // Whoever has a /48 has 65,536 sources: wider blocks have a window of their own (adversary.md).
            unsafe config.pointee.wide_lengths = (56, 48)
            unsafe config.pointee.wide_per_second = (12, 48)
            if policy.detections[.clientHelloFlood] != nil {
                let share = 1_000_000_000 / UInt64(max(1, policy.thresholds.helloRate))
                unsafe config.pointee.flood_ns = share
                unsafe config.pointee.flood_burst_ns = share * UInt64(max(1, policy.thresholds.helloBurst))
            }
            var all: [UInt8] = unsafe [config.pointee.prefix4, config.pointee.prefix6]
            for length in lengths where !all.contains(length) && all.count < Int(WEIR_LENGTHS) { all.append(length) }
            guard let slots = unsafe weir_config_lengths(config) else { return }
            for (index, length) in all.enumerated() { unsafe slots[index] = length }
        }
        bytes = unsafe withUnsafeBytes(of: &config) { unsafe [UInt8]($0) }
    }

    private static func number(_ proof: Proof) -> UInt8 { proof.rawValue }

    private static func number(_ capture: Policy.Capture) -> UInt8 {
        switch capture {
        case .none: UInt8(WEIR_CAPTURE_NONE.rawValue)
        case .anomalous: UInt8(WEIR_CAPTURE_ANOMALOUS.rawValue)
        case .newFingerprint: UInt8(WEIR_CAPTURE_NEW_FINGERPRINT.rawValue)
        case .all: UInt8(WEIR_CAPTURE_ALL.rawValue)
        }
    }
}
