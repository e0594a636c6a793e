import JSON
import Testing

/// What an operator types, against a real agent and the built-in broker in a process of its own.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct OperatorTests {
    @Test(
        "A block that an operator limits reaches the kernel through the topic, also when the node enforces only later; a release lifts it")
    func limits() throws {
        try play("operator") { seen throws(JSONError) in
            #expect(try seen.string("nothing") == "nothing is limited\n")
            #expect(try seen.integer("free") == 5)
            #expect(try seen.integer("observed") == 5, "a node that observes refuses nothing, whoever asks")
            #expect(try seen.integer("limited") == 1, "two sources of the block share its one a second")
            #expect(try seen.integer("refused") > 0)
            let table = try seen.string("table")
            #expect(table.contains("203.0.113.0/24") && table.contains("operator"), "\(table)")
            try seen.object("listed") { limit throws(JSONError) in
                #expect(try limit.string("schema") == "weir.dev/limit/v1")
                #expect(try limit.string("prefix") == "203.0.113.0/24")
                #expect(try limit.string("class") == "all")
                #expect(try limit.integer("per_second") == 1)
                #expect(try limit.string("origin") == "operator")
            }
            #expect(try seen.integer("more") == 2)
            #expect(try seen.string("unknown") == "weir: 192.0.2.1/32 is not limited\n")
            #expect(try seen.strings("last") == ["192.0.2.0/24", "203.0.113.0/24"])
            var released = 0
            try seen.objects("released") { release throws(JSONError) in
                released += 1
                #expect(try release.string("class") == "anomalous")
                #expect(try release.string("origin") == "operator")
                #expect(try release.boolean("released"))
                try release.object("nodes") { nodes throws(JSONError) in
                    #expect(try nodes.integer("known") == 1)
                    #expect(try nodes.integer("holding") == 1)
                }
            }
            #expect(released == 1, "what was released and limited again is no release")
            #expect(try seen.integer("generous") == 3)
            #expect(try seen.integer("generous_failed") > 0)
        }
    }

    @Test("Private addresses that another node publishes are never limited here, until it stops; one of the Internet that it claims is")
    func neighbours() throws {
        try play("neighbours") { seen throws(JSONError) in
            #expect(try seen.integer("free") == 8)
            #expect(try seen.integer("limited") == 3)
            #expect(try seen.integer("refused") > 0)
            #expect(try seen.integer("again") == 3)
            #expect(try seen.integer("refused_again") > 0)
            #expect(try seen.integer("stopped") == 0)
            #expect(try seen.integer("code") == 0)
        }
    }

    /// One node does not hold a limit, and this is why.
    private static func why(_ seen: borrowing JSONObject, _ name: StaticString, _ node: String, _ why: String, behind: Int)
        throws(JSONError)
    {
        var found: [(node: String, why: String, behind: Int)] = []
        try seen.objects(name) { one throws(JSONError) in
            found.append((try one.string("node"), try one.string("why"), try one.integer("records_behind")))
        }
        #expect(found.map(\.node) == [node])
        #expect(found.map(\.why) == [why])
        #expect(found.map(\.behind) == [behind])
    }

    @Test(
        "An agent that starts late reads the limits topic on as long as there is more, and waits for none of its ticks",
        arguments: ["long_topic"] + (hasNoida ? ["long_topic_noida"] : []))
    func longTopic(scenario: String) throws {
        try play(scenario) { seen throws(JSONError) in
            #expect(try seen.integer("held") == 10_000)
            #expect(try seen.integer("postponed") >= 30, "10,000 in turns of 256")
            #expect(try seen.integer("slow") >= 10, "a load of limits is a stall of that reason")
            #expect(try seen.integer("slow_policy") == 0)
            #expect(
                try seen.integer("turns") >= seen.integer("postponed"),
                "each is followed by another turn that the topic asked for, not a tick")
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test(
        "An operator sees on how many nodes a limit holds, and which are behind, late, unwilling or only watching; a clean stop leaves nothing to ask about",
        arguments: ["convergence"] + (hasNoida ? ["convergence_noida"] : []))
    func convergence(scenario: String) throws {
        try play(scenario) { seen throws(JSONError) in
            func row(_ table: String, _ prefix: String) -> [Substring] {
                (table.split(separator: "\n").first { $0.hasPrefix("\(prefix)/32") } ?? "").split(separator: " ")
            }
            #expect(try seen.string("nobody").contains("no node has reported"))
            #expect(try seen.string("first").contains("applied on 3 of 3 nodes after "))
            let three = try seen.string("three"), two = try seen.string("two"), late = try seen.string("late")
            for prefix in ["203.0.113.1", "203.0.113.2"] { #expect(row(three, prefix).contains("3/3"), "\(three)") }
            #expect(three.split(separator: "\n").count == 3, "nobody is behind, so nothing is said of it: \(three)")
            #expect(late.contains("weir: not applied within 3.0 s: c (1 record behind, last heard of "), "\(late)")
            #expect(row(two, "203.0.113.3").contains("2/3") && two.contains("\nbehind: c by 1 record, last heard of "), "\(two)")
            #expect(try seen.string("two_share") == "2/3")
            #expect(try seen.string("older") == "3/3", "what a sleeping node had already, it still has")
            try Self.why(seen, "two_why", "c", "behind", behind: 1)
            try Self.why(seen, "four_why", "e", "allowed", behind: 0)
            try Self.why(seen, "observing_why", "f", "observes", behind: 0)
            #expect(try seen.strings("held") == ["3", "3", "3"])
            #expect(try seen.strings("offsets") == ["3", "3", "3"])
            #expect(try seen.string("allowed").contains("weir: not applied within 3.0 s: e (allowed)"))
            #expect(
                try seen.string("lacks").contains(
                    "\nnot held: e lacks 203.0.113.1/32|all (allowed), 203.0.113.2/32|all (allowed), 203.0.113.3/32|all (allowed) and 1 more\n"
                ))
            #expect(try seen.string("observes").contains("\nobserving, so limiting nobody: f\n"))
            #expect(try seen.string("lifted") == "5/5")
            #expect(try seen.string("released").contains("applied on 4 of 4 nodes after "))
            #expect(try seen.string("left_over") == "1/1")
            #expect(try seen.integer("kinds") == 6)
            #expect(try seen.boolean("valid"), "a real record is what its schema says, by a validator that is not ours")
        }
    }

    @Test("A topic is readable from its beginning or from now on, for people and for programs, until Ctrl-C")
    func tail() throws {
        try play("tail") { seen throws(JSONError) in
            let event = try seen.string("event")
            #expect(event.contains("203.0.113.66/32  limited  missing_sni"), "\(event)")
            try seen.object("raw") { raw throws(JSONError) in
                #expect(try raw.string("schema") == "weir.dev/throttle-event/v1")
                #expect(try raw.string("source.address") == "203.0.113.66")
            }
            let limits = try seen.strings("limits")
            #expect(
                limits.count == 2 && limits[0].hasPrefix("192.0.2.0/24  all  3/s  reset  until ")
                    && limits[1].hasPrefix("192.0.2.0/24  all  released  until ") && limits[1].contains("  operator  generation "),
                "\(limits)")
            let new = try seen.strings("new")
            #expect(!new.isEmpty && new.allSatisfy { $0.hasPrefix("198.18.0.0/24  all  ") }, "only what came later: \(new)")
            #expect(try seen.strings("codes") == ["0", "0", "0", "0"])
        }
    }

    @Test("What the agent of this machine sees, live: a line a second where there is no terminal, until the time is up or Ctrl-C")
    func top() throws {
        try play("top") { seen throws(JSONError) in
            let lines = try seen.strings("lines")
            #expect(lines.first == "weir · here · inner · enforcing · tcx")
            #expect(
                lines.dropFirst().count == 2 && lines.dropFirst().allSatisfy { $0.contains("  hellos 5  anomalous 5  refused 2  events ") },
                "\(lines)")
            #expect(try seen.string("first") == "weir · here · inner · enforcing · tcx\n")
            #expect(try seen.integer("code") == 0)
            let names = [
                "loader", "settings", "components", "maps", "verify limiter", "peers", "surroundings", "interfaces", "addresses", "pages",
                "places", "verify limiter_out", "tables",
                "verify helpers", "state", "kafka", "node", "attach", "verify tls_probe", "verify outgoing", "listening"
            ]
            try seen.object("trace") { trace throws(JSONError) in
                #expect(try Set(trace.strings("names")) == Set(["start"] + names))
                #expect(try trace.strings("threads").first == "main")
            }
            try seen.object("startup_json") { startup throws(JSONError) in
                #expect(try startup.string("program") == "weir-agent")
                let path = try startup.strings("critical_path"), total = try startup.integer("total_us")
                #expect(path.starts(with: ["loader", "settings"]) && path.last == "listening" && path.contains("attach"), "\(path)")
                try startup.objects("spans") { span throws(JSONError) in
                    #expect(try span.integer("at_us") + span.integer("took_us") <= total)
                }
            }
            let startup = try seen.strings("startup")
            #expect(
                startup.count == names.count + 3 && startup.last?.hasPrefix("weir-agent: ") == true
                    && startup.last?.contains("critical path") == true, "\(startup)")
            #expect(startup.contains { $0.contains("verify limiter") && $0.contains("maps") && $0.contains("█") }, "\(startup)")
            let comparison = try seen.strings("comparison")
            #expect(
                comparison.count == names.count + 3 && comparison.last?.contains("(0)") == true
                    && comparison.dropFirst().dropLast(2).allSatisfy { $0.hasSuffix("same") }, "\(comparison)")
            let none = try seen.string("no_startup"), old = try seen.string("old_startup")
            #expect(none.contains("not JSON; ") && none.hasSuffix("write such a file with --startup-trace\n"), "\(none)")
            #expect(old.contains("a start-up trace of an older agent"), "\(old)")
            let stalls = try seen.strings("stalls")
            #expect(stalls.first?.hasPrefix("all but idle · ") == true && stalls.contains { $0.hasPrefix("ring  ") }, "\(stalls)")
            #expect(try seen.strings("loop") == ["ring", "events", "producer", "limits", "tick", "http", "links", "policy", "preempted"])
            #expect(try seen.integer("ring") > 0)
            #expect(try seen.integer("longest") > 0)
            let nobody = try seen.string("nobody")
            #expect(nobody.hasPrefix("weir: no agent answers on 127.0.0.1:") && nobody.contains("is weir-agent running"), "\(nobody)")
        }
    }

    @Test(
        "A stopped agent's time is preempted, not the ring's, and one line tells of it; the quarter of an hour fits a terminal, a pipe and a picture"
    )
    func stalls() throws {
        try play("stalls") { seen throws(JSONError) in
            let took = try seen.integer("took"), preempted = try seen.integer("preempted")
            #expect(took >= 2_000_000_000 && preempted > took * 9 / 10 && preempted <= took)
            #expect(try seen.string("longest") == "preempted")
            #expect(try seen.integer("preempted_longest") == preempted)
            #expect(try seen.integer("records") > 0, "what had come meanwhile was read in that turn")
            #expect(try seen.integer("ring") > 0)
            #expect(try seen.integer("ring_longest") < 1_000_000_000)
            #expect(try seen.integer("idle_longest") < 1_000_000_000)
            #expect(
                try seen.strings("reasons") == ["ring", "events", "kafka", "limits", "tick", "http", "links", "policy", "preempted", "idle"]
            )
            let shown = try seen.string("shown"), byReason = try seen.string("by_reason")
            #expect(shown.contains("the longest turns") && shown.contains("   longer ") && !shown.contains("\u{1b}"), "\(shown)")
            for reason in ["ring", "preempted", "idle"] {
                #expect(byReason.contains("\n\(reason) · ") || byReason.hasPrefix("\(reason) · "), "\(byReason)")
            }
            let logged = try seen.strings("logged")
            #expect(
                logged.count == 1 && logged[0].contains(" longest=preempted ") && logged[0].contains(" took_ms=\(took / 1_000_000) "),
                "\(logged)")
            let unwritable = try seen.string("unwritable")
            #expect(unwritable.hasPrefix("weir: --svg ") && unwritable.contains("cannot be written"), "\(unwritable)")
            let plain = try seen.strings("plain")
            #expect(plain[0] == "all but idle · 15m, a column for each 10 s")
            #expect(plain[1] == "    <1 ms " + String(repeating: " ", count: 89) + "·")
            #expect(plain[4] == "   <16 us " + String(repeating: " █", count: 45), "\(plain)")
            #expect(try seen.integer("narrow") <= 60)
            #expect(try seen.strings("narrow_map").contains { $0.hasPrefix("   <16 us ███") })
            #expect(try seen.boolean("coloured"))
            // The background, 45 columns of ticks and the ring's one.
            #expect(try seen.integer("rectangles") == 1 + 45 + 1)
            #expect(try seen.string("broken").contains("says nothing of its stalls: columns.ring: "))
        }
    }

    @Test("The doctor tries what Weir needs, says what is missing and what to do, and its exit code says which")
    func doctor() throws {
        try play("doctor") { seen throws(JSONError) in
            let ports = try seen.strings("node_ports")
            #expect(
                ports.first?.contains("leads to 443 of shop/web:https; the uplink sees 31443: add it to the policy's ports") == true,
                "\(ports)")
            #expect(ports.first?.contains("30080") == false)
            #expect(ports.last?.contains("none that leads to a watched port is unwatched") == true, "\(ports)")
            let root = try seen.string("root"), broker = try seen.string("with_kafka"), none = try seen.string("without_kafka"),
                nobody = try seen.string("nobody")
            for part in [
                "✓ kernel ", "BTF", "✓ privileges", "✓ an attached agent's rights", "user nobody", "✓ the probe loads", "✓ it attaches",
                "– Kafka"
            ] { #expect(root.contains(part), "\(part): \(root)") }
            #expect(!root.contains("✗"), "\(root)")
            #expect(broker.contains("✓ Kafka at 127.0.0.1:"), "\(broker)")
            #expect(
                none.contains("✗ Kafka at 127.0.0.1:1") && none.contains("Connection refused")
                    && none.contains("check that the broker runs"), "\(none)")
            #expect(try seen.integer("nobody_code") == 3)
            #expect(
                nobody.contains("✗ privileges") && nobody.contains("CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON missing: run as root"), "\(nobody)")
        }
    }
}
