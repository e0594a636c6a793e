internal import Units

/// Chance that repeats. Each part of the world has its own, so that what one draws changes nothing for another.
package struct Dice: Sendable {
    private var source: SplitMix64

    package init(_ seed: UInt64) { source = SplitMix64(seed) }

    mutating func next() -> UInt64 { source.next() }
    mutating func below(_ bound: Int) -> Int { source.below(bound) }
    mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
    mutating func happens(in hundred: Int) -> Bool { below(100) < hundred }
    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
    /// Another one's beginning.
    mutating func fork() -> Dice { Dice(next()) }
}
