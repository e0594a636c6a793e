import CWire
import Testing
import Wire

@Suite struct CounterTests {
    @Test("Swift's enumerations are the header's: as many, in the same order")
    func sameAsHeader() {
        #expect(Counter.allCases.count == Int(WEIR_COUNT_COUNT.rawValue))
        #expect(Counter.lost.rawValue == Int(WEIR_COUNT_LOST.rawValue) && Counter.held.rawValue == Int(WEIR_COUNT_ANSWERS_HELD.rawValue))
        #expect(Anomaly.allCases.count == Int(WEIR_ANOMALY_COUNT.rawValue))
        #expect(Anomaly.missingSNI.rawValue == UInt8(WEIR_MISSING_SNI.rawValue) && Anomaly.malformedHello.rawValue == UInt8(WEIR_MALFORMED_HELLO.rawValue))
        #expect(IncompleteReason.noRoom.rawValue == UInt8(WEIR_REASON_NO_ROOM.rawValue) && Outcome.dropped.rawValue == UInt8(WEIR_DROPPED.rawValue))
        #expect(Proof.socket.rawValue == UInt8(WEIR_SOCKET.rawValue) && Completeness.incomplete.rawValue == UInt8(WEIR_INCOMPLETE.rawValue))
        #expect(Answer.drop.rawValue == UInt8(WEIR_ANSWER_DROP.rawValue) && LimitClass.all.rawValue == UInt8(WEIR_CLASS_ALL.rawValue))
        #expect(LimitEntry.Origin.cluster.rawValue == UInt8(WEIR_ORIGIN_CLUSTER.rawValue) && Direction.egress.rawValue == UInt8(WEIR_EGRESS.rawValue))
    }

    @Test("Counters balance only when every verdict has a record or a loss, and one outcome")
    func balance() {
        func counters(_ pairs: [Counter: UInt64]) -> Counters { Counters(Counter.allCases.map { pairs[$0] ?? 0 }) }
        #expect(counters([:]).balance)
        #expect(counters([.seen: 3, .emitted: 2, .lost: 1, .passed: 1, .reset: 2]).balance)
        #expect(!counters([.seen: 3, .emitted: 2, .passed: 3]).balance)
        #expect(!counters([.seen: 3, .emitted: 3, .passed: 2]).balance)
    }
}
