internal import AgentCore
internal import Detection
internal import Front
internal import Linux
internal import Messages
internal import Units

/// What the nodes topic is told of this node, and when.
struct Reports {
    /// What makes a new report worth its second.
    struct State: Equatable, Sendable {
        let nextOffset: Int64
        let lacks: Int
        let mode: Policy.Mode
        let policyVersion: String
        let bundles: NodeStatus.Bundles?
    }

    var schedule = ReportSchedule<State>()
    let started = Instant(nanoseconds: Clock.wall)
}

extension Node {
    /// At each tick, far from the way between ring and verdict. Nothing is said before the limits topic has been seen: until then
    /// there is nothing to be behind, and whoever makes that topic makes the one for reports as well, with its settings.
    func report(at now: Instant) {
        guard let publisher, let nextOffset = limits?.nextOffset else { return }
        if publisher.takeLoss() { reports.schedule.lost() }
        let state = Reports.State(
            nextOffset: nextOffset, lacks: core.revision, mode: policy.mode, policyVersion: policy.version, bundles: bundleTally.status)
        // The wall clock may be set; how long ago something was said is not its business.
        let steady = Instant(nanoseconds: Int64(bitPattern: Clock.monotonic))
        guard reports.schedule.isDue(state, at: steady) else { return }
        let account = core.account(naming: NodeStatus.mostNamed)
        var status = NodeStatus(
            node: settings.node, time: now, started: reports.started, version: version, mode: policy.mode,
            interfaces: watch.interfaces.map(\.name),
            policyName: policy.name, policyVersion: policy.version, nextOffset: nextOffset)
        status.addresses = ownAddresses
        status.bundles = bundleTally.status
        (status.held, status.lacking, status.lacks, status.refused) = (account.held, account.lacking, account.named, core.refusedRecords)
        if publisher.publish(status) { reports.schedule.reported(state, at: steady) }
    }
}
