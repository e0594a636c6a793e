internal import AgentCore
internal import Detection
internal import Messages
internal import Probe
internal import Units
internal import Wire

/// A node: the probe's own code without a kernel, the real core, and models of ring, disk and Kafka's client. A process that is
/// killed loses all but the disk; one that is stopped leaves the kernel's side at work.
final class Node: NodeWorld {
    let number: Int
    private let cluster: Cluster
    private var dice: Dice
    /// A planted fault's own chance.
    private var fault: Dice
    private(set) var engine: NativeEngine?
    private(set) var core: NodeCore<NoFingerprints>?
    /// Lives of its agent so far.
    private(set) var life = 0
    private var policy: Policy
    private var ring: [[UInt8]] = []
    private var follower = Follower()
    private var sender: Sender
    private var order = SendOrder(mostInTurn: 200, mostPassing: 200, lanes: 64)
    private var disk = Disk(), saved = Disk()
    private var ticks = 0
    private var hasReadTopic = false
    var stoppedUntil: Time = 0
    var noRoomUntil: Time = 0
    var diskFullUntil: Time = 0
    /// What its wall clock says beyond the true time.
    var skew = Duration.zero
    /// The latest that its clock has ever said: what had ended then does not begin again, in this life, when the clock is set back.
    private(set) var latestWall = Instant(nanoseconds: 0)

    /// Of this life: events, and records where they come from.
    private var counts = Accounts()
    private var seenInLife = (seen: 0, lost: 0)

    private static let ringCapacity = 512, spoolCapacity = 2_000

    /// What lies in the state directory. `saved` is what a kill leaves of it.
    private struct Disk {
        var events: [Int64: ThrottleEvent] = [:]
        var last: Int64 = 0
        var limits: [Limit.Key: Limit] = [:]
    }

    init(_ number: Int, _ cluster: Cluster, _ dice: Dice) {
        self.number = number
        self.cluster = cluster
        self.dice = dice
        policy = cluster.policy
        var dice = dice
        sender = Sender(dice.fork())
        fault = dice.fork()
        start()
    }

    var isAlive: Bool { engine != nil }
    var isRunning: Bool { isAlive && cluster.now >= stoppedUntil }
    var isEnforcing: Bool { isAlive && engine?.enforcing == true }

    // MARK: Life

    func start() {
        life += 1
        policy = cluster.policy
        engine = NativeEngine(KernelPolicy(policy, vouchesForAll: true), enforcing: policy.mode == .enforce)
        core = NodeCore(policy, NodeOptions(node: "node\(number)", bootID: "\(life)", seed: UInt64(life)), capacity: 64)
        (follower, hasReadTopic, ring) = (Follower(), false, [])
        order = SendOrder(mostInTurn: 200, mostPassing: 200, lanes: 64)
        for event in disk.events.values { order.wait(key: key(event)) }
        if disk.events.isEmpty { order.pass(disk.last) }
        (counts, seenInLife) = (Accounts(), (0, 0))
        counts[.found] = disk.events.count
        // What the last run told Kafka may be on its way; of that it knows nothing.
        var fork = dice.fork()
        sender = Sender(fork.fork())
        readClock()
        latestWall = wall
        core?.use(KnownAddresses(), at: wall, in: self)
        if cluster.plant != .forgetsDisk {
            core?.restore(disk.limits.values.sorted { $0.key.description < $1.key.description }, at: wall, in: self)
        }
        cluster.auditor.started(
            self, limitsOnDisk: disk.limits.values.filter { $0.until > wall && !$0.isRelease }.count,
            held: core?.account(naming: 0).held ?? 0, mode: policy.mode)
    }

    func kill() {
        guard isAlive else { return }
        let before = disk.events
        disk = saved
        cluster.auditor.killed(
            self, unsaved: before.filter { disk.events[$0.key] == nil }.map(\.value.id), records: ring.count,
            due: core?.hasDueEvents ?? false)
        engine = nil
        core = nil
        ring = []
        stoppedUntil = 0
    }

    // MARK: The way of a frame

    /// - Returns: whether it passes; where nobody watches all do.
    func run(_ frame: [UInt8], on hook: NativeEngine.Hook) -> Bool {
        guard engine != nil else { return true }
        var found: [[UInt8]] = []
        var passes = unsafe engine!.run(frame.span.bytes, wireSize: frame.count, at: steady, hook: hook) { record in
            found.append(copy(record))
        }
        for record in found { put(record) }
        if cluster.plant == .forgetsAnswers, hook == .outgoing, fault.happens(in: 30) { passes = true }
        return passes
    }

    private func put(_ record: [UInt8]) {
        cluster.auditor.recorded(number)
        seenInLife.seen += 1
        if ring.count < Self.ringCapacity {
            ring.append(record)
        } else {
            cluster.auditor.lostInRing(number)
            seenInLife.lost += 1
        }
    }

    // MARK: The loop

    func step() {
        guard isRunning else { return }
        latestWall = max(latestWall, wall)
        for record in ring { unsafe take(record.span.bytes) }
        ring.removeAll(keepingCapacity: true)
        publishDue()
        sender.step(at: cluster.now, wall: cluster.wall, cluster.broker, stored: cluster.auditor.stored) { number, isStored in
            if isStored {
                guard order.delivered(number) != nil else { return }
                disk.events[number] = nil
                counts[.delivered] += 1
            } else {
                order.failed(number, retryAt: UInt64(cluster.now + 300))
            }
        }
        readLimits()
        if cluster.now / 100 > ticks { tick() }
    }

    private func take(_ record: RawSpan) {
        guard let handshake = Handshake(record) else { return core?.passOver() ?? () }
        core?.take(handshake, hello: record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength), in: self)
    }

    private func tick() {
        ticks = cluster.now / 100
        if ticks % 10 == 0 {
            readClock()
            engine!.sweep(at: steady) { record in put(copy(record)) }
        }
        core?.tick(ticks, at: wall, in: self)
        publishDue()
        handOver()
        if cluster.scenario.hasSpools, cluster.now >= diskFullUntil { saved = disk } else if !cluster.scenario.hasSpools { saved = Disk() }
    }

    private func readClock() { core?.clockOffset = wall.nanoseconds &- Int64(steady) }

    private func publishDue() {
        while var event = core?.nextEvent(in: self) {
            cluster.auditor.made(event)
            if cluster.plant == .losesEvents, fault.happens(in: 10) {
                counts[.delivered] += 1
                continue
            }
            if cluster.plant == .countsNothing, fault.happens(in: 10) {
                cluster.auditor.dropped(event)
                continue
            }
            put(event)
            if cluster.plant == .doublesEvents, fault.happens(in: 10) {
                event.id += "again"
                put(event)
            }
        }
    }

    private func key(_ event: ThrottleEvent) -> String { event.sourcePrefix.description }

    private func put(_ event: ThrottleEvent) {
        disk.last += 1
        disk.events[disk.last] = event
        let number = disk.last, way = order.way(of: number, key: key(event))
        if let way, send(number, event) { order.sent(number, key: key(event), size: 1, way) } else { order.wait(key: key(event)) }
        if disk.events.count > Self.spoolCapacity { makeRoom() }
    }

    /// The oldest that waits goes.
    private func makeRoom() {
        guard let oldest = disk.events.keys.filter({ !order.isUnderWay($0) }).min(),
            let event = disk.events.removeValue(forKey: oldest)
        else { return }
        order.leave(key: key(event))
        counts[.spoolFull] += 1
        cluster.auditor.dropped(event)
    }

    private func send(_ number: Int64, _ event: ThrottleEvent) -> Bool {
        sender.send(number, .events, Record(key: key(event), body: .event(event)), at: cluster.now)
    }

    /// What waits in the spool goes on, in its order.
    private func handOver() {
        while order.isDue(upTo: disk.last, at: UInt64(cluster.now)) {
            let number = order.cursor + 1
            guard let event = disk.events[number], !order.isUnderWay(number) else {
                order.pass(number)
                continue
            }
            guard send(number, event) else { return }
            order.sentWaiting(number, key: key(event), size: 1)
        }
    }

    /// What this life of the agent has to account for, as of now.
    var accounts: Accounts? {
        guard let core else { return nil }
        var accounts = counts
        core.account(into: &accounts)
        (accounts[.seen], accounts[.ringFull], accounts[.inRing]) = (seenInLife.seen, seenInLife.lost, ring.count)
        accounts[.underWay] = order.underWay
        accounts[.waiting] = disk.events.count - order.underWay
        return accounts
    }

    private func readLimits() {
        guard cluster.broker.isUp, core != nil else { return }
        follower.read(cluster.broker.limits, at: cluster.now, wall: cluster.wall, &dice, madeAnew: { core!.topicWasMadeAnew() }) { record in
            switch record.body {
            case .limit(let limit): core!.take(limit, at: wall, in: self)
            case .tombstone: if let key = Limit.Key(record.key), cluster.plant != .deafToTombstones { core!.lift(key, in: self) }
            case .event, .decision: break
            }
        }
        if !hasReadTopic, follower.hasRead(cluster.broker.limits) {
            hasReadTopic = true
            core!.topicWasRead(in: self)
        }
    }

    func use(_ policy: Policy) {
        guard isAlive else { return }
        self.policy = policy
        core?.use(policy, KnownAddresses(), at: wall, in: self)
    }

    // MARK: What the auditor asks

    var waiting: Int { disk.events.count }
    var hasReadAll: Bool { hasReadTopic && follower.hasRead(cluster.broker.limits) }
    func account() -> (held: Int, lacking: Int, named: [NodeStatus.Lack]) { core?.account(naming: 100) ?? (0, 0, []) }
    var mode: Policy.Mode { policy.mode }

    // MARK: The core's world

    /// As long as the world is old, and a second, so that no time is 0.
    var steady: UInt64 { UInt64(cluster.now + 1_000) * 1_000_000 }
    var wall: Instant { cluster.wall + skew }
    func interface(_ index: UInt32) -> String { "eth0" }

    func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool {
        guard cluster.now >= noRoomUntil else { return false }
        if cluster.plant == .ignoresOneLimit, entry.origin == .cluster, fault.happens(in: 30) { return true }
        return engine!.limit(key, entry)
    }

    func release(_ key: LimitKey) { if cluster.plant != .keepsReleased { engine!.release(key) } }
    func use(_ policy: Policy, lengths: [UInt8]) { engine!.use(KernelPolicy(policy, lengths: lengths, vouchesForAll: true)) }

    func enforce(_ enforcing: Bool) {
        engine!.enforcing = enforcing
        cluster.auditor.changedMode(self)
    }

    func allow(_ prefix: Prefix) -> Bool { cluster.plant == .ignoresAllowList ? true : engine!.allow(prefix) }
    func disallow(_ prefix: Prefix) { engine!.disallow(prefix) }
    func deny(_ fingerprint: UInt64) -> Bool { engine!.deny(fingerprint) }
    func admit(_ fingerprint: UInt64) { engine!.allowFingerprint(fingerprint) }
    func keep(_ limit: Limit) { disk.limits[limit.key] = limit }
    func forget(_ key: Limit.Key) { disk.limits[key] = nil }
    func note(_ news: NodeNews) {}
}

private func copy(_ record: RawSpan) -> [UInt8] {
    let bytes = Span<UInt8>(_bytes: record)
    return bytes.indices.map { bytes[$0] }
}

/// Fingerprints have tests of their own; here nothing follows from them.
struct NoFingerprints: HelloFingerprints {
    init(_ policy: Policy) {}
    var isEmpty: Bool { true }
    func find(_ handshake: Handshake, _ hello: RawSpan, at now: Instant) -> DenialFinding { .nothing }
    func facts(of hello: RawSpan, _ handshake: Handshake) -> HelloFacts? { nil }
}
