internal import AgentCore
internal import ControllerCore
internal import Detection
internal import Fingerprints
internal import Messages
internal import Units
internal import Vocabulary
internal import Wire

/// What one policy makes of the histories: the production turn of each node, and a controller over their events.
final class RewindSide {
    private final class Node {
        let world: RewindWorld
        var core: NodeCore<HelloFactsReader>
        var known = KnownAddresses()
        var ports: Set<UInt16> = []
        var quicPorts: Set<UInt16> = []

        init(_ policy: Policy, _ name: String) {
            world = RewindWorld(policy)
            core = NodeCore(
                policy, NodeOptions(node: name, bootID: "0", seed: 1, heedsRehearsals: false, countsGroups: false, tellsEverySource: true))
        }
    }

    /// What became of a source.
    struct Outcome: Equatable {
        var hellos = 0
        /// Counted against a limit, and of these refused.
        var limited = 0
        var refused = 0
        var anomalies = AnomalySet()
        var firstLimited: Instant?
    }

    struct Scaling: Equatable {
        var decisions = 0
        var replicas = 0
        var first = Instant.distantPast
        var sources: Set<Prefix> = []
    }

    /// A record of a history, with what is known of its hello.
    struct Record {
        let handshake: Handshake
        let hello: [UInt8]
        let isOwn: Bool
        /// No limiter looked at it.
        let wasObserving: Bool
        let time: Instant
    }

    private var nodes: [Node] = []
    private var controller: Controller
    private var offset: Int64 = 0
    private(set) var outcomes: [Address: Outcome] = [:]
    private(set) var scalings: [String: Scaling] = [:]
    private(set) var events = 0, limits = 0, judged = 0, notWatched = 0, unlisted = 0
    static let mostSources = 500_000
    /// A workload's sources that are named.
    static let mostNamed = 100

    /// - Parameter nodes: their names, in the order of their numbers.
    init(_ policy: Policy, nodes names: [String]) {
        let policy = Self.enforcing(policy)
        controller = Controller(policy: policy, sources: 500_000, limits: 200_000)
        nodes = names.map { Node(policy, $0) }
        for number in nodes.indices { use(policy, node: number, at: .distantPast) }
    }

    private static func enforcing(_ policy: Policy) -> Policy {
        var policy = policy
        policy.mode = .enforce
        return policy
    }

    /// From here on, on this node. The controller has the one that came last.
    func use(_ given: Policy, node number: Int, at time: Instant) {
        let policy = Self.enforcing(given), node = nodes[number]
        node.core.use(policy, node.known, at: time, in: node.world)
        node.ports = Set(policy.ports)
        node.quicPorts = policy.quic.enabled ? Set(policy.quic.ports) : []
        if controller.policy != policy { controller.policy = policy }
    }

    /// Addresses that the node has never limited, though its policy names none of them: its own, its neighbours', its pods'.
    func allow(_ address: Address, node number: Int, at time: Instant) {
        let node = nodes[number], prefix = Prefix(address, length: 128)
        guard !node.known.own.contains(prefix), node.known.own.count < 1024 else { return }
        node.known.own.append(prefix)
        node.core.use(node.known, at: time, in: node.world)
    }

    func judge(_ record: Record, node number: Int) {
        let node = nodes[number], time = record.time
        node.world.wall = time
        let watched = record.handshake.transport == .tcp ? node.ports : node.quicPorts
        guard watched.contains(record.handshake.destinationPort) else {
            notWatched += 1
            return
        }
        judged += 1
        let before = node.world.limitsSet
        let (again, anomalies) = record.hello.withRawBytes(0..<record.hello.count) { hello in
            let again = node.world.again(record.handshake, hello, isOwn: record.isOwn, wasObserving: record.wasObserving)
            // Another's name is not asked about.
            if !record.isOwn { node.core.learn(hello, of: again) }
            return (again, node.core.take(again, hello: record.isOwn ? hello : RawSpan(), in: node.world))
        }
        note(again, anomalies, hasLimited: node.world.limitsSet > before, at: time)
        publish(node)
    }

    private func note(_ handshake: Handshake, _ anomalies: AnomalySet, hasLimited: Bool, at time: Instant) {
        let source = handshake.source
        guard outcomes[source] != nil || outcomes.count < Self.mostSources else {
            unlisted += 1
            return
        }
        let isLimited = hasLimited || handshake.outcome == .admitted || handshake.outcome.isRefused
        var outcome = outcomes[source] ?? Outcome()
        if handshake.kind == .hello { outcome.hellos += 1 }
        outcome.anomalies.formUnion(anomalies)
        if isLimited {
            outcome.limited += 1
            outcome.firstLimited = outcome.firstLimited ?? time
        }
        if handshake.outcome.isRefused { outcome.refused += 1 }
        outcomes[source] = outcome
    }

    /// What time alone brings, as often as on a node.
    func tick(at time: Instant, number: Int) {
        for node in nodes {
            node.world.wall = time
            node.core.tick(number, at: time, in: node.world)
            publish(node)
        }
        guard number % 10 == 0 else { return }
        tell(controller.tick(at: time, partitions: [0]).outputs, at: time)
    }

    private func publish(_ node: Node) {
        while let event = node.core.nextEvent(in: node.world) {
            events += 1
            offset += 1
            tell(controller.consider(event, at: LogPosition(partition: 0, offset: offset)), at: event.time)
        }
    }

    private func tell(_ outputs: [Controller.Output], at time: Instant) {
        for said in outputs {
            switch said {
            case .limit(let limit):
                limits = controller.counts.limitsSet + controller.counts.limitsRenewed
                for node in nodes { node.core.take(limit, at: time, in: node.world) }
            case .scale(let decision): note(decision, at: time)
            case .forget(let key): for node in nodes { node.core.lift(key, in: node.world) }
            }
        }
    }

    private func note(_ decision: ScaleDecision, at time: Instant) {
        var scaling = scalings[decision.workload] ?? Scaling()
        if scaling.decisions == 0 { scaling.first = time }
        scaling.decisions += 1
        scaling.replicas = max(scaling.replicas, decision.desiredReplicas)
        if scaling.sources.count < Self.mostNamed { scaling.sources.insert(decision.sourcePrefix) }
        scalings[decision.workload] = scaling
    }
}
