import AgentCore
import Testing
import Units
import Vocabulary
import Wire

@Suite struct BoardTests {
    private func note(_ board: inout Board, _ address: UInt32, proof: Proof = .tracked, at seconds: UInt64 = 0, anomalous: Bool = false) {
        var handshake = Handshake()
        handshake.source = Address(ipv4: address)
        handshake.proof = proof
        handshake.seenNanoseconds = seconds * 1_000_000_000
        board.note(handshake, anomalies: anomalous ? AnomalySet(.missingSNI) : AnomalySet())
    }

    @Test("Forged sources, however many, keep no proven one off the board and push none out")
    func forged() {
        var board = Board()
        note(&board, 1)
        for number in 0..<100_000 as Range<UInt32> { note(&board, 0x0a00_0000 + number, proof: .unproven, anomalous: true) }
        note(&board, 2)
        for number in 0..<100_000 as Range<UInt32> { note(&board, 0x0b00_0000 + number, proof: .unproven, anomalous: true) }
        let proven = board.busiest(5000).filter(\.isProven).map(\.address)
        #expect(Set(proven) == [Address(ipv4: 1), Address(ipv4: 2)])
        #expect(board.displaced > 0)
    }

    @Test("A board full of proven sources lists no forged one, and counts it")
    func full() {
        var board = Board(capacity: 8)
        for number in 0..<8 as Range<UInt32> { note(&board, number) }
        note(&board, 99, proof: .unproven)
        #expect(board.unlisted == 1 && board.displaced == 0)
        #expect(!board.busiest(8).contains { $0.address == Address(ipv4: 99) })
    }

    @Test("A newcomer takes the place of the silent first, then of who did least")
    func places() {
        var board = Board(capacity: 8)
        // Source 0 did most, long ago; source 1 did least of those that are there.
        for number in 0..<8 as Range<UInt32> {
            for _ in 0..<(number == 0 ? 50 : number) { note(&board, number, at: number == 0 ? 1 : 100) }
        }
        note(&board, 10, at: 100)
        #expect(!board.busiest(8).contains { $0.address == Address(ipv4: 0) })
        note(&board, 10, at: 100)
        note(&board, 11, at: 100)
        #expect(!board.busiest(8).contains { $0.address == Address(ipv4: 1) })
        #expect(board.displaced == 2)
    }

    @Test("A source that is proven later keeps its counts")
    func later() {
        var board = Board(capacity: 8)
        note(&board, 1, proof: .unproven)
        note(&board, 1)
        #expect(board.busiest(1)[0].handshakes == 2 && board.busiest(1)[0].isProven)
    }
}
