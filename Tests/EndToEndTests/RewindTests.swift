import JSON
import Testing

/// A history that a real agent keeps, and what weir rewind and weir verify make of it.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct RewindTests {
    @Test(
        "What an agent kept as nobody is judged again under other policies; good clients decide the exit code; an event is verified"
    )
    func history() throws {
        try play("history", of: "rewind.py") { seen throws(JSONError) in
            #expect(try seen.string("user") == "65534")
            #expect(try seen.strings("owners") == ["65534"])
            #expect(try seen.strings("modes") == ["0o600"])
            #expect(try seen.integer("refused") > 0)
            let client = "203.0.113.66", partner = "203.0.113.100", scanner = "203.0.113.101"
            #expect(try seen.strings("same") == ["\(client) still_limited"])
            #expect(try seen.strings("milder") == ["\(client) let_go good"])
            #expect(try seen.strings("stricter") == ["\(scanner) limited", "\(client) still_limited"])
            #expect(try seen.integer("strict_good") == 0)
            #expect(try seen.strings("hurt") == ["\(partner) limited good", "\(scanner) limited", "\(client) still_limited"])
            let count = try seen.integer("count")
            try seen.object("hurt_summary") { summary throws(JSONError) in
                #expect(try summary.integer("records") == count)
                #expect(try summary.integer("without_hello") == 0)
                #expect(try summary.integer("good_limited") == 1)
                #expect(try summary.integer("exit_code") == 1)
            }
            #expect(try seen.strings("scaled") == ["shop/web scaled 0"])
            let table = try seen.string("table")
            #expect(table.contains("1 good client would be limited") && table.contains("\(partner)  good  would be limited"), "\(table)")
            #expect(try seen.integer("table_code") == 1)
            #expect(try seen.integer("code") == 0)
            #expect(try seen.strings("after") == ["203.0.113.102 still_limited", "\(client) still_limited"])
            #expect(try seen.strings("missing") == ["first not_running"])
            #expect(try seen.boolean("verified"))
            let alone = try seen.string("alone"), lie = try seen.string("lie"), changed = try seen.string("changed")
            #expect(alone.hasPrefix("weir: there is no hello of trace "))
            #expect(lie.contains("the evidence says something else") && lie.contains("✗  ja4") && !lie.contains("✗  ja3"), "\(lie)")
            #expect(changed.contains("✗  ja4") && changed.contains("✗  ja3"), "\(changed)")
            #expect(
                try seen.strings("refusals") == [
                    "nothing: weir: rewind: HOME: no agent has kept a history there (--history-size)",
                    "nowhere: weir: rewind: /nowhere: No such file or directory",
                    "no state: weir: rewind: which history? --state DIR is wanted, an agent's, or several",
                    "good: weir: rewind: --good `nobody`: no address, no block, and no file that can be read",
                    "until: weir: rewind: --until `yesterday`: a time such as 2026-11-24T10:00:00Z is expected (RFC 3339)",
                    "long ago: weir: rewind: there is no record of the last 3d in these histories"
                ])
        }
    }

    @Test("On a full disk the history goes first, all of it; what is not written is counted, and the agent limits on")
    func fullDisk() throws {
        try play("full_disk", of: "rewind.py") { seen throws(JSONError) in
            #expect(try seen.integer("before") == 1)
            #expect(try seen.integer("after") == 0)
            #expect(try seen.integer("missed") == 0)
            #expect(try seen.integer("limited") == 3)
            #expect(try seen.integer("code") == 0)
        }
    }
}
