package import Detection
package import Messages
package import Wire

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
        /// Of info or low severity: recorded only.
        package var minor = 0
        /// All that they tell of was refused, so the workload carried nothing of it.
        package var refused = 0
        package var tooOld = 0
        package var sourcesFull = 0
        /// Of a source that is one of a swarm.
        package var swarming = 0
        package var limitsSet = 0
        package var limitsRenewed = 0
        package var limitsOverruled = 0
        package var limitsAllowed = 0
        package var limitsFull = 0
        package var limitsForgotten = 0
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

    package var policy: Policy { didSet { windows.window = policy.scaleOut.window.wholeNanoseconds } }
    package private(set) var counts = Counts()
    /// Blocks that are never limited, besides the policy's: a cluster's nodes and their pods.
    package var protected: Set<Prefix> = []
    private var windows: SourceWindows
    private var limits: LimitBook
    private var scales = ScaleBook()
    private var swarms = SwarmBook()
    private var nextForgetting = Instant.distantPast

    /// An event's own time is believed this far from the time at which the broker appended it.
    package static let clamp = Duration.seconds(30)
    private static let forgettingInterval = Duration.seconds(60)
    private static let mostForgotten = 1000
    private static let mostRestated = 1000

    /// - Parameters:
    ///   - sources: how many may be counted at once; further ones are not, which is counted.
    ///   - limits: how many entries may be remembered; further sources are not limited by the controller, which is counted.
    ///   - seed: of the hash table; no answer depends on it.
    package init(policy: Policy, sources: Int = 1_000_000, limits: Int = 200_000, seed: UInt64 = 0) {
        self.policy = policy
        windows = SourceWindows(window: policy.scaleOut.window, capacity: sources, seed: seed)
        self.limits = LimitBook(capacity: limits)
    }

    /// - Parameters:
    ///   - appended: the broker's time; `nil` when there is none, and then the event's own is believed.
    ///   - isReplay: it was answered in an earlier life and only has to be counted.
    package mutating func consider(_ event: ThrottleEvent, at position: LogPosition, appended: Instant? = nil, isReplay: Bool = false) -> [Output] {
        counts.considered += 1
        if isReplay { counts.replayed += 1 }
        guard event.proof >= policy.proof else { counts.unproven += 1; return [] }
        guard event.severity >= .medium else { counts.minor += 1; return [] }
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
        var event = event
        if policy.recorded.contains(.fingerprintSwarm), let ja4 = event.ja4,
           swarms.consider(ja4, of: event.sourcePrefix, at: time, window: policy.scaleOut.window.wholeNanoseconds, most: policy.thresholds.swarm) {
            counts.swarming += 1
            event.anomalies.formUnion(AnomalySet(.fingerprintSwarm))
            event.limit = event.limit ?? swarmLimit(at: time)
        }
        let target = !isRefused && count > policy.scaleOut.moreThan ? policy.scaleOut.targets.first { $0.workload == event.workload } : nil
        guard !isReplay else {
            if let target { scales.note(event.sourcePrefix, over: target.workload) }
            return []
        }

        var outputs: [Output] = []
        if policy.mode == .enforce, event.action != .none || event.anomalies.contains(.fingerprintSwarm), let wanted = event.limit {
            switch limits.consider(event, wanted, at: time, from: position, eventsInWindow: count, under: policy, protecting: protected) {
            case .set(let limit): counts.limitsSet += 1; outputs.append(.limit(limit))
            case .renew(let limit): counts.limitsRenewed += 1; outputs.append(.limit(limit))
            case .stands: break
            case .overruled: counts.limitsOverruled += 1
            case .allowed: counts.limitsAllowed += 1
            case .full: counts.limitsFull += 1
            }
        }
        if let target {
            if let decision = scale(event, target, count, time, position) { outputs.append(.scale(decision)) }
        } else if !isRefused, count > policy.scaleOut.moreThan {
            counts.unknownWorkload += 1
        }
        return outputs
    }

    /// What the policy asks for one of a swarm that its node had no reason to limit.
    private func swarmLimit(at time: Instant) -> ThrottleEvent.Limit? {
        policy.detections[.fingerprintSwarm]?.limit.map {
            ThrottleEvent.Limit(limitClass: $0.limitClass, perSecond: $0.perSecond, answer: $0.answer, until: time + ($0.duration ?? policy.duration(ofStep: 0)), enforced: false)
        }
    }

    /// When an event counts as having happened.
    package static func time(of event: ThrottleEvent, appended: Instant?) -> Instant {
        guard let appended else { return event.time }
        return min(max(event.time, appended - clamp), appended + clamp)
    }

    private mutating func scale(_ event: ThrottleEvent, _ target: Policy.Target, _ count: Int, _ time: Instant, _ position: LogPosition) -> ScaleDecision? {
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
    package mutating func apply(_ limit: Limit, id: String?, at time: Instant) { limits.apply(limit, from: id.flatMap { LogPosition(id: $0) }, at: time) }

    /// The limits topic was made anew: what stands is to be said again.
    package mutating func limitsWereLost() { limits.wereLost() }

    /// Some of the limits that stand and are not on the topic any more, each with the event that caused it, and counted. Call it now and then.
    /// - Parameter partitions: whose events are answered here. Each limit is said again by one replica.
    package mutating func republish(at time: Instant, partitions: Set<Int>) -> [(limit: Limit, cause: LogPosition?)] {
        let again = limits.republish(at: time, from: partitions, atMost: Self.mostRestated)
        counts.limitsRepublished += again.count
        return again
    }

    package mutating func release(_ key: Limit.Key, at time: Instant) { limits.release(key, at: time) }

    /// - Parameter time: of the event that caused it, as `time(of:appended:)` said then (the record's CloudEvents time); `nil` when unknown.
    package mutating func apply(_ decision: ScaleDecision, id: String?, at time: Instant?) {
        scales.apply(decision, from: id.flatMap { LogPosition(id: $0) }, at: time, under: policy)
    }

    // MARK: Time

    /// What is over by now. Call about once a second. What `consider` says never depends on it.
    /// - Parameter partitions: those of the events topic that are read here; limits of other sources are others' to forget.
    package mutating func tick(at now: Instant, partitions: Set<Int>) -> Passing {
        var passing = Passing(ended: scales.end(at: now))
        let restated = limits.restate(at: now, from: partitions, atMost: Self.mostRestated)
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
    package func eventsInWindow(of source: Prefix, at now: Instant) -> Int { windows.count(of: source, at: now) }

    /// How many replicas are wanted now, by each workload with a decision in force.
    package func wantedReplicas(at now: Instant) -> [String: Int] { scales.workloads.filter { now < $0.value.until }.mapValues(\.desired) }
}
