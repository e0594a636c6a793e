internal import Detection
internal import Messages
internal import Probe
internal import Support
internal import Units
internal import Vocabulary

/// The whole world of one seed: nodes, replicas, a broker, clients and servers, on one clock. Nothing in it happens that the
/// scenario does not say.
final class Cluster {
    let scenario: Scenario
    let plant: Plant?
    let broker: Broker
    let auditor: Auditor
    private(set) var nodes: [Node] = []
    private(set) var replicas: [Replica] = []
    private(set) var now: Time = 0
    private(set) var policy: Policy
    private var dice: Dice
    private var connections: [Connection] = []
    private var nextConnection: [Time]
    private var opened = 0
    /// Answers that got lost behind the witness, and are sent once more.
    private var again: [(at: Time, connection: Connection, answer: Server.Answer)] = []
    /// What is to happen besides the scenario's faults: ends of faults.
    private var later: [(at: Time, body: (Cluster) -> Void)] = []
    private var generation = 1

    private static let step: Time = 5
    private static let epoch: Int64 = 1_800_000_000_000_000_000

    init(_ scenario: Scenario, plant: Plant?) {
        self.scenario = scenario
        self.plant = plant
        var dice = Dice(scenario.seed ^ 0x5157_4549_5253_494d)
        broker = Broker(partitions: scenario.partitions)
        policy = scenario.policy(.enforcing)
        auditor = Auditor(scenario)
        nextConnection = scenario.clients.map { _ in dice.within(0...1_000) }
        self.dice = dice
        auditor.cluster = self
        for number in 0..<scenario.nodes { nodes.append(Node(number, self, self.dice.fork())) }
        for number in 0..<scenario.replicas { replicas.append(Replica(number, self, self.dice.fork())) }
    }

    /// The true time, which the broker has, too.
    var wall: Instant { Instant(nanoseconds: Self.epoch + Int64(now) * 1_000_000) }

    func run() {
        var faults = scenario.faults.enumerated().filter { scenario.kept.contains($0.offset) }.map(\.element)[...]
        while now < Scenario.ends {
            now += Self.step
            while let fault = faults.first, fault.at <= now {
                faults.removeFirst()
                happen(fault.kind)
            }
            let due = later.filter { $0.at <= now }
            later.removeAll { $0.at <= now }
            for item in due { item.body(self) }
            broker.expire(at: now)
            connect()
            for node in nodes { node.step() }
            for replica in replicas { replica.step() }
            if now % 1_000 == 0 { auditor.compare() }
        }
        auditor.conclude()
    }

    // MARK: Faults

    private func happen(_ kind: Scenario.Kind) {
        switch kind {
        case .killNode(let number, let back):
            nodes[number].kill()
            at(back) { if !$0.nodes[number].isAlive { $0.nodes[number].start() } }
        case .stopNode(let number, let until): nodes[number].stoppedUntil = until
        case .killReplica(let number, let back):
            replicas[number].kill()
            at(back) { if !$0.replicas[number].isAlive { $0.replicas[number].start() } }
        case .stopReplica(let number, let until): replicas[number].stoppedUntil = until
        case .brokerAway(let until):
            broker.isUp = false
            at(until) { $0.broker.isUp = true }
        case .loseReports(let until):
            broker.losesReports = true
            at(until) { $0.broker.losesReports = false }
        case .compact:
            broker.limits.compact()
            broker.decisions.compact()
        case .limitsMadeAnew:
            broker.limits.makeAnew()
            auditor.limitsWereLost()
        case .clock(let number, let milliseconds): nodes[number].skew = .milliseconds(milliseconds)
        case .policy(let variant):
            policy = scenario.policy(variant)
            for node in nodes { node.use(policy) }
            for replica in replicas { replica.use(policy) }
            auditor.changedPolicy()
        case .operatorLimits(let kind, let lifted, let byTombstone):
            speak(of: kind, .limit)
            if let lifted { at(lifted) { $0.speak(of: kind, byTombstone ? .tombstone : .release) } }
        case .operatorReleases(let kind): speak(of: kind, .release)
        case .noRoom(let number, let until): nodes[number].noRoomUntil = until
        case .diskFull(let number, let until): nodes[number].diskFullUntil = until
        }
    }

    private func at(_ time: Time, _ body: @escaping (Cluster) -> Void) { later.append((time, body)) }

    private enum OperatorsWord { case limit, release, tombstone }

    /// An operator's word about the first client of that kind: everything that it does is limited to one a second, or that is lifted.
    private func speak(of kind: ClientPlan.Kind, _ word: OperatorsWord) {
        guard broker.isUp, let client = scenario.clients.first(where: { $0.kind == kind }) else { return }
        generation += 1
        let key = Limit.Key(prefix: policy.sourcePrefix(of: client.address), limitClass: .all)
        var limit = Limit(
            key: key, perSecond: 1, answer: .reset, until: wall + .seconds(10),
            generation: Limit.operatorsGeneration(after: generation, at: wall), anomalies: AnomalySet(), traceID: "")
        limit.origin = .operator
        if word == .release { limit = limit.released(at: wall) }
        generation = limit.generation
        let record = Record(
            key: key.description, body: word == .tombstone ? .tombstone : .limit(limit), id: "operator:\(generation)",
            time: wall)
        auditor.stored(.limits, record, 0, broker.limits.append(record, at: wall))
    }

    // MARK: Connections

    private func connect() {
        for (index, plan) in scenario.clients.enumerated()
        where now >= nextConnection[index]
            && (now < Scenario.quietBegins || plan.kind == .customer && now < Scenario.ends - 7_000)
        {
            nextConnection[index] = now + plan.pause + dice.within(0...40)
            opened += 1
            connections.append(Connection(plan, port: UInt16(1_024 + opened % 60_000), number: opened, at: now, &dice))
        }
        for connection in connections { while let step = connection.due(at: now) { deliver(step, of: connection) } }
        let due = again.filter { $0.at <= now }
        again.removeAll { $0.at <= now }
        for item in due where !item.connection.isOver { send(item.answer, of: item.connection, isAgain: true) }
        for connection in connections where connection.isOver { auditor.ended(connection) }
        connections.removeAll { $0.isOver }
    }

    private func deliver(_ step: Connection.Step, of connection: Connection) {
        let node = nodes[connection.node]
        guard pass(connection.frame(of: step), on: .incoming, of: connection) else { return }
        switch step {
        case .synchronize:
            guard connection.life == nil, pass(connection.conversation.synAck, on: .outgoing, of: connection) else { return }
            connection.life = node.isAlive ? node.life : 0
        case .acknowledge: if connection.life != nil { connection.server.open() }
        case .data(let bytes, let offset, let isHeard):
            if isHeard, let answer = connection.server.take(bytes, at: offset) { send(answer, of: connection, isAgain: false) }
        case .forgedEnd, .rest: break
        }
    }

    private func send(_ answer: Server.Answer, of connection: Connection, isAgain: Bool) {
        guard pass(connection.frame(of: answer), on: .outgoing, of: connection) else { return }
        if !isAgain { auditor.answered(connection, answer, nodes[connection.node]) }
        if dice.happens(in: 5), !isAgain { again.append((now + 200, connection, answer)) } else { connection.hear(answer, at: now, &dice) }
    }

    private func pass(_ frame: [UInt8], on hook: NativeEngine.Hook, of connection: Connection) -> Bool {
        if nodes[connection.node].run(frame, on: hook) { return true }
        auditor.refused(connection, nodes[connection.node])
        connection.isRefused = true
        connection.end()
        return false
    }
}
