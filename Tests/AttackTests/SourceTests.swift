import Testing

/// Who is refused for what: nobody for what others do in his name, and nobody who does nothing wrong.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces, packet sockets and BPF need root"))
struct SourceTests {
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
        let rows = try play("pumped", "reset", "crowd").rows
        #expect(rows.count == 2)
        for row in rows {
            #expect(row.attempted == 10_000 && row.succeeded == row.attempted, "\(row)")
            #expect(row.refused == 0, "\(row)")
        }
    }
}
