package import Detection
package import Units
internal import Vocabulary

/// What a policy lets a record of the limits topic ask for. Whoever reads the topic measures each record with its own policy, so one liar on the topic moves
/// nothing beyond it. Allow-lists are not in here: they know more than the policy.
package struct LimitBounds: Sendable, Equatable {
    /// How a limit goes beyond the policy.
    package enum Excess: Sendable, CaseIterable {
        /// It covers more addresses than one source has, or an operator may name; or a controller's has another prefix length than one source's.
        case wide
        /// It ends later than the longest step of the escalation.
        case long
        /// Its rate is lower, its class is `all`, or its answer is another.
        case hard
        /// None of the anomalies that it claims sets a limit.
        case unclaimed
        /// It comes from a rehearsal.
        case rehearsal
    }

    private let rules: [Anomaly: Policy.LimitRule]
    private let own: Policy.PrefixLengths
    private let widest: Policy.PrefixLengths
    private let operatorsRate: Int
    private let longest: Duration
    private let heedsRehearsals: Bool
    /// New sources that the topic may bring to one node in a minute.
    package let newSources: Int

    /// Clocks of nodes differ, and an event's time may lie so far ahead of the broker's: no limit is too long for that.
    package static let slack = Duration.seconds(60)

    package init(_ policy: Policy, heedsRehearsals: Bool = false) {
        rules = policy.detections.compactMapValues(\.limit)
        (own, widest, operatorsRate) = (policy.prefixes, policy.trust.operators, policy.trust.operatorsPerSecond)
        longest = max(policy.escalation.max() ?? policy.duration(ofStep: 0), rules.values.compactMap(\.duration).max() ?? .zero)
        self.heedsRehearsals = heedsRehearsals
        newSources = policy.trust.newLimits
    }

    /// How many bits one source has, over 128.
    package var ownLengths: Set<UInt8> { [UInt8(96 + own.ipv4), UInt8(own.ipv6)] }

    /// How the limit goes beyond the policy; `nil` when it does not. A release limits nobody.
    package func excess(_ limit: Limit, at now: Instant) -> Excess? {
        if limit.isRehearsal, !heedsRehearsals { return .rehearsal }
        if limit.isRelease { return nil }
        let length = Int(limit.key.prefix.length), isIPv4 = limit.key.prefix.address.isIPv4 && length >= 96
        if limit.origin == .operator {
            if length < (isIPv4 ? 96 + widest.ipv4 : widest.ipv6) { return .wide }
            if limit.until - now > longest + Self.slack { return .long }
            return limit.perSecond < operatorsRate ? .hard : nil
        }
        let claimed = limit.anomalies.list.compactMap { rules[$0] }
        guard !claimed.isEmpty else { return .unclaimed }
        if length != (isIPv4 ? 96 + own.ipv4 : own.ipv6) { return .wide }
        if limit.until - now > longest + Self.slack { return .long }
        let isSofter = claimed.contains {
            limit.perSecond >= $0.perSecond && (limit.key.limitClass == .anomalous || $0.limitClass == .all)
                && (limit.answer == .reset || $0.answer == .drop)
        }
        return isSofter ? nil : .hard
    }
}
