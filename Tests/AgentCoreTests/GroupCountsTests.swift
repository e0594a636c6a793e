import AgentCore
import Detection
import Testing

@Suite struct GroupCountsTests {
    /// A hello with these extensions.
    private static func message(_ extensions: [UInt8]) -> [UInt8] {
        let body =
            [3, 3] + [UInt8](repeating: 5, count: 32) + [0, 0, 2, 0x13, 1, 1, 0] + [
                UInt8(extensions.count >> 8), UInt8(extensions.count & 255)
            ] + extensions
        return [1, 0, UInt8(body.count >> 8), UInt8(body.count & 255)] + body
    }

    private static let whole = message(
        // Groups: GREASE, X25519MLKEM768, x25519, x25519 again, one that nobody knows. Shares: X25519MLKEM768 of two bytes.
        [0, 10, 0, 12, 0, 10, 0x1a, 0x1a, 0x11, 0xec, 0, 29, 0, 29, 0x99, 0x99] + [0, 51, 0, 8, 0, 6, 0x11, 0xec, 0, 2, 1, 2])

    private func counts(_ counts: GroupCounts) -> [String: [UInt64]] {
        var all: [String: [UInt64]] = [:]
        counts.each { (group: String, offers: UInt64, shares: UInt64) in if offers + shares > 0 { all[group] = [offers, shares] } }
        counts.each { (way: QuantumReadiness, value: UInt64) in if value > 0 { all[way.rawValue] = [value] } }
        return all
    }

    @Test("Each group of a hello counts once, GREASE not at all, and what is not listed together")
    func once() {
        var groups = GroupCounts()
        groups.note(Self.whole.span.bytes, version: 0x0304)
        #expect(counts(groups) == ["X25519MLKEM768": [1, 1], "x25519": [1, 0], "other": [1, 0], "share": [1]])
        groups.note(Self.whole.span.bytes, version: 0x0303)
        #expect(counts(groups)["older"] == [1] && counts(groups)["x25519"] == [2, 0])
    }

    @Test("Each start of a hello is read as far as it goes", arguments: 0..<whole.count)
    func cut(size: Int) {
        var groups = GroupCounts()
        groups.note(Array(Self.whole[..<size]).span.bytes, version: 0x0304)
        #expect((counts(groups)["x25519"] ?? [0, 0])[0] <= 1 && counts(groups)["share"] == nil)
    }

    @Test("Every listed group has a name and a place of its own")
    func listed() {
        for number in GroupCounts.listed {
            var groups = GroupCounts()
            groups.note(Self.message([0, 10, 0, 4, 0, 2, UInt8(number >> 8), UInt8(number & 255)]).span.bytes, version: 0x0304)
            #expect(counts(groups)[NamedGroup(number).text]?.first == 1 && NamedGroup(number).name != nil)
        }
    }
}
