import AgentCore
import Testing
import Wire

@Suite struct OneWayTests {
    private func counts(in clients: UInt64 = 0, data: UInt64 = 0, out servers: UInt64 = 0, answers: UInt64 = 0) -> InterfaceCounts {
        InterfaceCounts(frames: clients + servers, ways: [clients, data, servers, answers])
    }

    private func note(_ oneWay: inout OneWay, _ seen: [UInt32: InterfaceCounts]) -> [OneWay.Finding] { oneWay.note(seen) }

    @Test(
        "Clients' data without any segment of a server's, or the other way round, are one direction, once; a segment of the other ends that"
    )
    func found() {
        var oneWay = OneWay()
        #expect(note(&oneWay, [7: counts(in: 5_000, data: 5_000)]).isEmpty, "the first reading says nothing")
        #expect(note(&oneWay, [7: counts(in: 7_000, data: 6_000)]) == [.init(interface: 7, way: .inOnly)])
        #expect(oneWay.interfaces.map(\.interface) == [7] && oneWay.interfaces.map(\.way) == [.inOnly])
        #expect(note(&oneWay, [7: counts(in: 9_000, data: 8_000)]).isEmpty, "said once")
        #expect(note(&oneWay, [7: counts(in: 9_001, data: 8_000, out: 1)]) == [.init(interface: 7, way: nil)])
        #expect(note(&oneWay, [7: counts(in: 9_001, data: 8_000, out: 2_000, answers: 1_001)]) == [.init(interface: 7, way: .outOnly)])
        #expect(note(&oneWay, [:]) == [.init(interface: 7, way: nil)], "it is watched no longer")
    }

    @Test("What bears no data is no sign: a flood of SYNs, and their SYN-ACKs and RSTs")
    func floods() {
        var oneWay = OneWay()
        #expect(note(&oneWay, [7: counts(), 8: counts()]).isEmpty)
        #expect(note(&oneWay, [7: counts(in: 900_000), 8: counts(out: 900_000)]).isEmpty)
        #expect(note(&oneWay, [7: counts(in: 900_999, data: 999), 8: counts(out: 900_000)]).isEmpty, "few are gathered")
        #expect(note(&oneWay, [7: counts(in: 901_000, data: 1_000), 8: counts(out: 900_000)]) == [.init(interface: 7, way: .inOnly)])
    }

    @Test("Where one watched interface has what another lacks, both directions are seen")
    func together() {
        var oneWay = OneWay()
        _ = note(&oneWay, [7: counts(), 8: counts()])
        #expect(note(&oneWay, [7: counts(in: 2_000, data: 2_000), 8: counts()]) == [.init(interface: 7, way: .inOnly)])
        #expect(
            note(&oneWay, [7: counts(in: 4_000, data: 4_000), 8: counts(out: 2_000, answers: 2_000)]) == [.init(interface: 7, way: nil)])
        #expect(oneWay.interfaces.isEmpty)
        #expect(
            note(&oneWay, [7: counts(in: 9_000, data: 9_000), 8: counts(in: 1, out: 2_001, answers: 2_000)]) == [
                .init(interface: 7, way: .inOnly)
            ])
        // A counter that begins anew says nothing.
        #expect(note(&oneWay, [7: counts(in: 1), 8: counts(in: 2, out: 2_002, answers: 2_000)]) == [.init(interface: 7, way: nil)])
    }
}
