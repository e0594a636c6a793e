internal import ControllerCore
internal import Detection
internal import Front
internal import Glibc
internal import JSON
internal import Kafka
internal import Kubernetes
internal import Linux
internal import Log
internal import Messages
internal import PolicyFile
internal import Startup
internal import Units

/// The controller's loop: events in, answers out, on one thread, so that what the core says is a function of the order in the log and
/// nothing has to be locked. All that it waits for has a descriptor. (Peers that are slow by nature have a thread of their own and are told what
/// the topics say; they never touch this state.)
///
/// A life goes: read the limits and decisions topics to their ends; join the group; for the partitions given, find the place to read from;
/// answer. See `Controller` for why that order loses and doubles nothing.
final class Service {
    let log: Log
    var policy: PolicySource
    var core: ReplicaCore
    var reader = MessageReader()
    let outbox: Outbox
    let follower: KafkaFollower
    let consumer: KafkaConsumer
    let telemetry = Telemetry()
    let broker: BrokerState
    let peers: Peers
    let autoscalers: Autoscalers
    let tracing: Tracing?
    let web: Web

    var now: Instant { Instant(nanoseconds: Clock.wall) }
    var port: UInt16 { web.port }

    init(
        policy: PolicySource, clients: Clients, web: Web, peers: Peers, autoscalers: Autoscalers,
        heedsRehearsals: Bool, tracing: Tracing?, log: Log
    ) {
        self.log = log
        self.tracing = tracing
        self.policy = policy
        self.peers = peers
        self.autoscalers = autoscalers
        core = ReplicaCore(Controller(policy: policy.current, seed: UInt64.random(in: 0 ... .max)))
        core.controller.heedsRehearsals = heedsRehearsals
        broker = BrokerState(log, meanwhile: "what is decided waits")
        self.web = web
        outbox = clients.outbox.take()
        follower = clients.follower.take()
        consumer = clients.consumer.take()
        web.show(self)
    }

    /// Runs until SIGTERM or SIGINT; SIGHUP reads the policy again.
    func run(until signals: borrowing Signals) -> Never {
        var nextTick = Clock.monotonic
        var isBusy = false
        while true {
            wait(signals.eventDescriptor, milliseconds: isBusy ? 0 : max(0, Int(nextTick) - Int(Clock.monotonic)) / 1_000_000 + 1)
            while let signal = signals.next() {
                guard signal == Signals.hangUp else { return stop() }
                reload()
            }
            isBusy = outbox.drain(delivered: stored, notice: broker.hear)
            isBusy = follow() || isBusy
            peers.tell()
            tracing?.pushed(at: now)
            isBusy = consume() || isBusy
            web.run()
            autoscalers.run()
            if Clock.monotonic >= nextTick {
                nextTick = Clock.monotonic + 500_000_000
                tick()
            }
        }
    }

    private func stored(_ number: UInt64) {
        core.delivered(number)
        tracing?.delivered(number, at: now)
    }

    private func wait(_ signals: CInt, milliseconds: Int) {
        let timeout = min(milliseconds, web.timeoutMilliseconds ?? milliseconds, autoscalers.timeoutMilliseconds ?? milliseconds)
        var polls = [
            signals, outbox.eventDescriptor, follower.eventDescriptor, consumer.eventDescriptor, web.descriptor,
            autoscalers.descriptor ?? -1
        ].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        // With enough waiting to be delivered the events wait too; their descriptor would only spin.
        if !outbox.isComfortable { polls[3].fd = -1 }
        unsafe poll(&polls, nfds_t(polls.count), CInt(clamping: timeout))
    }

    private func tick() {
        if policy.hasChanged() { reload() }
        outbox.retry()
        if let nodes = autoscalers.deployments?.nodes, nodes != core.controller.protected { core.controller.protected = nodes }
        for workload in core.tick(at: now, isComfortable: outbox.isComfortable, in: self) {
            log.write(.info, "scale decision over", [("workload", workload)])
        }
        tellWanted()
        advance()
        commit()
        telemetry.limitLog.flush(log)
        telemetry.malformedLog.flush(log)
        telemetry.refusedLog.flush(log)
        telemetry.lossLog.flush(log)
        log.flush()
    }

    private func reload() {
        do {
            try policy.reload()
            core.use(policy.current, at: now, in: self)
            log.write(
                .info, "policy in force",
                [("policy", policy.current.name), ("policy.version", policy.current.version), ("mode", policy.current.mode.rawValue)])
        } catch {
            telemetry.policyRefused += 1
            log.write(.error, "policy refused, the running one stays: \(error)", [("policy.version", policy.current.version)])
        }
    }

    /// What KEDA is told; decisions end by themselves, and the policy may name other workloads.
    func tellWanted() {
        // Who observes says what it would have decided, and nobody is scaled by it.
        let controller = core.controller, targets = controller.policy.scaleOut.targets
        let replicas = controller.policy.mode == .enforce ? controller.wantedReplicas(at: now) : [:]
        peers.want(replicas, targets)
        autoscalers.want(replicas, targets, isActing: core.assigned.contains(0))
    }

    /// What is in flight gets a moment, then what may be committed is, and the group is told.
    private func stop() -> Never {
        let left = outbox.close(withinMilliseconds: 250) { core.delivered($0) }
        let due = core.leftovers
        if !due.isEmpty { try? consumer.commit(Self.positions(due), withinMilliseconds: 200) }
        consumer.close(withinMilliseconds: 250)
        log.write(.info, "stopped", [("undelivered", "\(left)")])
        log.close(withinMilliseconds: 100)
        leave()
    }
}
