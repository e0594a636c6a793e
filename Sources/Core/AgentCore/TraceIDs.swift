internal import Units

/// W3C trace ids: 128 bits, never zero, no clock and no system call behind them.
struct TraceIDs: Sendable {
    private var words: SplitMix64

    init(seed: UInt64) { words = SplitMix64(seed) }

    mutating func next() -> String { hex(words.next()) + hex(words.next() | 1) }

    private func hex(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
