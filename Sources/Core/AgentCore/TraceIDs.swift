/// W3C trace ids: 128 bits, never zero, no clock and no system call behind them (SplitMix64).
struct TraceIDs: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> String { hex(word()) + hex(word() | 1) }

    private mutating func word() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    private func hex(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
