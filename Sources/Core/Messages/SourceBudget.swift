package import Units

/// How many new sources one speaker brings in a minute. The networks of one IPv6 /48 are one: who has one has them all.
package struct SourceBudget: Sendable {
    package private(set) var minute: Int64
    /// As many as the budget, at most.
    private var blocks: Set<Prefix> = []

    package init(at time: Instant) { minute = Self.minute(of: time) }

    package static func minute(of time: Instant) -> Int64 { time.nanoseconds / 60_000_000_000 }

    /// Whether this source may come in this minute. One that came before in it is no news.
    /// - Parameter most: sources a minute.
    package mutating func admits(_ source: Prefix, at time: Instant, most: Int) -> Bool {
        let block = source.address.isIPv4 || source.length < 48 ? source : Prefix(source.address, length: 48)
        guard !isSpent(at: time, most: most) else { return blocks.contains(block) }
        blocks.insert(block)
        return true
    }

    /// Whether nobody new may come in this minute. A time before the last one's is in the last one's minute.
    package mutating func isSpent(at time: Instant, most: Int) -> Bool {
        let now = Self.minute(of: time)
        if minute < now {
            minute = now
            blocks.removeAll(keepingCapacity: true)
        }
        return blocks.count >= most
    }
}
