import Glibc
import JSON
import Testing

private let hasKafka = getenv("WEIR_KAFKA_DISTRIBUTION").map { access("\(String(cString: $0))/libs", R_OK) == 0 } ?? false

/// What an agent says it saw, made, told and lost, against a consumer's count, the spool's file, and what everybody else shows.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct AccountsTests {
    private func play<Result>(_ scenario: String, _ read: (borrowing JSONObject) throws(JSONError) -> Result) throws -> Result {
        try EndToEndTests.play(scenario, of: "accounts.py", read)
    }

    private func expectBalance(_ seen: borrowing JSONObject) throws(JSONError) {
        try seen.object("gap") { gap throws(JSONError) in
            #expect(try gap.integer("records", in: .min ... .max) == 0)
            #expect(try gap.integer("events", in: .min ... .max) == 0)
        }
    }

    @Test("The ring full, no broker, the smallest spool: everything is accounted for, the same everywhere, and the loss is an event")
    func overload() throws {
        try play("overload") { seen throws(JSONError) in
            try seen.object("first") { first throws(JSONError) in
                try expectBalance(first)
                #expect(try first.boolean("metrics_agree"))
                #expect(try first.boolean("doctor_agrees"), "while no broker answers")
                #expect(try first.integer("size") <= 96 << 10, "64K of events, and SQLite's own pages")
                let rows = try first.integer("rows")
                try first.object("terms") { terms throws(JSONError) in
                    #expect(try terms.integer("records ring_full") > 0)
                    #expect(try terms.integer("events spool_full") > 0)
                    #expect(rows > 0)
                    #expect(try rows == terms.integer("events waiting") + terms.integer("events under_way"))
                    #expect(try terms.integer("events made") == rows + terms.integer("events spool_full"))
                }
            }
            #expect(try seen.integer("readings") > 3)
            #expect(try seen.integer("widest") == 0, "it balances at any moment")
            try expectBalance(seen)
            #expect(try seen.boolean("balance"))
            #expect(try seen.boolean("metrics_agree"))
            #expect(try seen.boolean("doctor_agrees"))
            let consumed = try seen.integer("consumed"), notices = try seen.integer("notices"), rows = try seen.integer("rows")
            try seen.object("terms") { terms throws(JSONError) in
                #expect(try consumed == terms.integer("events delivered"))
                #expect(rows == 0)
                #expect(try terms.integer("events made") + notices == consumed + rows + terms.integer("events spool_full"))
            }
            #expect(try seen.integer("ids") == consumed - notices, "none twice")
            #expect(notices > 0)
            try seen.object("told") { told throws(JSONError) in
                try seen.object("lost") { lost throws(JSONError) in
                    for cause in ["records ring_full", "events spool_full"] as [StaticString] {
                        #expect(try told.integer(cause) == lost.integer(cause), "the notices say what the accounts say")
                    }
                }
            }
            #expect(try seen.strings("notice_keys") == ["busy"])
            let shown = try seen.string("shown")
            #expect(shown.contains("  busy  lost ") && shown.contains(" records (ring_full), "))
            #expect(shown.contains(" events (spool_full)  since "))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test(
        "What a real broker refuses for its size goes aside after three tries, and holds nobody up, in its batch or behind it",
        .enabled(if: hasKafka, "no Apache Kafka in WEIR_KAFKA_DISTRIBUTION"))
    func poison() throws {
        try play("poison") { seen throws(JSONError) in
            #expect(try seen.integer("small") == 140)
            #expect(try seen.integer("consumed") == 141)
            #expect(try seen.integer("aside") == 3)
            #expect(try seen.integer("metric") == 3)
            #expect(try seen.strings("reasons").allSatisfy { $0.contains("Message size too large") })
            #expect(try seen.string("doctor").contains("events aside                              3, which the broker refuses"))
            #expect(try seen.string("said").contains("an event is set aside: the broker refuses it, and takes others"))
            try expectBalance(seen)
            try seen.object("terms") { terms throws(JSONError) in
                #expect(try terms.integer("events found") == 143)
                #expect(try terms.integer("events delivered") == 141)
            }
            #expect(try seen.integer("found") == 3)
            #expect(try seen.integer("still") == 3)
            #expect(try seen.integer("code") == 0)
            #expect(try seen.integer("again") == 0)
        }
    }

    @Test("Twenty thousand sources come once each: none of them keeps an attacker's events away, and they do not flood the topic")
    func strangers() throws {
        try play("strangers") { seen throws(JSONError) in
            let count = try seen.integer("count"), crowd = try seen.integer("crowd")
            #expect(try seen.integer("answered") == count, "each was within its limit")
            #expect(crowd >= 450 && crowd <= 1500, "600 a minute, and it takes less than two")
            #expect(try seen.integer("his_seen") == 60)
            #expect(try seen.integer("his_reset") == seen.integer("failed"))
            #expect(try seen.integer("failed") > 40)
            #expect(try seen.string("misfits") == "", "/status is what its schema says")
            try expectBalance(seen)
            #expect(try seen.boolean("metrics_agree"))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("A long backlog and a kill in its midst: nothing is missed, each source's order stays, and the news does not wait for it")
    func drained() throws {
        try play("drained") { seen throws(JSONError) in
            #expect(try seen.integer("distinct") == 30_000)
            #expect(try seen.boolean("ordered"))
            #expect(try seen.integer("news") >= 1)
            #expect(try seen.integer("behind_news") > 0, "some of the backlog came after the news")
            try expectBalance(seen)
            let found = try seen.integer("found")
            try seen.object("terms") { terms throws(JSONError) in #expect(try terms.integer("events delivered") == found) }
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("On a full disk events wait in memory; when a broker answers all go, and the disk is written again")
    func fullDisk() throws {
        try play("full_disk") { seen throws(JSONError) in
            let spooled = try seen.integer("spooled")
            let made = try seen.object("before") { before throws(JSONError) in try before.integer("events made") }
            #expect(spooled > 0 && spooled < made)
            let consumed = try seen.integer("consumed"), told = try seen.integer("told")
            #expect(try seen.integer("ids") == consumed)
            try expectBalance(seen)
            try seen.object("terms") { terms throws(JSONError) in
                #expect(try consumed == terms.integer("events made"))
                #expect(try consumed == terms.integer("events delivered"))
                #expect(try told == terms.integer("records own_event") + terms.integer("records folded"))
            }
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("An event's hello is on the disk after a kill, for its user alone, and replays as what it was")
    func evidence() throws {
        try play("evidence") { seen throws(JSONError) in
            #expect(try seen.strings("sources") == ["203.0.113.100"])
            #expect(try seen.integer("code") == 0)
            #expect(try seen.strings("metric").contains("weir_agent_evidence_total{outcome=\"kept\"} 1"))
            #expect(try seen.strings("replayed").contains("missing_sni"))
            #expect(try seen.strings("from") == ["203.0.113.100"])
            #expect(try seen.strings("modes") == ["0o600"])
            #expect(try seen.integer("owners") == 1)
            let said = try seen.string("unknown_said")
            #expect(try seen.integer("unknown") == 1)
            #expect(said.hasPrefix("weir: there is no hello of trace ffff"))
        }
    }

    @Test("What has waited too long is given up and counted, and the notice comes with the rest; doctor sees what does not add up")
    func aged() throws {
        try play("aged") { seen throws(JSONError) in
            try seen.object("terms") { terms throws(JSONError) in
                #expect(try terms.integer("events found") == 15)
                #expect(try terms.integer("events too_old") == 10)
                #expect(try terms.integer("events waiting") + terms.integer("events under_way") == 5)
            }
            try expectBalance(seen)
            #expect(try seen.integer("consumed") == 6)
            let wrong = try seen.string("wrong")
            #expect(wrong.contains("✗ its account of events                     does not balance: of 3 there is no account: "))
            #expect(wrong.contains("✗ its account of records                    does not balance: 2 more than came in: "))
            #expect(try seen.integer("well_code") == 0)
            #expect(try seen.integer("wrong_code") == 3)
            #expect(try seen.integer("code") == 0)
        }
    }
}
