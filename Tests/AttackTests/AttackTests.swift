import Testing

/// Each trick: twelve connections of one source at once on a real OpenSSL server, counted by a witness outside Weir.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces, packet sockets and BPF need root"))
struct AttackTests {
    private func hold(_ shape: String, _ answer: String, _ set: String) throws {
        let (rows, badSums) = try play(shape, answer, set)
        #expect(!rows.isEmpty)
        #expect(badSums == 0, "a checksum is wrong at the far end")
        for row in rows {
            #expect(row.error == "", "\(row)")
            #expect(row.opened == 12 || row.error != "", "\(row)")
            #expect(row.most <= 3, "\(row)")
            #expect(row.answered >= row.least, "\(row)")
            #expect(row.hanging <= row.mayHang, "the server's side hangs: \(row)")
            #expect(row.wrong == [], "a client's stack would not take this reset: \(row)")
            #expect(row.silent <= row.mayBeSilent || answer == "drop", "the client's side hangs: \(row)")
        }
    }

    @Test("Without an agent every trick gets more answers than the limit: it does reach a server", arguments: ["all", "alone"])
    func bare(set: String) throws {
        for row in try play("bare", "reset", set).rows {
            #expect(row.error == "", "\(row)")
            #expect(row.answered > 3 && row.opened == 12 || !row.reaches, "\(row)")
        }
    }

    @Test(
        "At most three answers leave in any sliding second, whatever the trick; the rest is reset on both sides",
        arguments: ["all", "alone"])
    func reset(set: String) throws { try hold("direct", "reset", set) }

    @Test("With the answer drop the client hears nothing, and the server's side is let go all the same", arguments: ["all", "alone"])
    func drop(set: String) throws { try hold("direct", "drop", set) }

    @Test(
        "The same for answers in single frames, for clsact, a routed server, and a router with one interface",
        arguments: ["single", "clsact", "routed", "one_armed"])
    func elsewhere(shape: String) throws { try hold(shape, "reset", "core") }

    @Test(
        "The same behind address translation, with either answer", .enabled(if: hasNftables, "nft is missing"), arguments: ["reset", "drop"]
    )
    func translated(answer: String) throws { try hold("dnat", answer, "core") }

    @Test("Nobody is limited for what others sent in his name: five forgers, a server of the node's own and one behind it")
    func forgers() throws {
        let rows = try play("routed", "reset", "forgers").rows
        #expect(rows.count == 20)
        for row in rows { #expect(row.attempted > 0 && row.refused == 0, "\(row)") }
    }

    @Test(
        "Whom a trusted balancer's PROXY header names is refused, and none of its other clients; a stranger's header names nobody",
        arguments: ["direct", "routed"])
    func balanced(shape: String) throws {
        let rows = try play(shape, "reset", "balanced").rows
        #expect(rows.count == 32)
        for row in rows {
            if row.says.hasPrefix("attacker") {
                #expect(row.attempted == 12 && (1...3).contains(row.succeeded) && row.refused >= 9, "\(row)")
            } else {
                #expect(row.attempted > 0 && row.succeeded == row.attempted && row.refused == 0, "\(row)")
            }
        }
    }

    @Test("A flood of SYNs in front of a forwarded server makes nobody's connection unknown")
    func flood() throws {
        for row in try play("routed", "reset", "flood").rows {
            #expect(row.succeeded == row.attempted && row.attempted > 0 && row.refused == 0, "\(row)")
        }
    }

    @Test("Without an agent every kind of QUIC client gets more answers than the limit")
    func quicBare() throws {
        for row in try play("bare", "reset", "quic").rows where row.attempted == 0 {
            #expect(row.error == "" && row.answered > 3, "\(row)")
        }
    }

    @Test(
        "Over QUIC: at most three connections without a name get an answer in any sliding second, and each with a name succeeds",
        arguments: ["direct", "routed"])
    func quic(shape: String) throws {
        let rows = try play(shape, "reset", "quic").rows
        #expect(rows.count == 30)
        for row in rows {
            #expect(row.error == "" && row.succeeded == row.attempted, "\(row)")
            #expect(row.most <= row.free + 3 && row.answered > 0, "\(row)")
        }
    }

    @Test(
        "With the agent stopped, where Initials are opened in the packet: as ever three answers, also under a flood, and no name waits",
        arguments: ["direct", "routed", "pumped"])
    func quicStopped(shape: String) throws {
        let rows = try play(shape, "reset", "stopped").rows
        #expect(rows.count == (shape == "pumped" ? 4 : 32))
        for row in rows {
            #expect(row.error == "" && row.succeeded == row.attempted, "\(row)")
            #expect(row.most <= row.free + 3, "\(row)")
            #expect(row.answered > 0 || row.says == "flood", "\(row)")
        }
    }

    @Test(
        "Who does nothing wrong always succeeds, and is never refused: also by a link that loses, reorders and repeats",
        arguments: ["direct", "pumped"])
    func honest(shape: String) throws {
        let rows = try play(shape, "reset", "honest").rows
        #expect(!rows.isEmpty)
        for row in rows {
            #expect(row.succeeded == row.attempted && row.attempted > 0, "\(row)")
            #expect(row.refused == 0, "\(row)")
        }
    }

    @Test("Twenty thousand visits over a link that loses, reorders and repeats: each succeeds, and no answer counts against anybody")
    func crowd() throws {
        let rows = try play("pumped", "reset", "crowd", secondsAtMost: 400).rows
        #expect(rows.count == 2)
        for row in rows {
            #expect(row.attempted == 10_000 && row.succeeded == row.attempted, "\(row)")
            #expect(row.refused == 0, "\(row)")
        }
    }
}
