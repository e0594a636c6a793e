internal import ControllerCore
internal import Detection
internal import Front
internal import HTTP
internal import Linux
internal import Log
internal import Messages
internal import Metrics
internal import OTLP

/// What the service shows: metrics, health, and log lines that a flood cannot multiply.
final class Telemetry {
    let metrics = Metrics()
    var malformed = 0
    /// What nodes said they had lost (`LossNotice`), and how often.
    var lossNotices = 0, lostRecords = 0, lostEvents = 0
    var lossLog = LimitedLog(interval: 60_000_000_000)
    var commitFailures = 0
    var policyRefused = 0
    var malformedLog = LimitedLog(interval: 60_000_000_000)
    var refusedLog = LimitedLog(interval: 60_000_000_000)
    var limitLog = LimitedLog(interval: 1_000_000_000, lines: 10)

    // Each line of metrics: what it is called, and where its number comes from.

    private lazy var events = Self.outcomes.map { outcome in
        (
            metrics.counter(
                "weir_controller_events_total", "Throttle events read, by what became of them.", labels: [("outcome", outcome.name)]),
            outcome.count
        )
    }
    private lazy var answers = Self.answers.map { answer in
        (
            metrics.counter(
                "weir_controller_outputs_total", "Limits and scale decisions, by what was decided.", labels: [("decision", answer.name)]),
            answer.count
        )
    }
    private lazy var failures = [
        "malformed_record", "commit", "delivery", "kafka", "broker_loss", "policy_refused", "events_trimmed", "log_dropped", "http_evicted"
    ].map {
        metrics.counter("weir_controller_failures_total", "What went wrong and was survived.", labels: [("what", $0)])
    }
    /// In the order in which `measure` has their values.
    private static let levels: [(name: String, help: String)] = [
        ("sources", "Sources whose events are counted now."),
        ("limits", "Limits that are remembered, those that have ended among them."),
        ("limits_active", "Limits in force."),
        ("undelivered", "Limits and decisions that Kafka does not have yet."),
        ("partitions", "Partitions of the events topic that this replica has."),
        ("broker_up", "1 while Kafka answers.")
    ]
    private lazy var gauges = Self.levels.map { metrics.gauge("weir_controller_\($0.name)", $0.help) }
    private lazy var policy = metrics.gauge("weir_controller_policy_info", "The policy in force, as labels.", labels: [("version", "")])

    private lazy var notices = metrics.counter("weir_controller_loss_notices_total", "Notices of nodes that they have lost something.")
    private lazy var losses = LossNotice.What.allCases.map { what in
        (what, metrics.counter("weir_controller_node_losses_total", "What nodes said they had lost.", labels: [("what", what.rawValue)]))
    }

    private lazy var otlp = ["delivered", "queue_full", "refused", "not_followed"].map {
        metrics.counter(
            "weir_controller_otlp_total", "Spans and log records for the OpenTelemetry receiver, by what became of them.",
            labels: [("outcome", $0)])
    }
    private lazy var peers = PeerMetrics(metrics)

    /// Zero of each where there is no receiver.
    func set(_ tracing: Tracing?) {
        let counts = tracing?.counts
        let numbers = [counts?.delivered, counts?.full, counts?.refused, tracing?.untold]
        for (counter, number) in zip(otlp, numbers) { metrics.set(counter, to: UInt64(number ?? 0)) }
    }

    func set(_ counts: Peers.Counts) { peers.set(counts) }

    func set(_ counts: Controller.Counts) {
        for (counter, count) in events + answers { metrics.set(counter, to: UInt64(count(counts))) }
    }

    func set(failures numbers: [Int], gauges values: [Int], policyVersion: String) {
        for (counter, number) in zip(failures, numbers) { metrics.set(counter, to: UInt64(number)) }
        for (gauge, value) in zip(gauges, values) { metrics.set(gauge, to: Double(value)) }
        metrics.set(notices, to: UInt64(lossNotices))
        for (what, counter) in losses { metrics.set(counter, to: UInt64(clamping: what == .records ? lostRecords : lostEvents)) }
        metrics.relabel(policy, labels: [("version", policyVersion)])
        metrics.set(policy, to: 1)
    }

    private typealias Number = (name: String, count: @Sendable (Controller.Counts) -> Int)

    private static let outcomes: [Number] = [
        ("considered", { $0.considered }), ("replayed", { $0.replayed }), ("duplicate", { $0.duplicates }), ("clamped", { $0.clamped }),
        ("rehearsal", { $0.rehearsals }), ("unproven", { $0.unproven }), ("one_destination", { $0.oneDestination }),
        ("other_prefix", { $0.otherPrefix }),
        ("minor", { $0.minor }), ("refused", { $0.refused }), ("borne", { $0.borne }), ("too_old", { $0.tooOld }),
        ("sources_full", { $0.sourcesFull }), ("swarming", { $0.swarming })
    ]

    private static let answers: [Number] = [
        ("limit_set", { $0.limitsSet }), ("limit_renewed", { $0.limitsRenewed }), ("limit_refusing", { $0.limitsRefusing }),
        ("limit_overruled", { $0.limitsOverruled }), ("limit_allowed", { $0.limitsAllowed }),
        ("limit_full", { $0.limitsFull }), ("limit_refused", { $0.limitsRefused }), ("limit_over_budget", { $0.limitsOverBudget }),
        ("limit_awaiting_nodes", { $0.limitsAwaitingNodes }), ("limit_forgotten", { $0.limitsForgotten }),
        ("limit_restated", { $0.limitsRestated }), ("limit_republished", { $0.limitsRepublished }), ("scale_step", { $0.scaleSteps }),
        ("scale_renewed", { $0.scaleRenewals }),
        ("scale_cooling_down", { $0.coolingDown }), ("scale_budget_spent", { $0.budgetSpent }), ("scale_at_maximum", { $0.atMaximum }),
        ("scale_unknown_workload", { $0.unknownWorkload })
    ]
}

extension Service: Pages {
    var unready: String? {
        switch core.membership.state {
        case _ where !broker.isUp: "Kafka does not answer"
        case .recollecting: "reading limits and decisions"
        case .assigned: "finding where to begin"
        case .joined, .answering: core.assigned.isEmpty ? "no partition of the events topic is assigned to it" : nil
        }
    }

    func metricsPage() -> [UInt8] {
        let controller = core.controller
        telemetry.set(controller.counts)
        telemetry.set(peers.counts)
        telemetry.set(tracing)
        telemetry.set(
            failures: [
                telemetry.malformed, telemetry.commitFailures, outbox.failures, broker.failures, broker.losses, telemetry.policyRefused,
                controller.trimmedEvents + controller.swarmsRefused, log.dropped, web.counts.evicted
            ],
            gauges: [
                controller.sourceCount, controller.limitCount, controller.activeLimits(at: now), outbox.count, core.assigned.count,
                broker.isUp ? 1 : 0
            ],
            policyVersion: policy.current.version)
        return telemetry.metrics.render()
    }
}
