package import Wire

/// The way of one verdict from the ring to its event: the limit first, if it is the agent's to set; then the counters; then the event, if one is due.
/// Nothing on it allocates (`Tests/HotPathTests`).
package struct VerdictPath: Sendable {
    package typealias Limit = (key: LimitKey, perSecond: Int, answer: Answer, until: Instant)

    /// Events that are ordered and not made yet: each costs more than a limit, and every limit that waits comes first.
    package var due = DueEvents()
    package private(set) var board = Board()
    /// From the kernel's verdict to the agent's, and to the limit where that was the agent's to set.
    package private(set) var latency = Latency()
    package private(set) var enforcedLatency = Latency()
    /// Limits of this node's own that the kernel's map had no room for.
    package private(set) var refusedLimits = 0

    package init() {}

    /// - Parameters:
    ///   - hello: its bytes, or nothing where they did not travel.
    ///   - found: what the shell saw in them.
    ///   - clock: the records' clock now.
    ///   - set: sets a limit in the kernel; whether it had room.
    package mutating func take(_ handshake: Handshake, hello: RawSpan, found: AnomalySet, at seen: Instant, _ agent: inout Agent, clock: () -> UInt64, set: (Limit) -> Bool) {
        let order = agent.consider(handshake, hello: hello, found: found, at: seen)
        var enforced: UInt64?
        if let limit = order.limit {
            if !set(limit) { refusedLimits += 1 }
            let now = clock()
            enforced = now
            enforcedLatency.note(now &- handshake.seenNanoseconds)
        }
        let decided = clock()
        latency.note(decided &- handshake.seenNanoseconds)
        board.note(handshake, anomalies: order.anomalies)
        if let slot = order.publish { due.add(DueEvents.Item(slot: slot, seen: handshake.seenNanoseconds, decided: decided, enforced: enforced, until: order.limit?.until)) }
    }
}
