package import Messages
package import Wire

/// The limits topic as this node applies it: the newest of each key, an operator's before the controller's, nothing
/// that has ended, nothing that the node's own allow-list covers.
package struct ClusterLimits: Sendable {
    package enum Change: Sendable, Equatable {
        case set(LimitKey, perSecond: Int, answer: Answer, until: Instant)
        case release(LimitKey)
    }

    package enum Refusal: Sendable, Equatable { case ended, allowed, outranked, stale, full }

    private var limits: [LimitKey: Limit] = [:]
    private let capacity: Int
    /// The newest generation that was applied, for `weir limits` and metrics.
    package private(set) var generation = 0

    package init(capacity: Int = 16_384) { self.capacity = capacity }

    package var count: Int { limits.count }
    /// Lengths (over 128 bits) that the kernel has to look for.
    package var lengths: Set<UInt8> { Set(limits.keys.map(\.prefix.length)) }

    package mutating func apply(_ limit: Limit, allowed: [Prefix], at now: Instant) -> Result<Change, Rejection> {
        let key = LimitKey(prefix: limit.key.prefix, limitClass: limit.key.limitClass)
        guard limit.until > now else { return .failure(Rejection(.ended)) }
        if let known = limits[key] {
            if known.origin == .operator, limit.origin == .controller, known.until > now { return .failure(Rejection(.outranked)) }
            if known.origin == limit.origin, known.generation > limit.generation { return .failure(Rejection(.stale)) }
        } else if limits.count >= capacity {
            return .failure(Rejection(.full))
        }
        guard !allowed.contains(where: { $0.contains(limit.key.prefix) }) else { return .failure(Rejection(.allowed)) }
        limits[key] = limit
        generation = max(generation, limit.generation)
        return .success(.set(key, perSecond: limit.perSecond, answer: limit.answer, until: limit.until))
    }

    /// Everything that stands, for a node that begins to enforce.
    package var standing: [Change] {
        limits.map { key, limit in .set(key, perSecond: limit.perSecond, answer: limit.answer, until: limit.until) }
    }

    /// A tombstone.
    package mutating func release(_ key: Limit.Key) -> Change {
        let key = LimitKey(prefix: key.prefix, limitClass: key.limitClass)
        limits[key] = nil
        return .release(key)
    }

    /// What has ended, to be taken out of the kernel's map.
    package mutating func expire(at now: Instant) -> [Change] {
        let ended = limits.filter { $0.value.until <= now }.map(\.key)
        for key in ended { limits[key] = nil }
        return ended.map { .release($0) }
    }

    package struct Rejection: Error, Equatable, Sendable {
        package let reason: Refusal
        init(_ reason: Refusal) { self.reason = reason }
    }
}
