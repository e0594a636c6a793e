internal import Linux

/// How long the parts of the loop took, each in classes of four times the last: where it stalls. Nothing here allocates once it stands.
struct Stalls {
    enum Part: Int, CaseIterable {
        /// Verdicts read, judged and limited; events made; the Kafka client's reports; the limits topic; what time brings; a scrape; interfaces that came or went; the policy's file.
        case ring, events, producer, limits, tick, http, links, policy
    }

    /// Names of the classes, by their upper edge.
    static let classes = ["under_1us", "under_4us", "under_16us", "under_64us", "under_256us", "under_1ms", "under_4ms", "under_16ms", "longer"]

    private var counts = [UInt64](repeating: 0, count: Part.allCases.count * Self.classes.count)
    private var longest = [UInt64](repeating: 0, count: Part.allCases.count)

    mutating func note(_ part: Part, since start: UInt64) {
        let nanoseconds = Clock.monotonic &- start
        // 1,024 ns are a microsecond here.
        let magnitude = 64 - (nanoseconds >> 10).leadingZeroBitCount
        counts[part.rawValue * Self.classes.count + min((magnitude + 1) / 2, Self.classes.count - 1)] &+= 1
        longest[part.rawValue] = max(longest[part.rawValue], nanoseconds)
    }

    func count(_ part: Part, _ index: Int) -> Int { Int(clamping: counts[part.rawValue * Self.classes.count + index]) }
    func longest(_ part: Part) -> Int { Int(clamping: longest[part.rawValue]) }
}
