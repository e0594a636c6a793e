internal import Detection
package import Messages
package import Units
package import Vocabulary
package import Wire

/// The limits topic as this node applies it: the newest of each key, an operator's before the controller's, nothing that has ended, and nothing beyond what
/// the node's own policy allows (`LimitBounds`). What the allow-list covers or the bounds refuse is known and not set, so that it can be set when they change.
package struct ClusterLimits: Sendable {
    package enum Change: Sendable, Equatable {
        case set(LimitKey, perSecond: Int, answer: Answer, until: Instant)
        case release(LimitKey)
    }

    package enum Refusal: String, Sendable, CaseIterable {
        case ended, allowed, outranked, stale, noRoom = "no_room", notUnderstood = "not_understood"
        case tooWide = "too_wide", tooLong = "too_long", tooHard = "too_hard", notLimiting = "not_limiting", rehearsal,
            overBudget = "over_budget"
    }

    private var limits: [LimitKey: Limit] = [:]
    /// Beyond the bounds, and as many as fit. They outrank nothing and lift nothing; they wait for another policy.
    private var withheld: [LimitKey: Limit] = [:]
    /// Of sources beyond this minute's budget, and as many as fit. They hold once a minute has room for them.
    private var deferred: [LimitKey: Limit] = [:]
    private var budget = SourceBudget(at: Instant(nanoseconds: 0))
    /// The topic has been read whole: what comes now is news, and news have a budget. What stood before is bounded by the table alone.
    package var isRead = false
    /// What stands on the topic and does not hold here. Keys that are not in `limits` are of records that could not be kept.
    private var lacking: [LimitKey: Lack] = [:]
    private let capacity: Int
    /// How many limits have each prefix length (over 128 bits).
    private var counts = [Int](repeating: 0, count: 129)
    private var bounds = LimitBounds(Policy())
    /// The policy's own, which the kernel looks for anyway.
    private var ownLengths: Set<UInt8> { bounds.ownLengths }
    private var allowed = AllowList()
    /// Lengths beyond the policy's own that the kernel has to look for: at most six, the first that came.
    package private(set) var lengths: [UInt8] = []
    package private(set) var refusals: [Refusal: Int] = [:]
    /// Another one whenever what `lacks` says may be something else.
    package private(set) var revision = 0

    private struct Lack {
        var reason: NodeStatus.Reason
        /// `nil`: nobody knows when what could not be read would end.
        var until: Instant?
    }

    /// As `KernelPolicy` heeds them.
    package static let mostLengths = 6

    package init(capacity: Int = 16_384) { self.capacity = capacity }

    package mutating func apply(_ limit: Limit, at now: Instant) -> Result<Change, Rejection> {
        let key = LimitKey(prefix: limit.key.prefix, limitClass: limit.key.limitClass)
        guard limit.until > now else { return refuse(.ended) }
        withheld[key] = nil
        deferred[key] = nil
        if let excess = bounds.excess(limit, at: now) {
            if withheld.count < capacity { withheld[key] = limit }
            lack(key, excess.reason, until: limit.until)
            return refuse(excess.refusal)
        }
        if let known = limits[key] {
            if known.origin == .operator, limit.origin == .controller, known.until > now { return refuse(.outranked) }
            if known.origin == limit.origin, known.generation > limit.generation { return refuse(.stale) }
        } else if limits.count >= capacity {
            guard limit.isRelease else {
                lack(key, .noRoom, until: limit.until)
                return refuse(.noRoom)
            }
            // It lifts all the same, as a tombstone does; only that it cannot be remembered.
            refusals[.noRoom, default: 0] += 1
            holds(key)
            return .success(.release(key))
        } else if isRead, !limit.isRelease, !allowed.covers(key.prefix),
            !budget.admits(key.prefix, at: now, most: bounds.newSources)
        {
            if deferred.count < capacity { deferred[key] = limit }
            lack(key, .overBudget, until: limit.until)
            return refuse(.overBudget)
        }
        if limits.updateValue(limit, forKey: key) == nil { count(key, +1) }
        if allowed.covers(key.prefix), !limit.isRelease {
            lack(key, .allowed, until: limit.until)
            return refuse(.allowed)
        }
        holds(key)
        return .success(change(key, limit))
    }

    /// A record that could not be read, under a key that could: whatever it asks for, this node does not do it.
    package mutating func refuse(_ key: Limit.Key) {
        lack(LimitKey(prefix: key.prefix, limitClass: key.limitClass), .notUnderstood, until: nil)
        refusals[.notUnderstood, default: 0] += 1
    }

    /// A record that could not be read, under a key that could not either.
    package mutating func refuse() { refusals[.notUnderstood, default: 0] += 1 }

    /// The topic was made anew, and whoever speaks on it may count generations from 1 again: what comes now is news, whatever was
    /// there before. What stands here stays until its end, or until something is said of it.
    package mutating func topicWasMadeAnew() { for key in limits.keys { limits[key]?.generation = 0 } }

    /// Everything that stands, for a node that begins to enforce.
    package var standing: [Change] { limits.compactMap { key, limit in allowed.covers(key.prefix) ? nil : change(key, limit) } }

    /// Whether it is what the topic has under its key, as far as this node keeps it.
    package func stands(_ limit: Limit) -> Bool { limits[LimitKey(prefix: limit.key.prefix, limitClass: limit.key.limitClass)] == limit }

    /// A tombstone.
    package mutating func release(_ key: Limit.Key) -> Change {
        let key = LimitKey(prefix: key.prefix, limitClass: key.limitClass)
        withheld[key] = nil
        deferred[key] = nil
        remove(key)
        return .release(key)
    }

    /// Forgets what has ended. The kernel's map has the end as well, and need not be told.
    @discardableResult
    package mutating func expire(at now: Instant) -> [LimitKey] {
        let ended = limits.filter { $0.value.until <= now }.map(\.key)
        for key in ended { remove(key) }
        for (key, limit) in withheld where limit.until <= now { withheld[key] = nil }
        for (key, limit) in deferred where limit.until <= now { deferred[key] = nil }
        for (key, lack) in lacking { if let until = lack.until, until <= now { holds(key) } }
        return ended
    }

    /// The node's own words, which may change while limits stand: what they no longer cover is to be set, what they now cover to go.
    package mutating func use(_ allowed: AllowList, _ bounds: LimitBounds, at now: Instant) -> [Change] {
        let changes = use(bounds, at: now)
        guard allowed != self.allowed else { return changes }
        let before = self.allowed
        self.allowed = allowed
        return changes
            + limits.compactMap { key, limit in
                guard !limit.isRelease else { return nil }
                switch (before.covers(key.prefix), allowed.covers(key.prefix)) {
                case (false, true):
                    lack(key, .allowed, until: limit.until)
                    return .release(key)
                case (true, false):
                    holds(key)
                    return change(key, limit)
                default: return nil
                }
            }
    }

    /// What is beyond the new bounds goes; what the old ones refused and the new ones do not is applied, as if it had just come.
    private mutating func use(_ bounds: LimitBounds, at now: Instant) -> [Change] {
        guard bounds != self.bounds else { return [] }
        self.bounds = bounds
        chooseLengths()
        var changes: [Change] = []
        let waiting = withheld.values.filter { bounds.excess($0, at: now) == nil }
        for (key, limit) in limits {
            guard let excess = bounds.excess(limit, at: now) else { continue }
            remove(key)
            if withheld.count < capacity { withheld[key] = limit }
            lack(key, excess.reason, until: limit.until)
            changes.append(.release(key))
        }
        for limit in waiting { if case .success(let change) = apply(limit, at: now) { changes.append(change) } }
        return changes
    }

    // MARK: What the kernel made of it

    /// The kernel's map did not take it, or did.
    package mutating func note(_ key: LimitKey, isSet: Bool) {
        guard let limit = limits[key], isSet != (lacking[key]?.reason != .noRoom) else { return }
        if isSet {
            holds(key)
        } else {
            lack(key, .noRoom, until: limit.until)
            refusals[.noRoom, default: 0] += 1
        }
    }

    /// Some of what the kernel had no room for, to be tried again.
    package func waiting(atMost most: Int) -> [Change] {
        guard !lacking.isEmpty else { return [] }
        return lacking.lazy.filter { $0.value.reason == .noRoom }.compactMap { key, _ in limits[key].map { change(key, $0) } }.prefix(most)
            .map { $0 }
    }

    // MARK: The budget of new sources

    /// How many wait for a minute that has room.
    package var deferredCount: Int { deferred.count }

    /// Some of those that wait, once a minute has room: operators' and those that have refused somebody first. Each is applied anew.
    package mutating func admitDeferred(atMost most: Int, at now: Instant) -> [(limit: Limit, change: Change)] {
        guard !deferred.isEmpty, !budget.isSpent(at: now, most: bounds.newSources) else { return [] }
        func isFirst(_ limit: Limit) -> Bool { limit.origin == .operator || limit.hasRefused }
        var chosen = Array(deferred.values.lazy.filter(isFirst).prefix(most))
        chosen += Array(deferred.values.lazy.filter { !isFirst($0) }.prefix(most - chosen.count))
        var admitted: [(limit: Limit, change: Change)] = []
        for limit in chosen where !budget.isSpent(at: now, most: bounds.newSources) {
            if case .success(let change) = apply(limit, at: now) { admitted.append((limit, change)) }
        }
        return admitted
    }

    // MARK: What a node says of itself

    package var count: Int { limits.count }

    /// How many limits hold, how many do not, and the first of these by name.
    package func account(naming most: Int) -> (held: Int, lacking: Int, named: [NodeStatus.Lack]) {
        // A length that the kernel does not look for is as good as no room, for all its limits.
        let unheeded =
            counts.indices.contains { counts[$0] > 0 && !isHeeded(UInt8($0)) }
            ? limits.filter { !isHeeded($0.key.prefix.length) && !$0.value.isRelease && lacking[$0.key] == nil }.map(\.key) : []
        let kept = lacking.keys.count { limits[$0]?.isRelease == false } + unheeded.count
        let named = (lacking.lazy.map { ($0.key, $0.value.reason) }.prefix(most) + unheeded.prefix(most).map { ($0, .noRoom) }).prefix(most)
            .map { NodeStatus.Lack(key: Limit.Key(prefix: $0.0.prefix, limitClass: $0.0.limitClass), reason: $0.1) }
        return (
            limits.values.count { !$0.isRelease } - kept, lacking.count + unheeded.count,
            named.sorted { ($0.key.prefix, $0.key.limitClass.rawValue) < ($1.key.prefix, $1.key.limitClass.rawValue) }
        )
    }

    /// Records that were not applied, those aside that were over when they came.
    package var refused: Int { refusals.reduce(0) { $0 + ($1.key == .ended ? 0 : $1.value) } }

    package struct Rejection: Error, Equatable, Sendable {
        package let reason: Refusal
        init(_ reason: Refusal) { self.reason = reason }
    }

    /// What is released is known, so that a controller's word does not undo it.
    private func change(_ key: LimitKey, _ limit: Limit) -> Change {
        limit.isRelease ? .release(key) : .set(key, perSecond: limit.perSecond, answer: limit.answer, until: limit.until)
    }

    private mutating func refuse(_ reason: Refusal) -> Result<Change, Rejection> {
        refusals[reason, default: 0] += 1
        return .failure(Rejection(reason))
    }

    /// Beyond the bound a lack is only counted, with the refusals: who lacks so many names none of them anyway.
    private mutating func lack(_ key: LimitKey, _ reason: NodeStatus.Reason, until: Instant?) {
        guard lacking[key] != nil || lacking.count < capacity else { return }
        lacking[key] = Lack(reason: reason, until: until)
        revision += 1
    }

    private mutating func holds(_ key: LimitKey) { if lacking.removeValue(forKey: key) != nil { revision += 1 } }

    private mutating func remove(_ key: LimitKey) {
        holds(key)
        if limits.removeValue(forKey: key) != nil { count(key, -1) }
    }

    private mutating func count(_ key: LimitKey, _ change: Int) {
        let length = Int(key.prefix.length)
        counts[length] += change
        if counts[length] == 0 || counts[length] == change { chooseLengths() }
    }

    private func isHeeded(_ length: UInt8) -> Bool { ownLengths.contains(length) || lengths.contains(length) }

    private mutating func chooseLengths() {
        let there = counts.indices.filter { counts[$0] > 0 && !ownLengths.contains(UInt8($0)) }.map { UInt8($0) }
        lengths = Array((lengths.filter(there.contains) + there.filter { !lengths.contains($0) }).prefix(Self.mostLengths))
        revision += 1
    }
}

extension LimitBounds.Excess {
    fileprivate var reason: NodeStatus.Reason {
        switch self {
        case .wide: .tooWide
        case .long: .tooLong
        case .hard: .tooHard
        case .unclaimed: .notLimiting
        case .rehearsal: .rehearsal
        }
    }

    fileprivate var refusal: ClusterLimits.Refusal {
        switch self {
        case .wide: .tooWide
        case .long: .tooLong
        case .hard: .tooHard
        case .unclaimed: .notLimiting
        case .rehearsal: .rehearsal
        }
    }
}
