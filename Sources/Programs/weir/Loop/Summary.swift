internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary
internal import Wire

/// One thing that Weir says it does, and whether it did.
struct Promise {
    let text: String
    /// `nil` when this run could not show it.
    let isKept: Bool?
    let value: String
}

/// What a run came to: for people, and as `--summary` has it for programs.
struct Summary {
    var seconds: Double
    var mode = "live"
    var kernel: String
    var status: AgentStatus
    var clients: [(person: Person, count: ClientCount)]
    var events: Int
    var limits: Int
    var decisions: Int
    var mostInWindow: Int
    var enforced: [Int]
    var leftBehind: [String] = []
    var endedEarly: String?

    var wellBehaved: ClientCount { sum(.wellBehaved) }
    var slowProbe: ClientCount { sum(.slowProbe) }

    private func sum(_ role: Person.Role) -> ClientCount {
        clients.filter { $0.person.role == role }.reduce(into: ClientCount()) {
            $0.attempted += $1.count.attempted
            $0.succeeded += $1.count.succeeded
            $0.refused += $1.count.refused
        }
    }

    var promises: [Promise] {
        var all: [Promise] = []
        if !clients.isEmpty {
            // A run that was ended at once has shown nothing, which is no fault; a longer one in which nobody came has one.
            func tried(_ attempted: Int, _ isKept: Bool) -> Bool? { attempted > 0 ? isKept : seconds < 3 ? nil : false }
            let worst = clients.filter { $0.person.role == .attacker }.map(\.count.most).max() ?? 0
            let attempted = clients.filter { $0.person.role == .attacker }.map(\.count.attempted).min() ?? 0
            all.append(
                Promise(
                    text: "an attacker gets at most 3 handshakes in any second", isKept: tried(attempted, worst <= 3),
                    value: "\(worst) at most"))
            all.append(
                Promise(
                    text: "every well-behaved handshake succeeds",
                    isKept: tried(wellBehaved.attempted, wellBehaved.succeeded == wellBehaved.attempted),
                    value: "\(Figures.count(wellBehaved.succeeded)) of \(Figures.count(wellBehaved.attempted))"))
            let wasSeen = clients.filter { $0.person.role == .slowProbe }.allSatisfy { client in
                status.rows.contains { $0.address == client.person.address && $0.anomalous > 0 }
            }
            all.append(
                Promise(
                    text: "the slow probe is seen and never reset",
                    isKept: tried(slowProbe.attempted, wasSeen && slowProbe.succeeded == slowProbe.attempted),
                    value: "\(slowProbe.succeeded) of \(slowProbe.attempted)"))
            // One event a second: before the thirteenth there is nothing to decide.
            all.append(
                Promise(
                    text: "more than 12 events of one source scale its target out",
                    isKept: seconds < 15 ? nil : decisions > 0 && mostInWindow > 12,
                    value: decisions > 0 ? "\(decisions) decision\(decisions == 1 ? "" : "s"), after \(mostInWindow) events" : "no decision"
                ))
        }
        all.append(
            Promise(
                text: "every verdict is recorded or counted as lost", isKept: status.balances,
                value: "\(Figures.count(status.seen)) seen, \(Figures.count(status.emitted)) recorded, \(status.lostRecords) lost"))
        all.append(
            Promise(
                text: "nothing is left behind", isKept: leftBehind.isEmpty,
                value: leftBehind.isEmpty ? "nothing" : leftBehind.joined(separator: ", ")))
        return all
    }

    var isGood: Bool { endedEarly == nil && promises.allSatisfy { $0.isKept != false } }

    func lines(for terminal: Terminal) -> [String] {
        let refused = status.rows.reduce(0) { $0 + $1.refused }, anomalous = status.rows.reduce(0) { $0 + $1.anomalous }
        var lines = [
            "",
            "\(Figures.count(status.seen)) handshakes in \(Figures.duration(.seconds(Int(seconds.rounded())))), \(Figures.count(anomalous)) of them anomalous; \(status.mode == "enforce" ? "\(Figures.count(refused)) refused within the packet" : "observed only, nothing was refused").",
            "\(events) throttle events went to Kafka, \(limits) limit\(limits == 1 ? "" : "s") and \(decisions) scale decision\(decisions == 1 ? "" : "s") came back.",
            ""
        ]
        for promise in promises {
            let mark =
                switch promise.isKept {
                case true?: terminal.styled("✓", .good)
                case false?: terminal.styled("✗", .bad)
                case nil: "–"
                }
            lines.append("\(mark) \(promise.text): \(promise.isKept == nil ? "this run was too short to show it" : promise.value)")
        }
        if let endedEarly { lines.append(terminal.styled("✗", .bad) + " " + endedEarly) }
        lines += [
            "", "next: weir run --interface eth0   watch a real interface, touch nothing",
            "      weir replay FILE           what is in a capture, without root",
            "      README.md, docs/           put it on a node, feed an autoscaler"
        ]
        return lines
    }

    func encoded() -> [UInt8] {
        let latencies = enforced.sorted()
        func quantile(_ q: Double) -> Int? {
            latencies.isEmpty ? nil : latencies[min(latencies.count - 1, Int(Double(latencies.count) * q))]
        }
        var json = JSONWriter(capacity: 2048)
        json.object { json in
            json.member("seconds", Int(seconds.rounded()))
            json.member("mode", mode)
            json.member("attach", status.attach)
            json.member("kernel", kernel)
            json.member("handshakes", status.seen)
            json.object("well_behaved") { json in
                json.member("attempted", wellBehaved.attempted)
                json.member("succeeded", wellBehaved.succeeded)
            }
            json.array("attackers") { json in
                for client in clients where client.person.role == .attacker {
                    json.object { json in
                        json.member("source", client.person.address)
                        json.member("attempted", client.count.attempted)
                        json.member("admitted", client.count.succeeded)
                        json.member("most_admitted_in_a_second", client.count.most)
                        json.member("reset", client.count.refused)
                    }
                }
            }
            json.object("slow_probe") { json in
                json.member("attempted", slowProbe.attempted)
                json.member("succeeded", slowProbe.succeeded)
            }
            json.member("events", events)
            json.member("limits", limits)
            json.member("scale_decisions", decisions)
            json.object("latency_us") { json in
                json.object("seen_to_enforced") { json in
                    json.member("p50", quantile(0.5))
                    json.member("p99", quantile(0.99))
                    json.member("count", latencies.count)
                }
            }
            json.member("counters_balance", status.balances)
            json.member("lost", status.lostRecords)
            json.member("left_behind", leftBehind)
        }
        return json.bytes + [10]
    }
}
