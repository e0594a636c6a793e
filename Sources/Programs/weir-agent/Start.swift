internal import AgentCore
internal import BPF
internal import Detection
internal import Fingerprints
internal import Front
internal import History
internal import Kafka
internal import Linux
internal import Log
internal import Probe
internal import Spool
internal import Startup

/// What of a node Kafka gives.
struct KafkaParts {
    let publisher: Publisher
    let limits: LimitsReader
    let nodes: NodesReader
    let policies: PoliciesReader?
}

/// What of a node is on the disk.
struct StateParts {
    var directory: StateDirectory?
    var outbox: Outbox?
    var evidence: EvidenceBook?
    var history: HistoryKeeper?
}

/// What is told of a node's own addresses and those of its pods, before anything is attached: to ask takes the kernel's lock for
/// networks, which whoever attaches holds for a whole grace period.
struct Surroundings {
    let selection: Watch.Selection
    let addresses: KnownAddresses
}

// The agent's start-up as a graph. Three things take long: the verifier at each program, the kernel's grace period at each hook, and the
// dynamic loader. The first two go side by side: links are made with a program that lets everything pass, and get the probe's once it is
// verified. No frame waits for that, and none is seen before.
extension Node {
    /// As many components run at once: two threads that compute, and two that wait for the kernel.
    private static let startLimit = 4

    /// - Returns: the node, attached, with all programs in the kernel, and no thread of its own but those of Kafka's library.
    static func start(_ settings: Settings, trace: Trace, log: Log) throws -> Node {
        let first: KernelProbe.Mode = settings.policy.mode == .enforce ? .enforcing : .observing
        let other: KernelProbe.Mode = settings.policy.mode == .enforce ? .observing : .enforcing
        let maps = Provision<KernelProbe>("maps"), ingress = Provision<LoadedPrograms>(first.ingress.rawValue),
            egress = Provision<LoadedPrograms>(first.egress.rawValue)
        let helpers = Provision<LoadedPrograms>("helper programs"), otherIngress = Provision<LoadedPrograms>(other.ingress.rawValue)
        let outgoing = Provision<LoadedPrograms>("outgoing programs"), opener = Provision<LoadedPrograms?>("opener")
        let peers = Provision<Peers>("peers"), attacher = Provision<Attacher>("attacher"), pages = Provision<Web>("pages")
        let state = Provision<StateParts>("state"), kafka = Provision<KafkaParts?>("kafka"),
            core = Provision<NodeCore<HelloFactsReader>>("tables")
        let surroundings = Provision<Surroundings>("surroundings"), places = Provision<Watch.Places?>("places")
        let node = Provision<Node>("node"), watching = Provision<Void>("watching")

        let opens = settings.policy.quic.enabled && settings.policy.quic.inPacket
        var startup = Startup(limit: startLimit, trace: trace)
        startup.add("maps", provides: [maps]) { _ in
            var loading = ProbeSettings()
            loading.isBare = true
            loading.secret = .random(in: 1 ... .max)
            loading.helloMemory = settings.helloMemory
            loading.opens = opens
            maps.fill(try KernelProbe(KernelPolicy(settings.seen(settings.policy)), settings: loading))
        }
        // The longest by far, so the first that gets a thread once there are maps.
        startup.add("verify \(ingress.name)", requires: [maps], provides: [ingress]) { _ in
            ingress.fill(try maps.lend { probe throws(ProbeError) in try probe.load([first.ingress]) })
        }
        startup.add("peers", provides: [peers, attacher]) { _ in
            let found = try Peers(node: settings.node, listen: settings.listen, later: settings.account)
            if settings.takesOver { found.askForPlace(log) }
            attacher.fill(try Attacher(owner: found.socket.number))
            peers.fill(found)
        }
        startup.add("surroundings", provides: [surroundings]) { steps in
            var known = KnownAddresses()
            let selection = try steps.step("interfaces") { () throws(ProbeError) in try Watch.select(settings.patterns) }
            steps.step("addresses") { Self.addOwn(to: &known) }
            surroundings.fill(Surroundings(selection: selection, addresses: known))
        }
        startup.add("pages", requires: [peers], provides: [pages]) { _ in pages.fill(try Web(settings.listen)) }
        // Whoever listens there has a right to the interfaces: a second agent is refused before it touches any.
        startup.add("places", requires: [pages, attacher, surroundings], provides: [places]) { _ in
            places.fill(try Watch.takePlaces(surroundings.copy.selection, settings.attach, attacher.copy))
        }
        startup.add("verify \(egress.name)", requires: [maps], provides: [egress]) { _ in
            egress.fill(try maps.lend { probe throws(ProbeError) in try probe.load([first.egress]) })
        }
        startup.add("tables", provides: [core]) { _ in core.fill(NodeCore(settings.policy, settings.options)) }
        startup.add("verify helpers", requires: [maps], provides: [helpers]) { _ in
            helpers.fill(try maps.lend { probe throws(ProbeError) in try probe.load([.setLimit, .sweep]) })
        }
        // Without the policy asking nobody waits for it.
        if opens {
            startup.add("verify \(KernelProbe.Program.opener.rawValue)", requires: [maps], provides: [opener]) { _ in
                do throws(ProbeError) { opener.fill(try maps.lend { probe throws(ProbeError) in try probe.load([.opener]) }) } catch {
                    // Everything else works without it.
                    log.write(.error, Node.noOpening, [("why", "\(error)")])
                    opener.fill(nil)
                }
            }
        }
        startup.add("state", requires: [peers], provides: [state]) { _ in
            var parts = StateParts()
            parts.directory = try settings.state.map { path throws(SpoolError) in
                try StateDirectory(path, settings.stateBounds, for: settings.account)
            }
            parts.outbox = try parts.directory?.openAtStart()
            parts.evidence = try parts.directory?.openEvidence(settings.evidenceSize)
            parts.history = try settings.history.flatMap { try parts.directory?.openHistory($0, node: settings.node) }
            state.fill(parts)
        }
        startup.add("kafka", requires: [pages], provides: [kafka]) { _ in
            guard settings.kafka != nil else { return kafka.fill(nil) }
            // The library's threads inherit what this one holds.
            try settings.dropCapabilities()
            guard let configuration = try settings.heldKafka() else { return kafka.fill(nil) }
            kafka.fill(
                KafkaParts(
                    publisher: try Publisher(configuration, node: settings.node, log: log),
                    limits: try LimitsReader(configuration, node: settings.node),
                    nodes: try NodesReader(configuration, node: settings.node),
                    policies: settings.bundles?.readsTopic == true ? try PoliciesReader(configuration, node: settings.node) : nil))
        }
        startup.add(
            "node", requires: [maps, ingress, egress, helpers, peers, attacher, surroundings, pages, core, state] + (opens ? [opener] : []),
            provides: [node]
        ) { _ in
            var probe = maps.take()
            probe.add(ingress.take())
            probe.add(egress.take())
            probe.add(helpers.take())
            if opens, let part = opener.take() {
                probe.add(part)
                probe.use(KernelPolicy(settings.seen(settings.policy), opens: probe.opens))
            }
            // `places` borrows the attacher, maybe after this: nobody takes that one.
            let made = try Node(
                settings, probe, peers: peers.take(), attacher: attacher.copy, web: pages.take(), core: core.take(),
                state: state.take(), log: log)
            made.lookAround(surroundings.copy.addresses)
            made.restoreLimits()
            node.fill(made)
        }
        startup.add(
            "attach", requires: [node, places, surroundings], provides: [watching],
            end: { node.lend { $0.watch.letGo() } }
        ) { _ in
            try node.lend { node in try node.attach(surroundings.copy.selection, places.take()) }
            watching.fill(())
        }
        // The other mode's programs have to be in the kernel before the capabilities are given up, but no frame has to wait for them.
        startup.add("verify \(otherIngress.name)", requires: [node, watching], provides: [otherIngress]) { _ in
            otherIngress.fill(try node.lend { node throws(ProbeError) in try node.probe.load([other.ingress]) })
        }
        startup.add("verify outgoing", requires: [node, watching], provides: [outgoing]) { _ in
            outgoing.fill(try node.lend { node throws(ProbeError) in try node.probe.load([.outgoing, other.egress]) })
        }
        try startup.run()
        let started = node.take()
        started.probe.add(otherIngress.take())
        started.probe.add(outgoing.take())
        started.take(kafka.take())
        return started
    }
}
