package import Detection
package import Messages
package import Units
package import Vocabulary
package import Wire

/// A node's turn: verdicts, time, the topic's records and policies come in with their time, and what follows from them goes out to
/// the world. The agent, replay and the simulation run this same value, so none of them can drift.
///
/// For a verdict the limit comes first, if it is the agent's to set; then the counters; then the event, if one is due. Nothing on
/// that way allocates (`Tests/HotPathTests`). Events are made afterwards (`nextEvent`), for each costs more than a limit.
package struct NodeCore<Fingerprints: HelloFingerprints> {
    package internal(set) var policy: Policy
    /// What may make a difference between two nodes with one policy.
    let options: NodeOptions
    /// Wall clock minus the records' clock, nanoseconds. Read again each second, since the wall clock may be set.
    package var clockOffset: Int64 = 0

    var agent: Agent
    private var due = DueEvents()
    /// Of the event that was made last.
    private var lastSlot: Int?
    package private(set) var board = Board()
    package private(set) var groups = GroupCounts()
    /// From the kernel's verdict to the agent's, and to the limit where that was the agent's to set.
    package private(set) var latency = Latency()
    package private(set) var enforcedLatency = Latency()
    /// Limits of this node's own that the kernel's map had no room for.
    package private(set) var refusedLimits = 0

    var cluster = ClusterLimits()
    /// Limits of an earlier run that the topic has not said again yet.
    var unconfirmed: Set<LimitKey> = []
    /// Seen on any node to limited here, by the limits topic.
    package internal(set) var clusterLatency = Latency()
    /// Prefix lengths that the kernel looks for because the limits topic has them.
    var knownLengths: [UInt8] = []
    /// Whom nothing limits here.
    package internal(set) var allowed = AllowList()
    /// Records of the limits topic over its budget since that was last told of, and when it was.
    var overBudget = 0, toldOfBudget = Instant.distantPast

    var names: NameLists
    var fingerprints: Fingerprints
    /// What the kernel was told, and until when it holds.
    var denied: [UInt64: Instant?] = [:]
    /// Denied fingerprints that did not fit the kernel's table.
    package internal(set) var refusedDenials = 0

    /// - Parameter capacity: sources remembered, a power of two.
    package init(_ policy: Policy, _ options: NodeOptions, capacity: Int = 8192) {
        self.policy = policy
        self.options = options
        names = NameLists(policy)
        fingerprints = Fingerprints(policy)
        agent = Agent(
            policy: policy, node: options.node, bootID: options.bootID, seed: options.seed, capacity: capacity,
            tellsEverySource: options.tellsEverySource)
    }

    // MARK: Verdicts

    /// Judges one verdict.
    /// - Parameter hello: its bytes, or nothing where they did not travel.
    /// - Returns: all that was found, by the kernel and here.
    @discardableResult
    package mutating func take<World: NodeWorld>(_ handshake: Handshake, hello: RawSpan, in world: World) -> AnomalySet {
        let seen = instant(handshake.seenNanoseconds)
        if handshake.isOfDestination { return agent.note(condition: handshake, at: seen) }
        let order = agent.consider(handshake, hello: hello, found: look(into: hello, of: handshake, at: seen, in: world), at: seen)
        var enforced: UInt64?
        if let limit = order.limit {
            if !world.limit(limit.key, entry(limit.perSecond, limit.answer, .agent, limit.until)) { refusedLimits += 1 }
            let now = world.steady
            enforced = now
            enforcedLatency.note(now &- handshake.seenNanoseconds)
        }
        let decided = world.steady
        latency.note(decided &- handshake.seenNanoseconds)
        board.note(handshake, anomalies: order.anomalies)
        if options.countsGroups, handshake.hasHello, hello.byteCount > 0 { groups.note(hello, version: handshake.version) }
        if let slot = order.publish {
            due.add(
                DueEvents.Item(
                    slot: slot, seen: handshake.seenNanoseconds, decided: decided, enforced: enforced,
                    until: order.limit?.until))
        }
        return order.anomalies
    }

    /// A hello of this verdict's stack, whose name and protocols may be another's: it tells what the fingerprint is, and nothing else.
    package mutating func learn(_ hello: RawSpan, of handshake: Handshake) {
        if !fingerprints.isEmpty { _ = fingerprints.find(handshake, hello, at: instant(handshake.seenNanoseconds)) }
    }

    /// What only the hello's bytes tell. Only a record that asks for it is read.
    private mutating func look<World: NodeWorld>(
        into hello: RawSpan, of handshake: Handshake, at seen: Instant,
        in world: World
    ) -> AnomalySet {
        guard handshake.kind == .hello,
            handshake.mayBeLiteral || policy.readsEveryHello || !fingerprints.isEmpty
        else { return AnomalySet() }
        var found = AnomalySet()
        if handshake.mayBeLiteral || policy.readsEveryHello, let glance = HelloGlance(hello) {
            found = glance.anomalies(of: hello, over: handshake.transport, under: names, nameIsAsked: handshake.mayBeLiteral)
        }
        switch fingerprints.find(handshake, hello, at: seen) {
        case .nothing: break
        case .thisHello: found.formUnion(AnomalySet(.fingerprintDenied))
        case .everyHello(let until):
            found.formUnion(AnomalySet(.fingerprintDenied))
            deny(handshake.fingerprint, until: until, in: world)
        }
        return found
    }

    // MARK: Events

    package var hasDueEvents: Bool { !due.isEmpty || agent.hasConditions || agent.rest.isDue }

    /// Makes the event that has waited longest. `nil` when none is due.
    package mutating func nextEvent<World: NodeWorld>(in world: World) -> ThrottleEvent? {
        guard let item = due.next() else {
            lastSlot = nil
            return agent.takeCondition(clockOffset: clockOffset) { world.interface($0) }
                ?? agent.takeRest(clockOffset: clockOffset) { world.interface($0) }
        }
        let handshake = agent.latest(of: item.slot)
        let end = item.until ?? (handshake.untilNanoseconds == 0 ? nil : instant(handshake.untilNanoseconds))
        lastSlot = item.slot
        let facts = agent.withHello(of: item.slot) { fingerprints.facts(of: $0, handshake) } ?? fingerprints.facts(of: RawSpan(), handshake)
        return agent.takeEvent(
            of: item.slot, interface: world.interface(handshake.interfaceIndex), hello: facts, seen: instant(item.seen),
            decided: instant(item.decided), enforced: item.enforced.map { instant($0) }, until: end)
    }

    /// The hello that the last event is about, empty where its bytes did not travel. Until the next record is taken.
    package mutating func withLastHello(_ body: (RawSpan) -> Void) {
        guard let lastSlot else { return }
        _ = agent.withHello(of: lastSlot, body)
    }

    // MARK: Time

    /// What time alone brings; ten times a second. `number` counts the calls from 1.
    package mutating func tick<World: NodeWorld>(_ number: Int, at now: Instant, in world: World) {
        for slot in agent.tick(at: now) {
            due.add(
                DueEvents.Item(
                    slot: slot, seen: agent.latest(of: slot).seenNanoseconds, decided: world.steady, enforced: nil,
                    until: nil))
        }
        guard number % 10 == 0 else { return }
        // What has ended ends in the kernel by itself: whatever it has renewed since is the kernel's own.
        for key in cluster.expire(at: now) { world.forget(Limit.Key(prefix: key.prefix, limitClass: key.limitClass)) }
        chooseLengths(in: world)
        admitDeferred(at: now, in: world)
        placeWaiting(in: world)
        endDenials(at: now, in: world)
        if number % 100 == 0 { agent.forget(at: now) }
    }

    // MARK: What a node says of itself

    package var statistics: Agent.Statistics { agent.statistics }
    /// A record that could not be read.
    package mutating func passOver() { agent.passOver() }

    /// What became of the records that were read, and how many events were made of them.
    /// - Parameter withGathering: how much waits for its event as well, for which every source is looked at.
    package func account(into accounts: inout Accounts, withGathering: Bool = true) {
        let statistics = agent.statistics
        (accounts[.own], accounts[.made], accounts[.folded]) = (statistics.events, statistics.events, statistics.folded)
        (accounts[.clean], accounts[.unproven], accounts[.allowed]) = (statistics.clean, statistics.unproven, statistics.allowed)
        (accounts[.outweighed], accounts[.together]) = (statistics.outweighed, statistics.together)
        accounts[.unreadable] = statistics.unreadable
        if withGathering { accounts[.gathering] = agent.gathering }
    }

    package var trackedSources: Int { agent.trackedSources }
    package var displacedSources: Int { agent.displacedSources }
    package var refusals: [ClusterLimits.Refusal: Int] { cluster.refusals }
    /// Another one whenever the account may be another.
    package var revision: Int { cluster.revision }
    package var refusedRecords: Int { cluster.refused }
    /// How many limits of the topic hold, how many do not, and the first of these by name.
    package func account(naming most: Int) -> (held: Int, lacking: Int, named: [NodeStatus.Lack]) { cluster.account(naming: most) }

    package func instant(_ nanoseconds: UInt64) -> Instant { Instant(nanoseconds: Int64(bitPattern: nanoseconds) &+ clockOffset) }

    func entry(_ perSecond: Int, _ answer: Answer, _ origin: LimitEntry.Origin, _ until: Instant) -> LimitEntry {
        LimitEntry(
            perSecond: perSecond, answer: answer, origin: origin,
            untilNanoseconds: UInt64(clamping: until.nanoseconds &- clockOffset))
    }
}

/// Who a node is, and what it was started for.
package struct NodeOptions: Sendable {
    package let node: String
    /// Tells this run's event ids from the last one's.
    package let bootID: String
    /// Of trace ids.
    package let seed: UInt64
    /// Limits that follow from a rehearsal hold here as well.
    package let heedsRehearsals: Bool
    /// Somebody reads `GroupCounts`; of a capture nobody does.
    package let countsGroups: Bool
    /// Each source has events of its own, however many there are in a minute; of a capture nobody is left out.
    package let tellsEverySource: Bool

    package init(
        node: String, bootID: String, seed: UInt64, heedsRehearsals: Bool = false, countsGroups: Bool = true, tellsEverySource: Bool = false
    ) {
        self.node = node
        self.bootID = bootID
        self.seed = seed
        self.heedsRehearsals = heedsRehearsals
        self.countsGroups = countsGroups
        self.tellsEverySource = tellsEverySource
    }
}
