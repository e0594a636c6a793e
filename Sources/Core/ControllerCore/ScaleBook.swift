internal import Detection
internal import Messages
internal import Units

/// How many replicas each workload is to have, and what may still be spent on it.
struct ScaleBook {
    enum Verdict: Equatable {
        case step(ScaleDecision)
        /// The same count for longer: there is no room or budget for more.
        case renew(ScaleDecision)
        case coolingDown
        /// Decided before; the log is being read again.
        case known
        case budgetSpent
        case atMaximum
    }

    private(set) var workloads: [String: Workload] = [:]

    struct Workload {
        var generation = 0
        var desired = 0
        var previous = 0
        var decided = Instant.distantPast
        var until = Instant.distantPast
        var isOver = true
        /// When the count was raised, within the last hour.
        var steps: [Instant] = []
        /// The last event of each partition that caused a decision: up to it, the log has been answered.
        var triggers: [Int: Int64] = [:]
        /// The event of our latest word, as long as that word has not been read back from the topic.
        var underWay: LogPosition?
        /// Sources seen over the threshold; bounded, so their number in a decision is too.
        var over: Set<Prefix> = []
    }

    static let mostSourcesOver = 1024
    /// Distinct workloads come from the policy and from whoever writes to the topic; the latter must not fill memory.
    static let mostWorkloads = 10_000

    /// A source is over the threshold: also told of events that are only replayed, so that their number is a function of the log.
    mutating func note(_ source: Prefix, over workload: String) {
        // In place: the set must not be copied for each event of a flood.
        if workloads[workload] == nil { workloads[workload] = Workload() }
        if workloads[workload]!.over.count < Self.mostSourcesOver { workloads[workload]!.over.insert(source) }
    }

    mutating func consider(
        _ event: ThrottleEvent, target: Policy.Target, count: Int, at time: Instant, from position: LogPosition, windows: SourceWindows,
        under policy: Policy
    ) -> Verdict {
        note(event.sourcePrefix, over: target.workload)
        let isActive = time < workloads[target.workload]!.until
        if let known = workloads[target.workload]!.triggers[position.partition], position.offset <= known { return .known }
        if isActive, time < workloads[target.workload]!.decided + target.cooldown { return .coolingDown }

        var workload = workloads[target.workload]!
        defer { workloads[target.workload] = workload }
        workload.steps.removeAll { time - $0 >= .seconds(3600) }
        let current = isActive ? workload.desired : target.min
        let hasRoom = current < target.max, hasBudget = workload.steps.count < target.budgetPerHour
        guard hasRoom && hasBudget || isActive else { return hasRoom ? .budgetSpent : .atMaximum }
        let steps = hasRoom && hasBudget
        if steps {
            workload.previous = current
            workload.desired = min(current + target.step, target.max)
            workload.steps.append(time)
        }
        let moreThan = policy.scaleOut.moreThan
        workload.over = workload.over.filter { windows.count(of: $0, at: time) > moreThan }
        workload.over.insert(event.sourcePrefix)
        workload.generation += 1
        workload.decided = time
        workload.until = time + Self.length(target, policy)
        workload.isOver = false
        workload.triggers[position.partition] = position.offset
        workload.underWay = position
        let decision = ScaleDecision(
            workload: target.workload, desiredReplicas: workload.desired, previousReplicas: workload.previous, mode: policy.mode,
            sourcePrefix: event.sourcePrefix,
            eventsInWindow: count, windowSeconds: Int(policy.scaleOut.window.components.seconds), moreThan: moreThan,
            sourcesOver: workload.over.count,
            until: workload.until, generation: workload.generation, traceID: event.traceID)
        return steps ? .step(decision) : .renew(decision)
    }

    /// Takes over what the topic says: its last record of a workload holds, whatever the generation, for that is the one which compaction keeps
    /// and a newcomer reads. Replicas that raise a workload at the same moment say the same generation, and one that was cut off an older one.
    mutating func apply(_ decision: ScaleDecision, from position: LogPosition?, at time: Instant?, under policy: Policy) {
        guard workloads[decision.workload] != nil || workloads.count < Self.mostWorkloads else { return }
        var workload = workloads[decision.workload] ?? Workload()
        defer { workloads[decision.workload] = workload }
        if let position { workload.triggers[position.partition] = max(workload.triggers[position.partition] ?? -1, position.offset) }
        // A word of ours that has not come back stands further on: what is no newer, our own earlier words as well, was said before it.
        if let ours = workload.underWay, position != ours, decision.generation <= workload.generation { return }
        workload.underWay = nil
        let target = policy.scaleOut.targets.first { $0.workload == decision.workload } ?? Policy.Target(workload: decision.workload)
        let decided = time ?? decision.until - Self.length(target, policy)
        // The same count while the last decision stood is a renewal; anything else was paid for.
        let isRenewal = decision.desiredReplicas == workload.desired && decided < workload.until
        if !isRenewal, !workload.steps.contains(decided) { workload.steps.append(decided) }
        workload.steps.removeAll { decided - $0 >= .seconds(3600) }
        workload.generation = decision.generation
        workload.desired = decision.desiredReplicas
        workload.previous = decision.previousReplicas
        workload.decided = decided
        workload.until = decision.until
        workload.isOver = false
    }

    /// The workloads whose decision has ended since the last call; their lowest count is wanted again.
    mutating func end(at time: Instant) -> [String] {
        let ended = workloads.filter { !$0.value.isOver && time >= $0.value.until }.keys.sorted()
        for name in ended {
            workloads[name]?.isOver = true
            workloads[name]?.underWay = nil
        }
        return ended
    }

    /// A decision outlives the attack by a while, as autoscalers do, and a renewal comes well before its end.
    private static func length(_ target: Policy.Target, _ policy: Policy) -> Duration { max(policy.scaleOut.window, target.cooldown) * 3 }
}
