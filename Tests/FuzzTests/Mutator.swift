import Units

/// Draws inputs from seeds: deterministic, so that a number names an input.
struct Mutator {
    private var chance: SplitMix64
    /// Pieces that a format is made of: what random bytes would seldom hit upon.
    let words: [[UInt8]]
    private let seeds: [[UInt8]]
    static let most = 1 << 16

    init(seed: UInt64, seeds: [[UInt8]], words: [[UInt8]]) {
        chance = SplitMix64(seed)
        self.seeds = seeds
        self.words = words
    }

    mutating func below(_ bound: Int) -> Int { chance.below(bound) }

    mutating func input() -> [UInt8] {
        var bytes = seeds[below(seeds.count)]
        for _ in 0...below(8) { change(&bytes) }
        if bytes.count > Self.most { bytes.removeLast(bytes.count - Self.most) }
        return bytes
    }

    private mutating func range(in bytes: [UInt8], atMost size: Int = 64) -> Range<Int> {
        let start = below(bytes.count + 1)
        return start..<min(bytes.count, start + below(size + 1))
    }

    /// A line, or what lies between two braces or commas, of text.
    private mutating func line(in bytes: [UInt8]) -> Range<Int> {
        let ends: Set<UInt8> = [10, 44, 123, 125, 91, 93], middle = below(bytes.count)
        let start = bytes[..<middle].lastIndex { ends.contains($0) }.map { $0 + 1 } ?? 0
        return start..<(bytes[middle...].firstIndex { ends.contains($0) }.map { $0 + 1 } ?? bytes.count)
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return bytes = words.isEmpty ? [0] : words[below(words.count)] }
        switch below(12) {
        case 0: bytes[below(bytes.count)] ^= 1 << UInt8(below(8))
        case 1: bytes[below(bytes.count)] = [0, 1, 9, 10, 0x20, 0x22, 0x5c, 0x7f, 0x80, 0xc3, 0xed, 0xff][below(12)]
        case 2: bytes.removeSubrange(range(in: bytes))
        case 3: bytes.insert(contentsOf: bytes[range(in: bytes)], at: below(bytes.count + 1))
        case 4: bytes.removeLast(below(bytes.count))
        case 5:
            let other = seeds[below(seeds.count)], piece = range(in: other, atMost: 400)
            bytes.insert(contentsOf: other[piece], at: below(bytes.count + 1))
        case 6: bytes.removeSubrange(line(in: bytes))
        case 7:
            let line = line(in: bytes)
            bytes.insert(contentsOf: bytes[line], at: line.lowerBound)
        case 8: number(&bytes)
        case 9 where !words.isEmpty:
            let word = words[below(words.count)]
            let times = below(16) == 0 ? below(4000) : 1
            bytes.insert(contentsOf: [[UInt8]](repeating: word, count: times).joined(), at: below(bytes.count + 1))
        case 10 where !words.isEmpty: bytes.replaceSubrange(range(in: bytes, atMost: 24), with: words[below(words.count)])
        default:
            // A length, wherever it may be.
            let value = [0, 1, 0xff, 0xfffe, 0xffff_ffff, 0x7fff_ffff, chance.next()][below(7)]
            let size = min(1 << below(4), bytes.count), at = below(bytes.count - size + 1)
            for byte in 0..<size { bytes[at + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
        }
    }

    /// Another number where one stands as text.
    private mutating func number(_ bytes: inout [UInt8]) {
        let start = below(bytes.count)
        guard let first = bytes[start...].firstIndex(where: { (48...57).contains($0) }) else { return }
        let end = bytes[first...].firstIndex { !(48...57).contains($0) } ?? bytes.count
        let numbers = [
            "0", "-1", "1", "255", "256", "65536", "4294967296", "9223372036854775807", "9223372036854775808", "1e400", "00", "0x1f", "1.5",
            "٣"
        ]
        bytes.replaceSubrange(first..<end, with: Array(numbers[below(numbers.count)].utf8))
    }
}
