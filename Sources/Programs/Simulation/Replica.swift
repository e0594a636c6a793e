internal import ControllerCore
internal import Detection
internal import Messages
internal import Units
internal import Vocabulary

/// A controller's process: the real core, and models of its readers and its producer.
final class Replica: ReplicaWorld {
    let number: Int
    private let cluster: Cluster
    private var dice: Dice
    private(set) var core: ReplicaCore?
    private var limits = Follower(), decisions = Follower()
    private var positions: [Int: Int64] = [:]
    private var generation = 0
    private var records: [Int64: (topic: TopicName, record: Record)] = [:]
    private var window = DeliveryWindow()
    private var last: Int64 = 0
    private var sender: Sender
    private(set) var edge: [Limit.Key: Instant] = [:]
    private var nextTick: Time = 0
    /// Ends to which others' words have to be read before anything is answered.
    private var ends: (limits: Int64, decisions: Int64, limitsLife: Int)?
    private var readsFrom: Time = 0
    var stoppedUntil: Time = 0

    var isSpeaking: Bool { !records.isEmpty }

    init(_ number: Int, _ cluster: Cluster, _ dice: Dice) {
        self.number = number
        self.cluster = cluster
        self.dice = dice
        var dice = dice
        sender = Sender(dice.fork())
        start()
    }

    var isAlive: Bool { core != nil }
    var isRunning: Bool { isAlive && cluster.now >= stoppedUntil }
    /// It runs, and has read all that the limits topic says.
    var hasReadAll: Bool { isRunning && core?.membership.state != .recollecting && limits.hasRead(cluster.broker.limits) }

    func start() {
        core = ReplicaCore(Controller(policy: cluster.policy, sources: 4_096, limits: 4_096))
        (limits, decisions, positions, records, window, last, edge, ends, generation) = (
            Follower(), Follower(), [:], [:],
            DeliveryWindow(), 0, [:], nil, 0
        )
        nextTick = cluster.now + 500
    }

    func kill() {
        core = nil
        stoppedUntil = 0
        var fork = dice.fork()
        sender = Sender(fork.fork())
    }

    func use(_ policy: Policy) { core?.use(policy, at: cluster.wall, in: self) }

    func step() {
        guard isRunning else { return }
        sender.step(at: cluster.now, wall: cluster.wall, cluster.broker, stored: cluster.auditor.stored) { number, isStored in
            if isStored {
                records[number] = nil
                window.delivered(number)
                core!.delivered(UInt64(number))
            } else {
                window.failed(number)
            }
        }
        guard cluster.broker.isUp else { return tickIfDue() }
        follow()
        if core!.membership.state != .recollecting { attend() }
        consume()
        tickIfDue()
    }

    /// The limits and decisions topics, read whole.
    private func follow() {
        limits.read(
            cluster.broker.limits, at: cluster.now, wall: cluster.wall, &dice,
            madeAnew: { core!.controller.limitsWereLost() }
        ) { record in
            switch record.body {
            case .limit(let limit): core!.learn(limit, id: record.id, time: record.appended, at: cluster.wall, in: self)
            case .tombstone: if let key = Limit.Key(record.key) { core!.lift(key, time: record.appended, at: cluster.wall, in: self) }
            case .event, .decision: break
            }
        }
        decisions.read(cluster.broker.decisions, at: cluster.now, wall: cluster.wall, &dice) { record in
            if case .decision(let decision) = record.body { core!.learn(decision, id: record.id, at: record.time) }
        }
        if core!.membership.state == .recollecting, limits.hasRead(cluster.broker.limits), decisions.hasRead(cluster.broker.decisions) {
            core!.hear(.recollected)
        }
    }

    /// The group.
    private func attend() {
        cluster.broker.beat(number, at: cluster.now)
        if generation != cluster.broker.generation {
            generation = cluster.broker.generation
            let mine = cluster.broker.assignment[number] ?? []
            core!.hear(.revoked)
            (positions, ends) = ([:], nil)
            if !mine.isEmpty { core!.hear(.assigned(mine)) }
        }
        guard case .assigned(let partitions) = core!.membership.state else { return }
        let broker = cluster.broker
        let wanted = ends ?? (broker.limits.next, broker.decisions.next, broker.limits.life)
        ends = wanted
        guard decisions.next >= wanted.decisions,
            limits.hasRead(broker.limits) || limits.next >= wanted.limits && broker.limits.life == wanted.limitsLife
        else { return }
        let succession = Succession(
            partitions, committed: broker.committed.filter { partitions.contains($0.key) },
            under: core!.controller.policy, at: cluster.wall)
        var found: [Int: Int64] = [:]
        for (partition, time) in succession.times {
            found[partition] = cluster.plant == .forgetsWindows ? .max : broker.events[partition].offset(atOrAfter: time)
        }
        let starts = succession.starts(found: found)
        for start in starts { positions[start.partition] = start.from ?? 0 }
        core!.begin(starts)
    }

    private func consume() {
        guard core!.membership.isAnswering, records.count < 500 else { return }
        if cluster.now >= readsFrom, dice.happens(in: 5) { readsFrom = cluster.now + dice.within(10...300) }
        guard cluster.now >= readsFrom else { return }
        for partition in positions.keys.sorted() {
            var left = 50
            while left > 0, let record = cluster.broker.events[partition].first(from: positions[partition]!, appendedBefore: cluster.wall) {
                positions[partition] = record.offset + 1
                left -= 1
                if case .event(let event) = record.body {
                    core!.answer(event, at: LogPosition(partition: partition, offset: record.offset), appended: record.appended, in: self)
                }
            }
        }
        let due = core!.due
        if !due.isEmpty, cluster.plant != .neverCommits, cluster.broker.commit(due, generation: generation) { core!.committed(due) }
    }

    private func tickIfDue() {
        guard cluster.now >= nextTick else { return }
        nextTick = cluster.now + 500
        while window.isDue(upTo: last) {
            let number = window.handedOver + 1
            if window.isUnderWay(number) || records[number] == nil { window.pass(number) } else if !send(number) { break }
        }
        _ = core!.tick(at: cluster.wall, isComfortable: records.count < 500, in: self)
        for (key, until) in edge where until <= cluster.wall { edge[key] = nil }
    }

    private func send(_ number: Int64) -> Bool {
        guard let (topic, record) = records[number], sender.send(number, topic, record, at: cluster.now) else { return false }
        window.handOver(number)
        return true
    }

    // MARK: The core's world

    func put(_ output: Controller.Output, from position: LogPosition?, at time: Instant) -> UInt64 {
        last += 1
        let id = position?.id ?? "time:\(number):\(last)"
        records[last] =
            switch output {
            case .limit(var limit):
                {
                    if cluster.plant == .limitsForever { limit.until = limit.until + .seconds(86_400) }
                    return (.limits, Record(key: limit.key.description, body: .limit(limit), id: id, time: time))
                }()
            case .forget(let key): (.limits, Record(key: key.description, body: .tombstone))
            case .scale(let decision): (.decisions, Record(key: decision.workload, body: .decision(decision), id: id, time: time))
            }
        if window.isNext(last) { _ = send(last) }
        return UInt64(last)
    }

    func edge(_ key: Limit.Key, _ standing: (perSecond: Int, until: Instant)?) {
        if standing == nil, cluster.plant == .edgeForgetsNothing { return }
        edge[key] = standing?.until
    }

    func said(_ output: Controller.Output) {}
}

extension Replica {
    /// What Envoys are to limit by, for one who reads the topic now.
    static func list(of log: Log, under policy: Policy, at now: Instant) -> Set<Limit.Key> {
        final class Reader: ReplicaWorld {
            var keys: Set<Limit.Key> = []
            func put(_ output: Controller.Output, from position: LogPosition?, at time: Instant) -> UInt64 { 0 }
            func edge(_ key: Limit.Key, _ standing: (perSecond: Int, until: Instant)?) {
                if standing != nil { keys.insert(key) } else { keys.remove(key) }
            }
            func said(_ output: Controller.Output) {}
        }
        let reader = Reader()
        var core = ReplicaCore(Controller(policy: policy, sources: 16, limits: 4_096))
        for record in log.records {
            switch record.body {
            case .limit(let limit): core.learn(limit, id: record.id, time: record.appended, at: now, in: reader)
            case .tombstone: if let key = Limit.Key(record.key) { core.lift(key, time: record.appended, at: now, in: reader) }
            case .event, .decision: break
            }
        }
        return reader.keys
    }
}
