internal import AgentCore
internal import Arguments
internal import BPF
internal import Detection
internal import Evidence
internal import Fingerprints
internal import Front
internal import Glibc
internal import HTTP
internal import History
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import NetPoll
internal import PolicyFile
internal import Probe
internal import Spool
internal import Startup
internal import Units
internal import Vocabulary
internal import Wire

/// This node's agent: one thread, one epoll. Between ring and verdict nothing waits, allocates or locks; what is slow
/// (an event's JSON, a scrape, a policy's file) comes after the limit stands.
final class Node {
    /// What the loop waits for, as bits.
    enum Source: Int { case ring, initials, producer, limits, tick, signals, policy, http, network, attacher, peers, bundles }

    let log: Log
    let settings: Settings
    var probe: KernelProbe
    var ring: Ring
    let quic: QUICPart
    var watch: Watch
    let peers: Peers
    /// The node's turn, tables and all. (Not `lazy`: such a variable is copied out and in at each use.)
    var core: NodeCore<HelloFactsReader>
    var publisher: Publisher?
    /// Events that Kafka does not have yet, and the topic's limits, on the disk.
    var outbox: Outbox?
    let state: StateDirectory?
    /// Hellos of events, for whoever wants to see them.
    let evidence: EvidenceBook?
    /// Each verdict, for weir rewind.
    let history: HistoryKeeper?
    /// What the history has been told of the policy, or is to be.
    var notedPolicy: (policy: HistoryPolicy?, isAdded: Bool) = (nil, true)
    let policyOrigin: PolicyOrigin?
    /// Signed policies; `nil` where none are asked for.
    let bundleWatch: BundleWatch?
    private(set) var policies: PoliciesReader?
    var bundleTally = BundleTally()
    /// Who made this node act otherwise; `nil` without a directory.
    let audit: AuditBook?
    var malformedBundles = LimitedLog(interval: 1_000_000_000, lines: 10)
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
    /// How many limits the kernel's map has at most, and what its counters said then (`forgetLimits`).
    var limitsTaken = 0, limitsMade: (byReflex: UInt64, full: UInt64) = (0, 0)
    /// Turns of the loop in which the limits topic had something, and those that left more of it to the next turn: each of these is followed by one of those.
    private(set) var reads = (turns: 0, postponed: 0)
    var reports = Reports()
    var losses: LossBook
    /// Events that were made and not to be told.
    var untold = (noBroker: 0, successors: 0)
    let webCounts: Server.Counts
    /// Fixed once the maps are made; read when the probe is attached.
    private(set) var mapBytes = 0
    var poller: Poller
    var stalls = Stalls(at: Clock.monotonic, cpu: Clock.threadCPU)
    var slowLog = LimitedLog(interval: 60_000_000_000)
    /// Lines of which a flood brings many.
    private var limitedLog = LimitedLog(interval: 1_000_000_000, lines: 10)
    var malformedLog = LimitedLog(interval: 60_000_000_000)

    init(
        _ settings: Settings, _ probe: consuming KernelProbe, peers: Peers, attacher: Attacher, web: Web, core: NodeCore<HelloFactsReader>,
        state: StateParts,
        log: Log
    ) throws {
        self.settings = settings
        self.log = log
        policyStamp = settings.policyStamp
        losses = LossBook(node: settings.node, bootID: settings.options.bootID, start: Instant(nanoseconds: Clock.wall))
        ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        quic = try QUICPart(probe, core.policy)
        self.probe = probe
        poller = try Poller()
        policyOrigin = settings.policyPath.map { PolicyOrigin($0) }
        audit = state.directory.map { AuditBook(AuditFile(directory: $0.place, node: settings.node)) }
        bundleWatch = settings.bundles == nil ? nil : try BundleWatch()
        watch = Watch(patterns: settings.patterns, method: settings.attach, attacher: attacher)
        (self.peers, self.core, self.web) = (peers, core, web)
        (self.state, outbox, evidence, history) = (state.directory, state.outbox, state.evidence, state.history)
        webCounts = web.counts
        readClocks()
        web.show(self)
    }

    /// From then on handshakes are seen.
    func attach(_ selection: Watch.Selection, _ places: Watch.Places?) throws(ProbeError) {
        try watch.begin(selection, probe.hooks(enforcing: policy.mode == .enforce), places, log)
        sayAttached()
        peers.tookPlace()
        peers.announce(watch.interfaces)
    }

    func take(_ kafka: KafkaParts?) {
        publisher = kafka?.publisher
        publisher?.use(outbox)
        limits = kafka?.limits
        nodes = kafka?.nodes
        policies = kafka?.policies
    }

    /// - Parameter network: as it was before the interfaces were listed, so that none that has come meanwhile is missed.
    func run(until signals: borrowing Signals, _ network: borrowing NetworkEvents, _ trace: Trace) throws {
        mapBytes = probe.mapBytes
        _ = quic.reader
        try settings.dropCapabilities(keeping: kept)
        readClocks()
        let tick = try Ticker(everyMilliseconds: Self.tickMilliseconds)
        var tickDue = Clock.monotonic + Self.tickNanoseconds
        // Where the directory cannot be watched (a pipe, a file of /proc), SIGHUP still reloads.
        let file = settings.policyPath.flatMap { PolicyWatch($0) }
        for (descriptor, source) in [
            (probe.ringMap, Source.ring), (probe.initialsMap, .initials), (publisher?.eventDescriptor, .producer),
            (limits?.eventDescriptor, .limits),
            (tick.eventDescriptor, .tick),
            (signals.eventDescriptor, .signals), (file?.watch.eventDescriptor, .policy), (web?.descriptor, .http),
            (network.eventDescriptor, .network),
            (watch.attacher.eventDescriptor, .attacher), (peers.socket.eventDescriptor, .peers),
            (bundleWatch?.eventDescriptor, .bundles)
        ] as [(CInt?, Source)] {
            if let descriptor { try poller.add(descriptor, as: source.rawValue, isEdge: source == .ring) }
        }
        sayListening(port: web?.port ?? 0)
        trace.phase("listening")
        // While we may still write there.
        if let path = settings.startupTrace, !trace.write(to: path) {
            log.write(.warning, "the start-up trace cannot be written", [("path", path), ("reason", "\(Errno.current)")])
        }

        // What the components' threads have freed lies in arenas of theirs, which nobody uses any more.
        Heap.trim()
        try becomeUnprivileged()
        startHistory()

        // What came before was no turn of the loop.
        stalls = Stalls(at: Clock.monotonic, cpu: Clock.threadCPU)
        var ticks = 0, follow = (isDue: false, last: UInt64(0)), doze = Doze()
        while true {
            var now = Clock.monotonic, found = 0
            // A flood never lets go by itself, and Kafka, timers and signals have their turn as well.
            let turnEnds = now + Self.turnNanoseconds
            repeat {
                let some = drain(since: now)
                found += some
                if some == 0 { publishDue(atMost: 1) }
                now = Clock.monotonic
            } while (ring.hasRecords || core.hasDueEvents) && now < turnEnds
            // More comes than a turn can take.
            let isBehind = now >= turnEnds && ring.hasRecords
            doze.found(found, at: now)
            // Under a flood, too, events go on.
            publishDue(atMost: Self.leastEvents)
            _ = drainDatagrams()
            now = Clock.monotonic
            account(at: now)
            let webDue = web?.timeoutMilliseconds
            let (milliseconds, isDozing) = isBehind ? (0, false) : rest(doze.sleep(at: now), atMost: webDue)
            let ready = try poller.wait(milliseconds: milliseconds)
            let awake = Clock.monotonic
            if isDozing {
                if !probe.isDozing { doze.wake(at: awake) }
                probe.isDozing = false
            }
            stalls.waited(from: now, to: awake, due: tickDue)
            func has(_ source: Source) -> Bool { ready >> UInt64(source.rawValue) & 1 == 1 }
            if has(.limits) { reads.turns += 1 }
            if has(.limits) || has(.tick), timed(.limits, { readLimits() }) {
                reads.postponed += 1
                poller.again(Source.limits.rawValue)
            }
            if has(.producer) || has(.tick), let publisher, timed(.kafka, { hear(publisher) }) {
                try poller.add(publisher.eventDescriptor, as: Source.producer.rawValue)
            }
            let fired = has(.tick) ? tick.take() : 0
            if fired > 0 {
                tickDue += UInt64(fired) * Self.tickNanoseconds
                ticks += 1
                timed(.tick) { onTick(ticks) }
                if ticks % 10 == 0, watch.isDue { follow.isDue = true }
            }
            if has(.http) || webDue == 0 { timed(.http) { web?.run() } }
            if has(.network), !network.take().isEmpty { follow.isDue = true }
            if has(.attacher), timed(.links, { watch.settle(log) { probe.seen(on: $0) } }) { follow.isDue = true }
            if has(.peers) { timed(.links) { for request in peers.take(watch.interfaces, log) { heed(request) } } }
            // A burst of news is one look: a list of a thousand interfaces costs milliseconds.
            if follow.isDue, Clock.monotonic &- follow.last > Self.followNanoseconds {
                watch.follow()
                follow = (false, Clock.monotonic)
            }
            if has(.policy), let file {
                file.watch.take()
                timed(.policy) { reload(isAsked: false) }
            }
            if has(.bundles) { timed(.policy) { hearBundles() } }
            if has(.signals), let signal = signals.next() {
                guard signal == Signals.hangUp else { break }
                timed(.policy) { reload(isAsked: true) }
                bundleWatch?.look()
            }
        }
        finish()
    }

    private static let tickMilliseconds = 100, tickNanoseconds: UInt64 = 100_000_000
    /// Between two looks at the interfaces.
    private static let followNanoseconds: UInt64 = 50_000_000
    /// How long it stays there at most, however many come.
    private static let turnNanoseconds: UInt64 = 1_000_000
    /// Events a turn at least, whatever else there is to do.
    private static let leastEvents = 16
    /// Records a drain, so that the time is looked at between.
    private static let budget = 256

    /// How many records there were. `start` is now.
    private func drain(since start: UInt64) -> Int {
        guard ring.hasRecords else { return 0 }
        let found = ring.drain(budget: Self.budget, keeping: probe.ringSize / 16) { handle($0) }
        stalls.turn.records += found
        stalls.note(.ring, from: start, to: Clock.monotonic, cpu: Clock.threadCPU)
        return found
    }

    /// How long to wait, and whether only what cannot wait shall wake. What is to be done at once leaves no time.
    private func rest(_ sleep: Doze.Sleep, atMost most: Int?) -> (milliseconds: Int, isDozing: Bool) {
        guard !quic.ring.hasRecords, !core.hasDueEvents else { return (0, false) }
        switch sleep {
        case .untilNext:
            ring.release()
            return (ring.hasRecords ? 0 : most ?? -1, false)
        case .atMost(let milliseconds, isDeaf: true):
            return (min(milliseconds, most ?? .max), false)
        case .atMost(let milliseconds, isDeaf: false):
            probe.isDozing = true
            // Those that came before woke nobody. As many as that at once are the beginning of more.
            let isBehind = drain(since: Clock.monotonic) == Self.budget
            return (isBehind || core.hasDueEvents ? 0 : min(milliseconds, most ?? .max), true)
        }
    }

    /// As `Publisher.drain`.
    private func hear(_ publisher: Publisher) -> Bool {
        let before = publisher.delivered + publisher.reports.delivered
        defer { stalls.turn.reports += publisher.delivered + publisher.reports.delivered - before }
        return publisher.drain()
    }

    /// One verdict.
    private func handle(_ record: RawSpan) {
        guard let handshake = Handshake(record) else { return core.passOver() }
        core.take(handshake, hello: record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength), in: self)
        keep(record, of: handshake)
    }

    func publishDue(atMost most: Int = .max) {
        guard core.hasDueEvents else { return }
        let start = Clock.monotonic
        var left = most
        while left > 0, let event = core.nextEvent(in: self) {
            publish(event)
            if let evidence { core.withLastHello { evidence.writer.keep(event, $0) } }
            left -= 1
        }
        stalls.turn.events += most - left
        stalls.note(.events, from: start, to: Clock.monotonic, cpu: Clock.threadCPU)
    }

    private func publish(_ event: ThrottleEvent) {
        if event.action == .limited || event.action == .observed, event.counts.suppressed == 0 {
            limitedLog.write(
                log, .info, event.action == .limited ? "limited" : "would limit",
                [
                    ("source", event.sourcePrefix.description), ("anomalies", event.anomalies.list.map(\.id).joined(separator: ",")),
                    ("until", event.limit?.until.rfc3339 ?? ""), ("trace_id", event.traceID)
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
            sweepDatagrams()
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
        evidence?.writer.flush()
        if place.isPublishing { audit?.file.flush() }
        lookAfterHistory(ticks)
        slowLog.flush(log)
        limitedLog.flush(log)
        malformedLog.flush(log)
        malformedBundles.flush(log)
        log.flush()
    }

    func readClocks() { core.clockOffset = Clock.wall &- Int64(bitPattern: Clock.monotonic) }
}
