import Testing

/// Each trick: twelve connections of one source at once on a real OpenSSL server, counted by a witness outside Weir.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces, packet sockets and BPF need root"))
struct TrickTests {
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
}
