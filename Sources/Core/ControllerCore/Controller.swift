package import Detection
package import Messages
package import Units
internal import Vocabulary

/// Events in, desired state out. Everything it says is a function of the log of events, of the policy, and of what it said before.
///
/// After a restart: first `apply` what stands on the limits and decisions topics, then `consider` the events again from a window before
/// the committed place on, those before it as `isReplay`. Events from the committed place on that were answered before are recognised,
/// because each answer carries its event's place in the log; so nothing is said twice, and nothing is left out.
package struct Controller: Sendable {
    package enum Output: Sendable, Equatable {
        case limit(Limit)
        /// A limit so long over that its entry may go: a tombstone.
        case forget(Limit.Key)
        case scale(ScaleDecision)
    }

    /// What time alone has changed.
    package struct Passing: Sendable, Equatable {
        /// Workloads whose decision is over: nothing renewed it, and their lowest count is wanted again.
        package var ended: [String] = []
        package var outputs: [Output] = []
    }

    package struct Counts: Sendable, Equatable {
        package var considered = 0
        package var replayed = 0
        package var duplicates = 0
        /// Their own time was more than 30 s from the broker's, and was clamped.
        package var clamped = 0
        /// No proof of a handshake: count for nothing.
        package var unproven = 0
        /// Proved to one destination only, which this policy does not vouch for: limited there, on its node.
        package var oneDestination = 0
        /// From a rehearsal, which this controller was not started for.
        package var rehearsals = 0
        /// Their source's prefix is not what this policy makes of the address: the node's policy has other lengths, or it lies.
        package var otherPrefix = 0
        /// Of info or low severity under this policy, and without a limit: recorded only.
        package var minor = 0
        /// All that they tell of was refused, so the workload carried nothing of it.
        package var refused = 0
        /// Over the threshold, of sources that no limit has refused anything: the workload bore what they asked for.
        package var borne = 0
        package var tooOld = 0
        package var sourcesFull = 0
        /// Of a source that is one of a swarm.
        package var swarming = 0
        package var limitsSet = 0
        package var limitsRenewed = 0
        /// Said again, because somebody was refused for the first time.
        package var limitsRefusing = 0
        package var limitsOverruled = 0
        package var limitsAllowed = 0
        package var limitsFull = 0
        /// New sources beyond what one node may bring in a minute: limited on their node only.
        package var limitsOverBudget = 0
        /// Fewer nodes have told of the source than must agree: limited on its node only.
        package var limitsAwaitingNodes = 0
        package var limitsForgotten = 0
        /// Others' words on the topic that go beyond this policy: as if they had not been said.
        package var limitsRefused = 0
        /// Said again, because a lesser word came after them on the topic.
        package var limitsRestated = 0
        /// Said again, because the topic was made anew.
        package var limitsRepublished = 0
        /// Over the threshold, but of no workload that the policy knows.
        package var unknownWorkload = 0
        package var scaleSteps = 0
        package var scaleRenewals = 0
        package var coolingDown = 0
        package var budgetSpent = 0
        package var atMaximum = 0
    }

    package var policy: Policy {
        didSet {
            windows.window = policy.scaleOut.window.wholeNanoseconds
            bounds = LimitBounds(policy, heedsRehearsals: heedsRehearsals)
        }
    }
    package private(set) var counts = Counts()
    /// Blocks that are never limited, besides the policy's: a cluster's nodes and their pods.
    package var protected: Set<Prefix> = []
    /// Acts on the events of rehearsals as well; what follows from them is marked.
    package var heedsRehearsals = false { didSet { bounds = LimitBounds(policy, heedsRehearsals: heedsRehearsals) } }
    /// What the policy lets others say: made once, and asked for each record.
    private var bounds: LimitBounds
    private var windows: SourceWindows
    private var limits: LimitBook
    private var scales = ScaleBook()
    private var swarms = SwarmBook()
    private var trust = TrustBook()
    private var nextForgetting = Instant.distantPast
    /// Others' words beyond this policy, as many as fit, with where they came from: another policy may know them.
    private var withheld: [Limit.Key: (limit: Limit, id: String?, time: Instant)] = [:]

    /// An event's own time is believed this far from the time at which the broker appended it.
    package static let clamp = Duration.seconds(30)
    private static let forgettingInterval = Duration.seconds(60)
    private static let mostForgotten = 1000
    private static let mostRestated = 1000
    private static let mostWithheld = 16_384

    /// - Parameters:
    ///   - sources: how many may be counted at once; further ones are not, which is counted.
    ///   - limits: how many entries may be remembered; further sources are not limited by the controller, which is counted.
    ///   - seed: of the hash table; no answer depends on it.
    package init(policy: Policy, sources: Int = 1_000_000, limits: Int = 200_000, seed: UInt64 = 0) {
        self.policy = policy
        bounds = LimitBounds(policy)
        windows = SourceWindows(window: policy.scaleOut.window, capacity: sources, seed: seed)
        self.limits = LimitBook(capacity: limits)
    }

    /// - Parameters:
    ///   - appended: the broker's time; `nil` when there is none, and then the event's own is believed.
    ///   - isReplay: it was answered in an earlier life and only has to be counted.
    package mutating func consider(_ event: ThrottleEvent, at position: LogPosition, appended: Instant? = nil, isReplay: Bool = false)
        -> [Output]
    {
        counts.considered += 1
        if isReplay { counts.replayed += 1 }
        guard heedsRehearsals || !event.isRehearsal else { counts.rehearsals += 1; return [] }
        guard event.proof >= policy.proof else { counts.unproven += 1; return [] }
        guard event.reach == .source else { counts.oneDestination += 1; return [] }
        // What was seen is the node's to say: source, anomalies, counts, time. What follows from it is this policy's, whatever the node's own is.
        guard event.sourcePrefix == policy.sourcePrefix(of: event.sourceAddress) else { counts.otherPrefix += 1; return [] }
        guard policy.severity(of: event.anomalies) ?? .info >= .medium || policy.limitRule(for: event.anomalies) != nil else {
            counts.minor += 1; return []
        }
        let time = Self.time(of: event, appended: appended)
        if time != event.time { counts.clamped += 1 }

        // Scaling is for what the workload had to carry: what was refused cost it nothing.
        let isRefused = event.counts.seen > 0 && event.counts.reset + event.counts.dropped >= event.counts.seen
        var count = 0
        if isRefused {
            counts.refused += 1
            count = windows.count(of: event.sourcePrefix, at: time)
        } else {
            switch windows.insert(event.sourcePrefix, partition: position.partition, at: time, id: fingerprint(of: event.id.utf8)) {
            case .counted(let most): count = most
            case .duplicate: counts.duplicates += 1; return []
            case .tooOld: counts.tooOld += 1; return []
            case .full: counts.sourcesFull += 1
            }
        }
        if event.counts.hasRefused { windows.noteRefusal(of: event.sourcePrefix, at: time) }
        var event = event
        if policy.recorded.contains(.fingerprintSwarm), let ja4 = event.ja4,
            swarms.consider(
                ja4, of: event.sourcePrefix, at: time, window: policy.scaleOut.window.wholeNanoseconds, most: policy.thresholds.swarm)
        {
            counts.swarming += 1
            event.anomalies.formUnion(AnomalySet(.fingerprintSwarm))
        }
        let isOver = !isRefused && count > policy.scaleOut.moreThan, hasRefused = isOver && windows.hasRefused(event.sourcePrefix, at: time)
        let target = hasRefused ? policy.scaleOut.targets.first { $0.workload == event.workload } : nil
        let isAgreed = trust.agree(on: event.sourcePrefix, event.node, at: time, nodes: policy.trust.nodes, window: policy.scaleOut.window)
        guard !isReplay else {
            if let target { scales.note(event.sourcePrefix, over: target.workload) }
            return []
        }

        var outputs: [Output] = []
        if policy.mode == .enforce, let rule = policy.limitRule(for: event.anomalies), isTrusted(event, rule, isAgreed, time) {
            switch limits.consider(
                event, rule, at: time, from: position, eventsInWindow: count, under: policy, isAllowed: isAllowed(event.sourcePrefix))
            {
            case .set(let limit): counts.limitsSet += 1; outputs.append(.limit(limit))
            case .renew(let limit): counts.limitsRenewed += 1; outputs.append(.limit(limit))
            case .refusing(let limit): counts.limitsRefusing += 1; outputs.append(.limit(limit))
            case .stands: break
            case .overruled: counts.limitsOverruled += 1
            case .allowed: counts.limitsAllowed += 1
            case .full: counts.limitsFull += 1
            }
        }
        if let target {
            if let decision = scale(event, target, count, time, position) { outputs.append(.scale(decision)) }
        } else if isOver {
            if hasRefused { counts.unknownWorkload += 1 } else { counts.borne += 1 }
        }
        return outputs
    }

    /// Whether the word of the event's node may set a limit. One that stands was trusted before.
    private mutating func isTrusted(_ event: ThrottleEvent, _ rule: Policy.LimitRule, _ isAgreed: Bool, _ time: Instant) -> Bool {
        let key = Limit.Key(prefix: event.sourcePrefix, limitClass: rule.limitClass)
        if limits.standing(key, at: time) != nil || isAllowed(event.sourcePrefix) { return true }
        guard isAgreed else { counts.limitsAwaitingNodes += 1; return false }
        guard trust.admits(event.sourcePrefix, by: event.node, at: time, budget: policy.trust.newSources) else {
            counts.limitsOverBudget += 1; return false
        }
        return true
    }

    /// Whether a limit of this block would hit a source that is never limited.
    private func isAllowed(_ prefix: Prefix) -> Bool {
        func overlaps(_ block: Prefix) -> Bool { block.contains(prefix) || prefix.contains(block) }
        return policy.neverLimited.contains(where: overlaps) || protected.contains(where: overlaps)
    }

    /// When an event counts as having happened.
    package static func time(of event: ThrottleEvent, appended: Instant?) -> Instant {
        guard let appended else { return event.time }
        return min(max(event.time, appended - clamp), appended + clamp)
    }

    private mutating func scale(_ event: ThrottleEvent, _ target: Policy.Target, _ count: Int, _ time: Instant, _ position: LogPosition)
        -> ScaleDecision?
    {
        switch scales.consider(event, target: target, count: count, at: time, from: position, windows: windows, under: policy) {
        case .step(let decision): counts.scaleSteps += 1; return decision
        case .renew(let decision): counts.scaleRenewals += 1; return decision
        case .known: return nil
        case .coolingDown: counts.coolingDown += 1; return nil
        case .budgetSpent: counts.budgetSpent += 1; return nil
        case .atMaximum: counts.atMaximum += 1; return nil
        }
    }

    // MARK: What the topics say: our own earlier words, other replicas', operators'.

    /// - Parameters:
    ///   - id: the record's CloudEvents id.
    ///   - time: the record's, to tell what is still in force.
    /// - Returns: false where the record goes beyond this policy or hits whom it never limits: nobody here knows it then.
    @discardableResult
    package mutating func apply(_ limit: Limit, id: String?, at time: Instant) -> Bool {
        let isBeyond = bounds.excess(limit, at: time) != nil
        guard !isBeyond, limit.isRelease || !isAllowed(limit.key.prefix) else {
            if isBeyond { counts.limitsRefused += 1 } else { counts.limitsAllowed += 1 }
            if withheld[limit.key] != nil || withheld.count < Self.mostWithheld { withheld[limit.key] = (limit, id, time) }
            return false
        }
        withheld[limit.key] = nil
        limits.apply(limit, from: id.flatMap { LogPosition(id: $0) }, at: time)
        return true
    }

    /// Another policy from now on: what it allows of others' words, and the last one did not, is known now.
    /// - Returns: keys whose limit at the edge may be another; none where both policies let the same be said.
    package mutating func use(_ next: Policy, at now: Instant) -> [Limit.Key] {
        let before = (bounds, policy.allow, policy.trust.proxies)
        policy = next
        guard bounds != before.0 || policy.allow != before.1 || policy.trust.proxies != before.2 else { return [] }
        for (key, word) in withheld {
            // One that has ended is known as well: the next of its key counts generations and steps from it.
            if now - word.limit.until >= LimitBook.memory { withheld[key] = nil } else { apply(word.limit, id: word.id, at: word.time) }
        }
        return limits.keys
    }

    /// The limits topic was made anew: what stands is to be said again.
    package mutating func limitsWereLost() { limits.wereLost() }

    /// Some of the limits that stand and are not on the topic any more, each with the event that caused it, and counted. Call it now and then.
    /// - Parameter partitions: whose events are answered here. Each limit is said again by one replica.
    package mutating func republish(at time: Instant, partitions: Set<Int>) -> [(limit: Limit, cause: LogPosition?)] {
        let again = limits.republish(at: time, from: partitions, atMost: Self.mostRestated).filter {
            $0.limit.isRelease || !isAllowed($0.limit.key.prefix)
        }
        counts.limitsRepublished += again.count
        return again
    }

    package mutating func release(_ key: Limit.Key, at time: Instant) {
        withheld[key] = nil
        limits.release(key, at: time)
    }

    /// - Parameter time: of the event that caused it, as `time(of:appended:)` said then (the record's CloudEvents time); `nil` when unknown.
    package mutating func apply(_ decision: ScaleDecision, id: String?, at time: Instant?) {
        scales.apply(decision, from: id.flatMap { LogPosition(id: $0) }, at: time, under: policy)
    }

    // MARK: Time

    /// What is over by now. Call about once a second. What `consider` says never depends on it.
    /// - Parameter partitions: those of the events topic that are read here; limits of other sources are others' to forget.
    package mutating func tick(at now: Instant, partitions: Set<Int>) -> Passing {
        var passing = Passing(ended: scales.end(at: now))
        let restated = limits.restate(at: now, from: partitions, atMost: Self.mostRestated).filter {
            $0.isRelease || !isAllowed($0.key.prefix)
        }
        counts.limitsRestated += restated.count
        passing.outputs = restated.map { .limit($0) }
        if now >= nextForgetting {
            nextForgetting = now + Self.forgettingInterval
            let keys = limits.forget(at: now, from: partitions, atMost: Self.mostForgotten)
            counts.limitsForgotten += keys.count
            passing.outputs += keys.map { .forget($0) }
        }
        return passing
    }

    // MARK: Looking

    package var sourceCount: Int { windows.count }
    package var swarmStacks: Int { swarms.count }
    package var swarmsRefused: Int { swarms.refused }
    package var trimmedEvents: Int { windows.trimmed }
    package var limitCount: Int { limits.count }
    package func activeLimits(at now: Instant) -> Int { limits.active(at: now) }
    package func standingLimit(_ key: Limit.Key, at now: Instant) -> (perSecond: Int, until: Instant)? { limits.standing(key, at: now) }
    /// What Envoys are told of a key: nothing that this policy would not let anybody say now.
    package func standingLimitAtTheEdge(_ key: Limit.Key, at now: Instant) -> (perSecond: Int, until: Instant)? {
        guard let standing = limits.standingAtTheEdge(key, at: now), let limit = limits.known(key), bounds.excess(limit, at: now) == nil,
            !isAllowed(key.prefix)
        else { return nil }
        return standing
    }
    package func eventsInWindow(of source: Prefix, at now: Instant) -> Int { windows.count(of: source, at: now) }

    /// How many replicas are wanted now, by each workload with a decision in force.
    package func wantedReplicas(at now: Instant) -> [String: Int] { scales.workloads.filter { now < $0.value.until }.mapValues(\.desired) }
}
