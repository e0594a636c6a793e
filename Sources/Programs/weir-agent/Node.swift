internal import AgentCore
internal import Arguments
internal import BPF
internal import Detection
internal import Fingerprints
internal import Glibc
internal import HTTP
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import NetPoll
internal import PolicyFile
internal import Probe
internal import Spool
internal import Wire

/// This node's agent: one thread, one epoll. Between ring and verdict nothing waits, allocates or locks; what is slow
/// (an event's JSON, a scrape, a policy's file) comes after the limit stands.
final class Node {
    /// What the loop waits for, as bits.
    enum Source: Int { case ring, producer, limits, tick, signals, policy, http, network, attacher, peers }

    let log: Log
    let settings: Settings
    var probe: KernelProbe
    var ring: Ring
    var watch: Watch
    let peers: Peers
    /// The node's turn. Has its tables when the probe is attached: they are megabytes to be touched, and no frame has to wait for
    /// them. (Not `lazy`: such a variable is copied out and in at each use, tables and all.)
    var core: NodeCore<HelloFactsReader>
    var publisher: Publisher?
    /// Events that Kafka does not have yet, and the topic's limits, on the disk.
    var outbox: Outbox?
    let state: StateDirectory?
    let policyOrigin: PolicyOrigin?
    var place = Place.ours
    var web: Web?
    /// Said once.
    var resumeTrouble = ""
    var limits: LimitsReader?
    private(set) var nodes: NodesReader?
    /// Other nodes' addresses that are allowed here.
    var neighbours = 0
    var policy: Policy { core.policy }
    var generation: UInt32 = 1
    /// The policy's file as it was read last.
    var policyStamp: FileStamp?
    var reloads = (accepted: 0, refused: 0)
    /// How often sources had found the limits map full, a tick ago.
    var limitsFull: UInt64 = 0
    /// Turns of the loop in which the limits topic had something, and those that left more of it to the next turn: each of these is followed by one of those.
    private(set) var reads = (turns: 0, postponed: 0)
    var reports = Reports()
    var losses: LossBook
    /// Events that were made and not to be told.
    var untold = (noBroker: 0, successors: 0)
    let webCounts = Server.Counts()
    /// Fixed once the maps are made; read when the probe is attached.
    private(set) var mapBytes = 0
    var poller: Poller
    private(set) var stalls = Stalls()
    /// Lines of which a flood brings many.
    private var limitedLog = LimitedLog(interval: 1_000_000_000, lines: 10)
    var malformedLog = LimitedLog(interval: 60_000_000_000)
    private var startup: StartupTrace

    init(_ settings: Settings, _ trace: StartupTrace, log: Log) throws {
        startup = trace
        self.settings = settings
        self.log = log
        policyStamp = settings.policyStamp
        let policy = settings.policy
        core = NodeCore(policy, settings.options, capacity: 8)
        losses = LossBook(node: settings.node, bootID: settings.options.bootID, start: Instant(nanoseconds: Clock.wall))
        var loading = ProbeSettings()
        loading.limitsFirst = settings.state != nil
        loading.first = policy.mode == .enforce ? .enforcing : .observing
        loading.helloMemory = settings.helloMemory
        probe = try KernelProbe(KernelPolicy(policy), settings: loading)
        startup.ended("probe verified")
        ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        poller = try Poller()
        peers = try Peers(node: settings.node, listen: settings.listen, later: settings.account)
        if settings.takesOver { peers.askForPlace(log) }
        state = try settings.state.map { path throws(SpoolError) in try StateDirectory(path, settings.stateBounds, for: settings.account) }
        policyOrigin = settings.policyPath.map { PolicyOrigin($0) }
        outbox = try state?.openAtStart()
        watch = Watch(patterns: settings.patterns, method: settings.attach, attacher: try Attacher(owner: peers.socket.number))
        readClocks()
        lookAround()
        restoreLimits()
    }

    /// On the interfaces, and without any capability from then on.
    private func attach() throws {
        try watch.start(probe.hooks(enforcing: policy.mode == .enforce), log)
        startup.ended("attached")
        sayAttached()
        peers.tookPlace()
        peers.announce(watch.interfaces)
        core.grow()
        startup.ended("tables")
        try probe.loadTheRest()
        startup.ended("other programs verified")
        mapBytes = probe.mapBytes
        try dropCapabilities()
        readClocks()
    }

    func run(until signals: borrowing Signals) throws {
        web = try Web(settings, webCounts) { [unowned self] path in answer(path) }
        let tick = try Ticker(everyMilliseconds: 100)
        // Before the interfaces are listed, so that none that comes meanwhile is missed.
        let network = try NetworkEvents()
        // Whoever listens there has a right to the interfaces: a second agent is refused before it touches any.
        try attach()
        // Where the directory cannot be watched (a pipe, a file of /proc), SIGHUP still reloads.
        let file = settings.policyPath.flatMap { PolicyWatch($0) }
        if let kafka = try settings.heldKafka() {
            publisher = try Publisher(kafka, node: settings.node, outbox: outbox, log: log)
            limits = try LimitsReader(kafka, node: settings.node)
            nodes = try NodesReader(kafka, node: settings.node)
        }
        for (descriptor, source) in [
            (probe.ringMap, Source.ring), (publisher?.eventDescriptor, .producer), (limits?.eventDescriptor, .limits), (tick.eventDescriptor, .tick),
            (signals.eventDescriptor, .signals), (file?.watch.eventDescriptor, .policy), (web?.server.descriptor, .http), (network.eventDescriptor, .network),
            (watch.attacher.eventDescriptor, .attacher), (peers.socket.eventDescriptor, .peers),
        ] as [(CInt?, Source)] {
            if let descriptor { try poller.add(descriptor, as: source.rawValue) }
        }
        startup.ended("listening")
        sayListening(port: web?.server.port ?? 0)
        if let path = settings.startupTrace, !startup.write(to: path) { log.write(.warning, "the start-up trace cannot be written", [("path", path), ("reason", "\(Errno.current)")]) }

        try becomeUnprivileged()

        var ticks = 0, lastRecord: UInt64 = 0, follow = (isDue: false, last: UInt64(0))
        while true {
            if drain(since: Clock.monotonic) { lastRecord = Clock.monotonic }
            // Records come in bursts: a woken epoll costs 30 us, a look at the shared page nothing.
            // But a flood never lets go by itself, and Kafka, timers and signals have their turn as well.
            let turnEnds = Clock.monotonic + Self.turnNanoseconds
            var now = Clock.monotonic
            while now &- lastRecord < Self.spinNanoseconds || core.hasDueEvents, now < turnEnds {
                if drain(since: now) { lastRecord = now } else { publishDue(atMost: 1) }
                now = Clock.monotonic
            }
            // Under a flood, too, events go on.
            publishDue(atMost: Self.leastEvents)
            if !ring.hasRecords { ring.release() }
            let ready = try poller.wait(milliseconds: ring.hasRecords || core.hasDueEvents ? 0 : web?.server.timeoutMilliseconds ?? -1)
            func has(_ source: Source) -> Bool { ready >> UInt64(source.rawValue) & 1 == 1 }
            if has(.limits) { reads.turns += 1 }
            if has(.limits) || has(.tick), timed(.limits, { readLimits() }) {
                reads.postponed += 1
                poller.again(Source.limits.rawValue)
            }
            if has(.producer) || has(.tick), let publisher, timed(.producer, { publisher.drain() }) {
                try poller.add(publisher.eventDescriptor, as: Source.producer.rawValue)
            }
            if has(.tick), tick.take() > 0 {
                ticks += 1
                timed(.tick) { onTick(ticks) }
                if ticks % 10 == 0, watch.isDue { follow.isDue = true }
            }
            if has(.http) || ready == 0 { timed(.http) { web?.server.run() } }
            if has(.network), !network.take().isEmpty { follow.isDue = true }
            if has(.attacher), timed(.links, { watch.settle(log) { probe.seen(on: $0) } }) { follow.isDue = true }
            if has(.peers) { for request in peers.take(watch.interfaces, log) { heed(request) } }
            // A burst of news is one look: a list of a thousand interfaces costs milliseconds.
            if follow.isDue, Clock.monotonic &- follow.last > Self.followNanoseconds {
                watch.follow()
                follow = (false, Clock.monotonic)
            }
            if has(.policy), let file {
                file.watch.take()
                timed(.policy) { reload(isAsked: false) }
            }
            if has(.signals), let signal = signals.next() {
                guard signal == Signals.hangUp else { break }
                reload(isAsked: true)
            }
        }
        finish()
    }

    /// How long the loop looks at the ring before it sleeps, once a record has come.
    private static let spinNanoseconds: UInt64 = 20_000
    /// Between two looks at the interfaces.
    private static let followNanoseconds: UInt64 = 50_000_000
    /// How long it stays there at most, however many come.
    private static let turnNanoseconds: UInt64 = 1_000_000
    /// Events a turn at least, whatever else there is to do.
    private static let leastEvents = 16
    /// Records a drain, so that the time is looked at between.
    private static let budget = 256

    /// True when there was something. `start` is now.
    private func drain(since start: UInt64) -> Bool {
        guard ring.hasRecords else { return false }
        let found = ring.drain(budget: Self.budget, keeping: probe.ringSize / 16) { handle($0) } > 0
        stalls.note(.ring, since: start)
        return found
    }

    private func timed<Result>(_ part: Stalls.Part, _ body: () -> Result) -> Result {
        let start = Clock.monotonic
        defer { stalls.note(part, since: start) }
        return body()
    }

    /// One verdict.
    private func handle(_ record: RawSpan) {
        guard let handshake = Handshake(record) else { return core.passOver() }
        core.take(handshake, hello: record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength), in: self)
    }

    func publishDue(atMost most: Int = .max) {
        guard core.hasDueEvents else { return }
        let start = Clock.monotonic
        var left = most
        while left > 0, let event = core.nextEvent(in: self) {
            publish(event)
            left -= 1
        }
        stalls.note(.events, since: start)
    }

    private func publish(_ event: ThrottleEvent) {
        if event.action == .limited || event.action == .observed, event.counts.suppressed == 0 {
            limitedLog.write(log, .info, event.action == .limited ? "limited" : "would limit", [
                ("source", event.sourcePrefix.description), ("anomalies", event.anomalies.list.map(\.id).joined(separator: ",")),
                ("until", event.limit?.until.rfc3339 ?? ""), ("trace_id", event.traceID),
            ])
        }
        guard place.isPublishing else { return untold.successors += 1 }
        guard let publisher else { return untold.noBroker += 1 }
        publisher.publish(event)
    }

    private func onTick(_ ticks: Int) {
        let now = Instant(nanoseconds: Clock.wall)
        if ticks % 10 == 0 {
            readClocks()
            probe.sweep()
        }
        core.tick(ticks, at: now, in: self)
        readNodes(ticks, at: now)
        if ticks % 50 == 0 { watch.check() }
        if ticks % 100 == 0 {
            lookAround()
            // Though nothing was heard: what interfaces carry has to be looked at.
            watch.follow()
        }
        forgetLimits()
        lookAfterPlace(ticks)
        if place.isPublishing { report(at: now) }
        if ticks % 10 == 0 { tellLosses(at: now) }
        publisher?.tick()
        limitedLog.flush(log)
        malformedLog.flush(log)
        log.flush()
    }

    func readClocks() { core.clockOffset = Clock.wall &- Int64(bitPattern: Clock.monotonic) }
}
