import Testing

/// The same limit over QUIC, by real clients and a real server, also while the agent stands still.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces, packet sockets and BPF need root"))
struct QUICTests {
    @Test("Without an agent every kind of QUIC client gets more answers than the limit")
    func bare() throws {
        for row in try play("bare", "reset", "quic").rows where row.attempted == 0 {
            #expect(row.error == "" && row.answered > 3, "\(row)")
        }
    }

    @Test(
        "Over QUIC: at most three connections without a name get an answer in any sliding second, and each with a name succeeds",
        arguments: ["direct", "routed"])
    func limited(shape: String) throws {
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
    func stopped(shape: String) throws {
        let rows = try play(shape, "reset", "stopped").rows
        #expect(rows.count == (shape == "pumped" ? 4 : 32))
        for row in rows {
            #expect(row.error == "" && row.succeeded == row.attempted, "\(row)")
            #expect(row.most <= row.free + 3, "\(row)")
            #expect(row.answered > 0 || row.says == "flood", "\(row)")
        }
    }
}
