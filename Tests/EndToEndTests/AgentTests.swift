import JSON
import Testing

/// The real agent between real clients and a real server, each scenario in namespaces of its own.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct AgentTests {
    @Test("A stopped agent changes nothing: the kernel limits each of 21 sources by itself")
    func stopped() throws {
        try play("stopped") { seen throws(JSONError) in
            #expect(try seen.integer("most") <= 3)
            #expect(try seen.integer("named") == 5, "the same source's named handshakes are untouched")
            #expect(try seen.boolean("balance"))
            #expect(try seen.string("capabilities") == "0000000000000000")
            try seen.object("counters") { counters throws(JSONError) in
                #expect(try counters.integer("limits_by_reflex") == 21)
                #expect(try counters.integer("handshakes_reset") > 0)
                #expect(try counters.integer("handshakes_passed") == 5)
                #expect(try counters.integer("records_lost") == 0)
            }
            try seen.object("stop") { stop throws(JSONError) in #expect(try stop.integer("code") == 0) }
        }
    }

    @Test("OpenSSL, curl, GnuTLS and a browser with a name pass during an attack; without a name three do")
    func clients() throws {
        try play("clients") { seen throws(JSONError) in
            try seen.object("named") { named throws(JSONError) in
                #expect(try named.integer("openssl") == 0)
                #expect(try named.integer("curl") == 0)
                #expect(try named.integer("gnutls") == 0)
            }
            #expect(try seen.integer("again") == 0)
            #expect(try seen.string("browser").hasSuffix("ok\n"))
            #expect(try seen.integer("assembled") >= 1, "the browser's hello spans two segments")
            try seen.object("six") { six throws(JSONError) in
                #expect(try six.integer("most") == 3)
            }
            #expect(try seen.boolean("status"))
        }
    }

    @Test("Observe mode refuses nothing and says what it would have done")
    func observe() throws {
        try play("observe") { seen throws(JSONError) in
            #expect(try seen.integer("succeeded") == 12)
            #expect(try seen.integer("refused") == 0)
            #expect(try seen.integer("anomalous") == 12)
            #expect(try seen.string("said").contains("would limit"))
            try seen.object("counters") { counters throws(JSONError) in #expect(try counters.integer("handshakes_observed") == 12) }
        }
    }

    @Test("Dropping holds the whole flow back, retransmissions included")
    func drop() throws {
        try play("drop") { seen throws(JSONError) in
            #expect(try seen.integer("most") == 1)
            try seen.object("counters") { counters throws(JSONError) in
                #expect(try counters.integer("handshakes_dropped") > 0)
                #expect(try counters.integer("segments_held") > 0)
                #expect(try counters.integer("handshakes_reset") == 0)
            }
        }
    }

    @Test("A forged segment limits nobody")
    func forged() throws {
        try play("forged") { seen throws(JSONError) in
            #expect(try seen.integer("unproven") > 0)
            #expect(try seen.integer("limits") == 0)
            #expect(try seen.integer("events") == 0)
            #expect(try seen.integer("succeeded") == 3)
        }
    }

    @Test("clsact does the same; a kill leaves its filter, the next start finds and replaces it, and an orderly end leaves nothing")
    func clsact() throws {
        try play("clsact") { seen throws(JSONError) in
            #expect(try seen.string("attach") == "clsact")
            #expect(try seen.integer("most") == 3)
            #expect(try seen.boolean("left_by_kill"))
            #expect(try seen.string("after") == "")
        }
    }

    @Test("An interface that appears later is attached without any capability, and let go when it goes")
    func late() throws {
        try play("late") { seen throws(JSONError) in
            #expect(try seen.string("capabilities") == "0000000000000000")
            #expect(try seen.strings("interfaces") == ["inner"])
            let said = try seen.string("said")
            #expect(said.contains("attached interface=late0") && said.contains("let go interface=late0"))
        }
    }

    @Test("A policy is swapped whole while traffic runs; a wrong one is refused with its place, and the old one stays")
    func reload() throws {
        try play("reload") { seen throws(JSONError) in
            #expect(try seen.integer("before") == 6)
            #expect(try seen.integer("during") == 3)
            #expect(try seen.integer("after") == 6)
            #expect(try seen.string("mode") == "enforce")
            let refusal = try seen.strings("refusal")
            #expect(refusal.count == 1)
            #expect(refusal[0].contains("policy.yaml:6:3: spec.portz: no such field; did you mean ports?"))
            #expect(try seen.boolean("balance"))
        }
    }

    @Test("Without a broker the agent says so once, goes on limiting, and ends when asked")
    func away() throws {
        try play("away") { seen throws(JSONError) in
            #expect(try seen.integer("most") == 3)
            #expect(try seen.integer("said") == 1)
            try seen.object("stop") { stop throws(JSONError) in #expect(try stop.integer("code") == 0) }
        }
    }

    @Test("An operator's limit reaches the kernel through the topic, and a release lifts it")
    func operators() throws {
        try play("operator") { seen throws(JSONError) in
            #expect(try seen.integer("free") == 5)
            #expect(try seen.integer("limited") == 1)
            #expect(try seen.integer("refused") > 0)
        }
    }

    @Test("Wrong use gets one line and its exit code")
    func wrong() throws {
        try play("wrong") { seen throws(JSONError) in
            for (name, code, part) in [("option", 2, "did you mean --interface?"), ("interface", 3, "nope7: no such interface; there are lo"), ("policy", 2, "bad.yaml:6:5"),
                                       ("no policy", 2, "/nowhere.yaml"), ("listen", 2, "HOST:PORT"), ("privilege", 3, "CAP_BPF")] as [(StaticString, Int, String)] {
                try seen.object(name) { result throws(JSONError) in
                    #expect(try result.integer("code") == code, "\(name)")
                    let error = try result.string("error")
                    #expect(error.contains(part), "\(name): \(error)")
                    #expect(error.split(separator: "\n").count == 1, "\(name): \(error)")
                }
            }
        }
    }
}
