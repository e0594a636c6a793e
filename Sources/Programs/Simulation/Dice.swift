/// Chance that repeats: SplitMix64 (Steele, Lea, Flood, 2014). Each part of the world has its own, so that what one draws changes nothing for another.
package struct Dice: Sendable {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }
    mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
    mutating func happens(in hundred: Int) -> Bool { below(100) < hundred }
    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
    /// Another one's beginning.
    mutating func fork() -> Dice { Dice(next()) }
}
