internal import AgentCore
internal import Arguments
internal import BPF
internal import Detection
internal import Evidence
internal import Front
internal import History
internal import Glibc
internal import HTTP
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import Probe
internal import Metrics
internal import Units
internal import Vocabulary
internal import Wire

extension Node: Pages {
    func ownPage(_ path: String) -> Response? {
        switch path {
        case "/stalls": Response(contentType: "application/json", body: stallsPage())
        case "/status": Response(contentType: "application/json", body: status())
        default: nil
        }
    }

    private static let interfacesNamed = 256, unwatchedNamed = 64

    /// Why this node does not do all that it is there for; `nil` when it does.
    var unready: String? {
        if let lacks = watch.lacks { return lacks }
        guard let limits, !limits.isRead else { return nil }
        return "the topic \(Topic.limits.name) has not been read: does Kafka answer, and is the topic there?"
    }

    func sayAttached() {
        log.write(
            .info, "attached",
            [
                ("version", version), ("node", settings.node), ("interfaces", watch.described), ("attach", watch.attachMethod),
                ("mode", policy.mode.rawValue), ("policy", policy.name), ("policy.version", policy.version),
                ("may_goto", probe.isModern ? "yes" : "no")
            ] + (opening == "off" ? [] : [("quic.in_packet", opening)]))
    }

    func sayListening(port: UInt16) {
        log.write(
            .info, "listening",
            [("listen", "\(settings.listen.host):\(port)"), ("kafka", settings.kafka?.value(of: "bootstrap.servers") ?? "none")])
    }

    func metricsPage() -> [UInt8] {
        let board = Metrics(), counters = probe.counters
        for counter in Counter.allCases {
            let metric = board.counter("weir_probe_\(counter.id)_total", counter.help)
            board.set(metric, to: counters[counter])
        }
        func count(_ name: String, _ help: String, _ value: Int) { board.set(board.counter(name, help), to: UInt64(value)) }
        func gauge(_ name: String, _ help: String, _ value: Double, _ labels: Metrics.Labels = []) {
            board.set(board.gauge(name, help, labels: labels), to: value)
        }
        gauge(
            "weir_agent_ready", "this node watches all that it should and knows the topic's limits: what /readyz says",
            unready == nil ? 1 : 0)
        gauge("weir_agent_interfaces", "interfaces that the probe is on", Double(watch.interfaces.count))
        // Of a node with more only so many have a line each; those that lack the probe come first, and none twice.
        var named: Set<String> = []
        for (name, value) in watch.failed.map({ ($0.interface.name, 0.0) }) + watch.interfaces.map({ ($0.name, 1.0) })
        where named.count < Self.interfacesNamed && named.insert(name).inserted {
            gauge("weir_agent_interface_attached", "the probe is on this interface, or should be and is not", value, [("interface", name)])
        }
        for name in Set(watch.unwatched.map(\.name)).sorted().prefix(Self.unwatchedNamed) {
            gauge("weir_agent_interface_unwatched", "looks like an uplink, and is not watched", 1, [("interface", name)])
        }
        for name in Set(watch.blind).sorted().prefix(Self.unwatchedNamed) {
            gauge("weir_agent_interface_blind", "carries frames of which the probe sees none", 1, [("interface", name)])
        }
        for (name, way) in watch.oneWay.prefix(Self.unwatchedNamed) {
            gauge(
                "weir_agent_interface_one_way",
                "carries connections to watched ports in this direction only, and no watched interface carries the other", 1,
                [("interface", name), ("way", way.rawValue)])
        }
        for interface in watch.interfaces.prefix(Self.unwatchedNamed) {
            guard let seen = probe.seen(on: interface.index) else { continue }
            for (from, value) in [("client", seen.clientPayloads), ("server", seen.serverPayloads)] {
                let labels: Metrics.Labels = [("interface", interface.name), ("from", from)]
                board.set(
                    board.counter(
                        "weir_agent_interface_segments_total",
                        "segments of watched ports that bear data: in from clients, out from servers", labels: labels), to: value)
            }
        }
        count("weir_agent_attachments_failed_total", "attempts to attach that failed; each is tried again", watch.failedAttempts)
        count(
            "weir_agent_attachments_put_back_total", "times that somebody took the probe from an interface, and it was put back",
            watch.putBack)
        count("weir_agent_listings_failed_total", "times that the interfaces could not be listed", watch.failedListings)
        let statistics = core.statistics
        count("weir_agent_anomalous_total", "anomalous handshakes that count", statistics.anomalous)
        count("weir_agent_unproven_total", "anomalous handshakes without proof, which count against nobody", statistics.unproven)
        count("weir_agent_incomplete_total", "hellos that never were whole", statistics.incomplete)
        count("weir_agent_events_total", "throttle events made", statistics.events)
        count("weir_agent_coalesced_total", "verdicts that went into another's event", statistics.coalesced)
        count("weir_agent_displaced_total", "sources whose behaviour was forgotten for others'", core.displacedSources)
        count("weir_agent_denials_refused_total", "denied fingerprints that did not fit the kernel's table", core.refusedDenials)
        count(
            "weir_agent_sources_displaced_total", "sources whose place among those that are remembered another took", statistics.displaced)
        count(
            "weir_agent_sources_told_together_total", "new sources beyond `trust.newSources` in a minute, of whom one event told",
            statistics.untold)
        count(
            "weir_agent_hellos_lost_total", "events without name and fingerprint: newer hellos had taken the room of theirs",
            statistics.hellosLost)
        count("weir_agent_log_lines_dropped_total", "log lines that found no room, because standard error was not read", log.dropped)
        count("weir_agent_unlisted_total", "handshakes of unproven sources that did not fit the board", core.board.unlisted)
        count("weir_agent_board_displaced_total", "sources that left the board to make room for others", core.board.displaced)
        count("weir_agent_http_evicted_total", "connections closed to make room for new ones", webCounts.evicted)
        count("weir_agent_events_delivered_total", "events that Kafka has", publisher?.delivered ?? 0)
        core.groups.each { group, offers, shares in
            let help = "hellos that the agent has read by group: those of new stacks, anomalous ones, all over QUIC"
            for (sent, value) in [("offer", offers), ("share", shares)] {
                board.set(board.counter("weir_agent_hello_groups_total", help, labels: [("group", group), ("sent", sent)]), to: value)
            }
        }
        core.groups.each { (way: QuantumReadiness, value: UInt64) in
            let help = "the same hellos by post-quantum readiness (docs/replay.md, \"Post-quantum readiness\")"
            board.set(board.counter("weir_agent_hello_readiness_total", help, labels: [("readiness", way.rawValue)]), to: value)
        }
        for count in QUICReader.Count.allCases {
            let counter = board.counter("weir_agent_quic_total", "what became of QUIC clients' datagrams", labels: [("what", count.id)])
            board.set(counter, to: UInt64(clamping: quic.reader.count(count)))
        }
        count("weir_agent_quic_spared_total", "QUIC datagrams that were not opened: the budget was spent", quic.budget.spared)
        count(
            "weir_agent_quic_spent_seconds_total", "processor time spent on opening QUIC datagrams, whole seconds",
            Int(quic.budget.spent / 1_000_000_000))
        gauge("weir_agent_quic_in_packet", "QUIC Initials are opened in the packet", opening == "on" ? 1 : 0)
        gauge(
            "weir_agent_quic_budget", "how much of a core may be spent on opening Initials, in the packet and by the agent each",
            Double(policy.quic.budget) / 100)
        let accounts = accounts()
        count("weir_agent_events_lost_total", "events that Kafka will never have", accounts.sum(.events, .lost))
        for term in Accounts.Term.allCases {
            let labels: Metrics.Labels = [("account", term.account.rawValue), ("kind", term.kind.rawValue), ("term", term.id)]
            if term.isCount {
                let help = "what came in and what became of it, since the start (docs/node.md, \"Accounts\")"
                board.set(board.counter("weir_agent_account_total", help, labels: labels), to: UInt64(clamping: accounts[term]))
            } else {
                gauge("weir_agent_account_waiting", "what of it is here now, and will be told", Double(accounts[term]), labels)
            }
        }
        for account in Accounts.Account.allCases {
            gauge(
                "weir_agent_account_imbalance", "by how much more came in than there is an account of",
                Double(accounts.imbalance(of: account)), [("account", account.rawValue)])
        }
        if let counts = evidence?.writer.counts {
            for (outcome, number) in [("kept", counts.kept), ("too_many", counts.over), ("unwritten", counts.unwritten)] {
                board.set(
                    board.counter(
                        "weir_agent_evidence_total", "hellos of events, for weir evidence, by what became of them",
                        labels: [("outcome", outcome)]), to: UInt64(number))
            }
        }
        if let history {
            let counts = history.counts
            for (outcome, number) in [("kept", counts.kept), ("buffer_full", history.buffer.missedCount), ("unwritten", counts.unwritten)] {
                board.set(
                    board.counter(
                        "weir_agent_history_records_total", "verdicts for weir rewind, by what became of them",
                        labels: [("outcome", outcome)]), to: UInt64(number))
            }
            gauge("weir_agent_history_bytes", "what the verdicts kept take up, of --history-size", Double(counts.bytes))
        }
        if let spooled = publisher?.spooled {
            gauge("weir_agent_spool_events", "events in the spool, which Kafka does not have yet", Double(spooled.events))
            gauge("weir_agent_spool_bytes", "what they take up there, of --state-size", Double(spooled.bytes))
        }
        gauge("weir_agent_events_queued", "events that wait for Kafka", Double(publisher?.inFlight ?? 0))
        count("weir_agent_limits_without_room_total", "limits of this node's own that did not fit the kernel's map", core.refusedLimits)
        for refusal in ClusterLimits.Refusal.allCases {
            board.set(
                board.counter(
                    "weir_agent_limits_refused_total", "records of the limits topic that were not applied",
                    labels: [("reason", refusal.rawValue)]), to: UInt64(core.refusals[refusal] ?? 0))
        }
        let account = core.account(naming: 0)
        gauge(
            "weir_agent_limits_next_offset", "everything on the limits topic before this offset has been applied",
            Double(limits?.nextOffset ?? 0))
        count(
            "weir_agent_limits_turns_total", "turns of the loop in which the limits topic had something to read, its ticks aside",
            reads.turns)
        count("weir_agent_limits_postponed_total", "turns of the loop that left more of the limits topic to the next one", reads.postponed)
        gauge(
            "weir_agent_node_addresses",
            "addresses of other nodes, from the nodes topic, that are private or near; with `allow.nodes` none of them is limited",
            Double(neighbours))
        gauge("weir_agent_limits_held", "limits of the topic that hold here", Double(account.held))
        gauge("weir_agent_limits_lacking", "limits that stand on the topic and do not hold here", Double(account.lacking))
        count("weir_agent_reports_delivered_total", "reports of this node's state that Kafka has", publisher?.reports.delivered ?? 0)
        count("weir_agent_reports_lost_total", "reports that Kafka will never have", publisher?.reports.lost ?? 0)
        count("weir_agent_reports_refused_total", "times that a report found the queue for Kafka full", publisher?.reports.refused ?? 0)
        gauge("weir_agent_kernel_map_bytes", "memory of the kernel's maps, as the kernel counts it", Double(mapBytes))
        gauge("weir_agent_sources", "sources with counts in the table", Double(core.trackedSources))
        count("weir_agent_policy_reloads_total", "policies taken at run time", reloads.accepted)
        count("weir_agent_policy_refused_total", "policies refused at run time", reloads.refused)
        addBundles(to: board)
        gauge(
            "weir_agent_policy", "the policy in force", 1,
            [("name", policy.name), ("version", policy.version), ("mode", policy.mode.rawValue)])
        for quantile in [0.5, 0.99] {
            gauge(
                "weir_agent_seen_to_limited_here_microseconds",
                "a packet on any node to the limit in this one's kernel, by the limits topic",
                core.clusterLatency.microseconds(at: quantile) ?? 0, [("quantile", "\(quantile)")])
            gauge(
                "weir_agent_ring_to_verdict_microseconds", "kernel's verdict to the agent's",
                core.latency.microseconds(at: quantile) ?? 0, [("quantile", "\(quantile)")])
        }
        return board.render()
    }

    private func write(_ accounts: Accounts, to json: inout JSONWriter) {
        json.member("balance", accounts.balance)
        json.object("imbalance") { json in
            for account in Accounts.Account.allCases { json.member(account.rawValue, accounts.imbalance(of: account)) }
        }
        for account in Accounts.Account.allCases {
            json.object(account.rawValue) { json in
                for term in Accounts.Term.allCases where term.account == account { json.member(term.id, accounts[term]) }
            }
        }
    }

    /// What `weir run` and `weir top` show (manifests/schemas/agent-status.v1.schema.json).
    private func status() -> [UInt8] {
        let counters = probe.counters, now = Clock.monotonic
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("schema", "weir.dev/agent-status/v1")
            json.member("node", settings.node)
            json.member("mode", policy.mode.rawValue)
            json.member("attach", watch.attachMethod)
            json.member("interfaces", watch.interfaces.map(\.name))
            json.member("unready", unready)
            json.array("failed") { json in
                for failure in watch.failed {
                    json.object { json in
                        json.member("interface", failure.interface.name)
                        json.member("reason", failure.reason)
                        json.member("attempts", failure.attempts)
                    }
                }
            }
            json.member("blind", watch.blind)
            json.array("one_way") { json in
                for (name, way) in watch.oneWay {
                    json.object { json in
                        json.member("interface", name)
                        json.member("way", way.rawValue)
                    }
                }
            }
            json.array("unwatched") { json in
                for one in watch.unwatched {
                    json.object { json in
                        json.member("interface", one.name)
                        json.member("why", one.why)
                    }
                }
            }
            let accounts = accounts()
            json.member("balance", counters.balance && accounts.balance)
            json.object("accounts") { write(accounts, to: &$0) }
            json.object("counters") { json in for counter in Counter.allCases { json.member(counter.id, Int(clamping: counters[counter])) }
            }
            json.object("quic") { json in
                json.member("in_packet", opening)
                json.member("budget_percent", policy.quic.budget)
            }
            json.object("ring_to_verdict_ns") { json in
                json.member("p50", core.latency.microseconds(at: 0.5).map { Int($0 * 1000) })
                json.member("p99", core.latency.microseconds(at: 0.99).map { Int($0 * 1000) })
                json.member("count", core.latency.count)
            }
            json.object("seen_to_enforced_ns") { json in
                json.member("p50", core.enforcedLatency.microseconds(at: 0.5).map { Int($0 * 1000) })
                json.member("p99", core.enforcedLatency.microseconds(at: 0.99).map { Int($0 * 1000) })
                json.member("count", core.enforcedLatency.count)
            }
            json.object("seen_to_limited_here_ns") { json in
                json.member("p50", core.clusterLatency.microseconds(at: 0.5).map { Int($0 * 1000) })
                json.member("p99", core.clusterLatency.microseconds(at: 0.99).map { Int($0 * 1000) })
                json.member("count", core.clusterLatency.count)
            }
            json.array("loop") { json in
                // Since the start, in the classes of `/stalls`, of which the last four are one here.
                for part in Stalls.Part.allCases where part != .idle {
                    json.object { json in
                        json.member("part", part == .kafka ? "producer" : "\(part)")
                        for (index, name) in Stalls.classes.prefix(8).enumerated() {
                            json.member("under_\(name)", stalls.total(part, index))
                        }
                        json.member("longer", Stalls.classes.indices.dropFirst(8).reduce(0) { $0 + stalls.total(part, $1) })
                        json.member("longest_ns", stalls.longest(part))
                    }
                }
            }
            bundleTally.status?.write(to: &json)
            json.member("events", core.statistics.events)
            json.member("delivered", publisher?.delivered)
            json.member("lost", accounts.sum(.events, .lost))
            json.member("spooled", publisher?.spooled?.events)
            json.array("sources") { json in
                for row in core.board.busiest(32) {
                    json.object { json in
                        json.member("address", row.address.description)
                        json.member("handshakes", row.handshakes)
                        json.member("anomalous", row.anomalous)
                        json.member("anomalies", row.anomalies.list.map(\.id))
                        json.member("incomplete", row.incomplete)
                        json.member("admitted", row.admitted)
                        json.member("refused", row.reset + row.dropped)
                        json.member("limit_class", row.limitUntil > now ? row.limitClass.id : nil)
                        json.member("per_second", row.limitPerSecond)
                        json.member("seconds_left", row.limitUntil > now ? Int((row.limitUntil - now) / 1_000_000_000) : 0)
                    }
                }
            }
        }
        return json.bytes
    }
}
