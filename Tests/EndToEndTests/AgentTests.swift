import JSON
import Testing

/// The real agent between real clients and a real server, each scenario in namespaces of its own.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct AgentTests {
    @Test("A stopped agent changes nothing: the kernel limits each of 21 sources by itself")
    func stopped() throws {
        try play("stopped") { seen throws(JSONError) in
            #expect(try seen.integer("most") <= 3)
            #expect(try seen.integer("named") == 10, "named handshakes succeed during the attack, the attacker's own as well")
            #expect(try seen.string("state") == "T", "it was stopped all the while")
            #expect(try seen.strings("errors") == ["ConnectionResetError"])
            #expect(try seen.boolean("balance"))
            #expect(try seen.string("capabilities") == "0000000000000000")
            let admitted = try seen.integer("admitted"), failed = try seen.integer("failed"), total = try seen.integer("total")
            #expect(failed > 0)
            try seen.object("counters") { counters throws(JSONError) in
                #expect(try counters.integer("limits_by_reflex") == 21)
                #expect(try counters.integer("handshakes_seen") == total)
                #expect(try counters.integer("handshakes_reset") == failed, "the clients counted as many refusals as the kernel")
                #expect(try counters.integer("handshakes_admitted") == admitted)
                #expect(try counters.integer("handshakes_passed") == 10)
                #expect(try counters.integer("records_lost") == 0)
            }
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test(
        "OpenSSL, curl, GnuTLS, Python and a browser with a name pass during an attack; without a name three in a second do, the others are reset at once"
    )
    func clients() throws {
        try play("clients") { seen throws(JSONError) in
            try seen.object("named") { named throws(JSONError) in
                for who in ["openssl", "curl", "gnutls", "python"] as [StaticString] { #expect(try named.integer(who) == 4, "\(who)") }
            }
            try seen.object("attack") { attack throws(JSONError) in
                #expect(try attack.integer("most") == 3)
                #expect(try attack.strings("errors") == ["ConnectionResetError"])
            }
            try seen.object("nameless") { nameless throws(JSONError) in
                for who in ["openssl", "curl", "gnutls"] as [StaticString] {
                    try nameless.object(who) { client throws(JSONError) in
                        #expect(try client.integer("most") <= 3, "\(who)")
                        #expect(try client.integer("hung") == 0, "\(who)")
                        #expect(try client.integer("refused") == client.integer("attempted") - client.integer("succeeded"), "\(who)")
                    }
                }
            }
            try seen.object("six") { six throws(JSONError) in
                #expect(try six.integer("most") == 3)
                #expect(try six.integer("named") == 3)
                #expect(try six.integer("seen") == six.integer("attempted"))
                #expect(try six.integer("refused") == six.integer("failed"))
                #expect(try six.integer("failed") > 0)
            }
            var assembled: [Int] = []
            try seen.objects("browsers") { browser throws(JSONError) in
                #expect(try browser.string("said") == "ok")
                #expect(try browser.integer("handshakes") == 1)
                #expect(try browser.integer("anomalous") == 0, "its name was read")
                #expect(try browser.integer("incomplete") == 0)
                assembled.append(try browser.integer("assembled"))
            }
            #expect(assembled == [1, 0], "two segments without offloads, one frame with them")
            #expect(try seen.integer("attack_hellos") == 0, "no refused hello reached the server")
            #expect(try seen.integer("six_hellos") == 0)
            #expect(try seen.boolean("balance"))
        }
    }

    @Test("Observe mode refuses nothing, says what it would have done, and attaches nothing that could refuse")
    func observe() throws {
        try play("observe") { seen throws(JSONError) in
            #expect(try seen.integer("succeeded") == 12)
            #expect(try seen.integer("refused") == 0)
            #expect(try seen.integer("anomalous") == 12)
            #expect(try seen.string("said").contains("would limit source=203.0.113.66/32 anomalies=missing_sni"))
            #expect(try seen.strings("ingress") == ["tls_probe"])
            #expect(try seen.strings("egress") == ["tls_probe_out"])
            #expect(try seen.boolean("balance"))
            try seen.object("counters") { counters throws(JSONError) in
                #expect(try counters.integer("handshakes_observed") == 12)
                #expect(try counters.integer("limits_by_reflex") == 0)
            }
        }
    }

    @Test("Dropping holds the whole flow back, retransmissions included: the server never sees the hello")
    func drop() throws {
        try play("drop") { seen throws(JSONError) in
            #expect(try seen.integer("most") == 1)
            #expect(try seen.integer("hellos") == seen.integer("succeeded"))
            #expect(try seen.integer("succeeded") < 4)
            try seen.object("errors") { errors throws(JSONError) in #expect(try errors.integer("TimeoutError") > 0) }
            #expect(try seen.boolean("balance"))
            try seen.object("counters") { counters throws(JSONError) in
                #expect(try counters.integer("handshakes_dropped") > 0)
                #expect(try counters.integer("frames_of_refused") > 0)
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
            #expect(try seen.integer("succeeded") == 3, "the innocent's own first three")
            #expect(try seen.integer("limits_after") == 1)
            #expect(try seen.boolean("balance"))
        }
    }

    @Test(
        "Who probes the node's pods from the node, as kubelets do, is never limited and never counted; neither are pods, when the policy says so"
    )
    func kubelet() throws {
        try play("kubelet") { seen throws(JSONError) in
            #expect(try seen.integer("probes") == 40)
            #expect(try seen.integer("events") == 0)
            #expect(try seen.integer("limits") == 0)
            #expect(try seen.integer("pods") == 12)
            #expect(try seen.integer("allowed") == 12)
            #expect(try seen.integer("events_after") == 0)
            #expect(try seen.boolean("balance"))
        }
    }

    @Test("A connection that is older than the agent is proven by its socket, in either family")
    func older() throws {
        try play("older") { seen throws(JSONError) in
            #expect(try seen.integer("succeeded") == 4, "three of IPv4, and IPv6's first")
            #expect(try seen.boolean("balance"))
            try seen.object("counters") { counters throws(JSONError) in
                #expect(try counters.integer("handshakes_unproven") == 0)
                #expect(try counters.integer("limits_by_reflex") == 2)
                #expect(try counters.integer("handshakes_reset") == 2)
            }
        }
    }

    @Test(
        "clsact does the same; a kill leaves its filter, the next start replaces it, and an orderly end leaves nothing of ours and all of others'"
    )
    func clsact() throws {
        try play("clsact") { seen throws(JSONError) in
            #expect(try seen.string("attach") == "clsact")
            #expect(try seen.string("capabilities") == "0000000000001000", "CAP_NET_ADMIN alone, to take the filter away")
            #expect(try seen.integer("most") == 3)
            #expect(try seen.integer("failed") > 0)
            #expect(try seen.strings("left_by_kill") == ["limiter"])
            #expect(try seen.strings("filters") == ["limiter", "limiter_out"], "one on each hook")
            #expect(try seen.integer("code") == 0)
            #expect(try !seen.boolean("qdisc"), "a killed agent's qdisc goes with its successor")
            #expect(try seen.boolean("foreign"), "somebody else's filter on our qdisc stays")
            #expect(try seen.strings("ours") == [])
        }
    }

    @Test("An interface that appears later is attached without any capability, limits, and is let go when it goes")
    func late() throws {
        try play("late") { seen throws(JSONError) in
            #expect(try seen.string("capabilities") == "0000000000000000")
            #expect(try seen.strings("programs") == ["limiter"])
            #expect(try seen.integer("most") == 3)
            #expect(try seen.integer("seen") == 12)
            #expect(try seen.integer("refused") == seen.integer("failed"))
            #expect(try seen.integer("failed") > 0)
            #expect(try seen.integer("again") == 3, "the other interface goes on")
            #expect(try seen.integer("again_failed") > 0)
            #expect(try seen.strings("interfaces") == ["inner"])
            let said = try seen.string("said")
            #expect(said.contains("attached interface=late0") && said.contains("let go interface=late0"))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("A policy is swapped whole while traffic runs; a wrong one is refused once with its place, and the old one stays")
    func reload() throws {
        try play("reload") { seen throws(JSONError) in
            #expect(try seen.integer("before") == 6)
            #expect(try seen.integer("during") == 3)
            #expect((1...3).contains(try seen.integer("still")))
            #expect(try seen.integer("after") == 6)
            #expect(try seen.string("mode") == "enforce")
            #expect(try seen.strings("programs") == ["tls_probe", "limiter", "tls_probe"])
            #expect(try seen.integer("accepted") == 2)
            #expect(try seen.integer("refused") == 1)
            let refusal = try seen.strings("refusal")
            #expect(refusal.count == 1, "\(refusal)")
            #expect(refusal.first?.contains("policy.yaml:6:3: spec.portz: no such field; did you mean ports?") == true)
            #expect(try seen.boolean("balance"))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("Without a broker the agent says so once, goes on limiting, and ends when asked")
    func away() throws {
        try play("away") { seen throws(JSONError) in
            #expect(try seen.integer("most") == 3)
            #expect(try seen.integer("refused") == seen.integer("failed"))
            #expect(try seen.integer("failed") > 0)
            #expect(try seen.integer("said") == 1)
            #expect(try seen.integer("events") > 0)
            #expect(try seen.integer("delivered") == 0)
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("Standard error that nobody reads and connections that say nothing stop neither the agent's answers nor its end")
    func unread() throws {
        try play("unread") { seen throws(JSONError) in
            #expect(try seen.strings("answers") == ["ok\n", "ok\n", "ok\n"])
            #expect(try seen.integer("evicted") > 100)
            #expect(try seen.boolean("blocking"), "the pipe is as others made it")
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("Wrong use gets one line and its exit code")
    func wrong() throws {
        try play("wrong") { seen throws(JSONError) in
            for (name, code, part) in [
                ("option", 2, "did you mean --interface?"), ("interface", 3, "nope7: no such interface; there are lo"),
                ("policy", 2, "bad.yaml:6:5"),
                ("no policy", 2, "/nowhere.yaml"), ("listen", 2, "HOST:PORT"), ("privilege", 3, "CAP_BPF")
            ] as [(StaticString, Int, String)] {
                try seen.object(name) { result throws(JSONError) in
                    #expect(try result.integer("code") == code, "\(name)")
                    let error = try result.string("error")
                    #expect(error.contains(part), "\(name): \(error)")
                    #expect(error.split(separator: "\n").count == 1, "\(name): \(error)")
                }
            }
        }
    }

    @Test("What an agent saw while no broker answered outlives it: the next one delivers it, once, and two do not share a spool")
    func spool() throws {
        try play("spool") { seen throws(JSONError) in
            #expect(try seen.integer("refused") == 2)
            #expect(try seen.string("why").contains("spool.sqlite3: another agent uses it; each needs a directory of its own"))
            #expect(try seen.integer("delivered_before") == 0)
            #expect(try seen.strings("nodes") == ["first", "first", "third"])
            #expect(try seen.integer("ids") == 3)
            #expect(try seen.integer("rest") == 0)
            #expect(try seen.integer("seen") == 5, "every hello is counted in one of the two")
            #expect(try seen.integer("code") == 0)
            let said = try seen.string("said")
            #expect(said.contains("events of an earlier run are sent now") && said.contains("spooled=0"), "\(said)")
            #expect(!(try seen.string("nothing")).contains("earlier run"))
        }
    }
}
