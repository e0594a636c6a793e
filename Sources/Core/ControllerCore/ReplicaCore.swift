package import Detection
package import Messages
package import Units

/// What a replica's turn asks of the world that it runs in: brokers and peers, or the simulation's model of them. None of it calls
/// back into the core.
package protocol ReplicaWorld: AnyObject {
    /// Takes an answer for its topic, and keeps it until it is stored. Returns the number by which its delivery is told
    /// (`ReplicaCore.delivered`).
    /// - Parameters:
    ///   - position: of the event that caused it; `nil` when time alone did.
    ///   - time: of that event.
    func put(_ output: Controller.Output, from position: LogPosition?, at time: Instant) -> UInt64
    /// What Envoys are told of this key from now on; `nil`: nothing limits it.
    func edge(_ key: Limit.Key, _ standing: (perSecond: Int, until: Instant)?)
    /// An answer to an event was given.
    func said(_ output: Controller.Output)
}

/// A replica's turn: events and others' words come in with their places in the log, answers go out to the world. The controller and
/// the simulation run this same value. It knows what was answered, what may be committed, and its place in the group.
package struct ReplicaCore: Sendable {
    package var controller: Controller
    package private(set) var ledger = CommitLedger()
    package private(set) var membership = Membership()

    package init(_ controller: Controller) { self.controller = controller }

    // MARK: Membership

    @discardableResult
    package mutating func hear(_ news: Membership.News) -> Bool {
        guard membership.hear(news) else { return false }
        switch news {
        case .revoked: ledger.stop()
        case .recollected, .assigned, .begun: break
        }
        return true
    }

    /// The place to begin from was found.
    package mutating func begin(_ starts: [Succession.Start]) {
        ledger.stop()
        for start in starts { ledger.start(start.partition, liveFrom: start.liveFrom, newest: start.newest) }
        hear(.begun)
    }

    package var assigned: Set<Int> { ledger.assigned }

    // MARK: Events

    /// - Parameters:
    ///   - event: `nil` where the record could not be read: it is passed over, and what comes after it may be committed.
    ///   - appended: the broker's time.
    package mutating func answer<World: ReplicaWorld>(
        _ event: ThrottleEvent?, at position: LogPosition, appended: Instant?,
        in world: World
    ) {
        guard let event else {
            _ = ledger.read(position, time: nil)
            return
        }
        let time = Controller.time(of: event, appended: appended)
        guard let isReplay = ledger.read(position, time: time) else { return }
        for output in controller.consider(event, at: position, appended: appended, isReplay: isReplay) {
            ledger.expect(world.put(output, from: position, at: time), for: position)
            world.said(output)
        }
    }

    package mutating func delivered(_ number: UInt64) { ledger.delivered(number) }

    /// What may be committed now: up to the first event whose answers have not all been stored. Nothing while others may still speak.
    package var due: [CommitLedger.Commit] { membership.isAnswering ? ledger.due() : [] }
    /// The same on the way out of the group, in whatever state.
    package var leftovers: [CommitLedger.Commit] { ledger.due() }
    package mutating func committed(_ commits: [CommitLedger.Commit]) { ledger.committed(commits) }
    package var outstandingCount: Int { ledger.outstandingCount }

    // MARK: What the topics say: our own earlier words, other replicas', operators'

    /// - Returns: false where the record goes beyond this replica's policy: nobody here knows it then.
    @discardableResult
    package mutating func learn<World: ReplicaWorld>(_ limit: Limit, id: String?, time: Instant, at now: Instant, in world: World) -> Bool {
        guard controller.apply(limit, id: id, at: time) else { return false }
        world.edge(limit.key, controller.standingLimitAtTheEdge(limit.key, at: now))
        return true
    }

    /// A tombstone.
    package mutating func lift<World: ReplicaWorld>(_ key: Limit.Key, time: Instant, at now: Instant, in world: World) {
        controller.release(key, at: time)
        world.edge(key, controller.standingLimitAtTheEdge(key, at: now))
    }

    package mutating func learn(_ decision: ScaleDecision, id: String?, at time: Instant?) { controller.apply(decision, id: id, at: time) }

    /// Another policy. What Envoys are told follows from it as well.
    package mutating func use<World: ReplicaWorld>(_ policy: Policy, at now: Instant, in world: World) {
        for key in controller.use(policy, at: now) { world.edge(key, controller.standingLimitAtTheEdge(key, at: now)) }
    }

    // MARK: Time

    /// What time alone brings; twice a second.
    /// - Parameter isComfortable: there is room for more answers on their way.
    /// - Returns: workloads whose decision is over.
    package mutating func tick<World: ReplicaWorld>(at now: Instant, isComfortable: Bool, in world: World) -> [String] {
        let passing = controller.tick(at: now, partitions: assigned)
        for output in passing.outputs { _ = world.put(output, from: nil, at: now) }
        if isComfortable {
            for (limit, position) in controller.republish(at: now, partitions: assigned) {
                _ = world.put(.limit(limit), from: position, at: now)
            }
        }
        return passing.ended
    }
}
