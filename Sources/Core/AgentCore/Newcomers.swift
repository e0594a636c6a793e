internal import Detection
internal import Messages
internal import Units
internal import Vocabulary
internal import Wire

/// How many sources a node tells of for the first time in a minute (`trust.newSources`): as many as controllers take from one node, so
/// the flood of a botnet does not become one of events. A quarter is for sources that were refused. Whoever finds no room waits for
/// the next minute, those with most refused first; of who is left then, one event tells (`Rest`).
struct Newcomers: Sendable {
    private var minute: Int64 = 0
    private var told = 0
    /// That of the last `isOver`: a record may begin the next one before a tick does.
    private var ended: Int64 = 0
    /// Somebody waits for the next minute.
    var hasWaiting = false

    /// Whether another new source may be told of now.
    mutating func admits(isRefused: Bool, at time: Instant, most: Int) -> Bool {
        begin(at: time)
        guard told < (isRefused ? most : most - most / 4) else { return false }
        told += 1
        return true
    }

    /// Whether a minute is over since it was last asked.
    mutating func isOver(at time: Instant) -> Bool {
        begin(at: time)
        defer { ended = minute }
        return ended != minute
    }

    /// Begins the minute of this time, if it is a later one. A time before the last one's is in the last one's minute.
    private mutating func begin(at time: Instant) {
        let now = SourceBudget.minute(of: time)
        guard now > minute else { return }
        // Before the first one nobody waited.
        if minute == 0 { ended = now }
        minute = now
        told = 0
    }
}

/// What sources did that have no event of their own: one event a minute tells of them all. It names no source and asks for nothing.
struct Rest: Sendable {
    private(set) var sources = 0
    private(set) var counts = SourceTable.Source()
    /// A minute is over since something was added.
    var isDue = false

    var seen: Int { counts.seen }

    /// Adds what a source did that nobody was told of.
    mutating func add(_ source: SourceTable.Source) {
        guard source.seen > 0 else { return }
        begin(at: source.since)
        sources += 1
        counts.seen += source.seen
        counts.reset += source.reset
        counts.dropped += source.dropped
        counts.wouldRefuse += source.wouldRefuse
        note(source.latest, source.anomalies)
    }

    /// Adds one verdict of a source that has no place at all. Such a source is counted each time.
    mutating func add(_ handshake: Handshake, _ anomalies: AnomalySet, at now: Instant) {
        begin(at: now)
        sources += 1
        counts.seen += 1
        if handshake.outcome == .reset { counts.reset += 1 }
        if handshake.outcome == .dropped { counts.dropped += 1 }
        note(handshake, anomalies)
    }

    private mutating func begin(at since: Instant) { counts.since = counts.seen == 0 ? since : min(counts.since, since) }

    private mutating func note(_ handshake: Handshake, _ anomalies: AnomalySet) {
        counts.anomalies.formUnion(anomalies)
        counts.latest = handshake
    }
}

extension Agent {
    /// The slot of a source, new or not. A source that makes room is told with the rest. `nil` where there is no room.
    mutating func slot(of prefix: Prefix) -> Int? {
        if let slot = sources.slot(of: prefix) { return slot }
        guard let slot = sources.slot(forNew: prefix) else { return nil }
        if sources.slots[slot].isUsed { displace(slot) }
        sources.settle(prefix, in: slot)
        return slot
    }

    private mutating func displace(_ slot: Int) {
        statistics.displaced += 1
        rest.add(sources.slots[slot])
    }

    /// A minute is over: who waits is told as far as the new one has room, those with most refused first, and at most half of it. The
    /// rest is told together.
    mutating func endMinute(at now: Instant) -> [Int] {
        guard newcomers.isOver(at: now) else { return [] }
        var due: [Int] = []
        // Each source is looked at, so only where it matters.
        let held =
            !newcomers.hasWaiting
            ? []
            : sources.slots.indices.filter { sources.slots[$0].isHeld }
                .sorted { (sources.slots[$0].refused, sources.slots[$0].seen) > (sources.slots[$1].refused, sources.slots[$1].seen) }
        for slot in held {
            sources.slots[slot].isHeld = false
            if due.count < policy.trust.newSources / 2,
                newcomers.admits(isRefused: sources.slots[slot].refused > 0, at: now, most: policy.trust.newSources)
            {
                sources.slots[slot].isDue = true
                due.append(slot)
            } else {
                rest.add(sources.slots[slot])
                sources.slots[slot].clearCounts()
            }
        }
        newcomers.hasWaiting = false
        rest.isDue = rest.seen > 0
        return due
    }

    /// One event for all that have none of their own, if a minute is over.
    /// - Parameter clockOffset: wall clock minus the records' clock, nanoseconds.
    mutating func takeRest(clockOffset: Int64, interface: (UInt32) -> String) -> ThrottleEvent? {
        guard rest.isDue else { return nil }
        let told = rest
        var handshake = told.counts.latest
        (handshake.source, handshake.sourcePort, handshake.proxy) = (Address(high: 0, low: 0), 0, nil)
        rest = Rest()
        statistics.untold += told.sources
        statistics.together += told.seen - 1
        let seen = Instant(nanoseconds: Int64(bitPattern: handshake.seenNanoseconds) &+ clockOffset)
        var event = makeEvent(
            at: seen, of: handshake, Prefix(Address(high: 0, low: 0), length: 0), told.counts.anomalies,
            policy.severity(of: told.counts.anomalies) ?? .medium)
        event.interface = handshake.interfaceIndex == 0 ? "" : interface(handshake.interfaceIndex)
        event.reach = .destination
        event.counts = ThrottleEvent.Counts(since: min(told.counts.since, seen))
        event.counts.seen = told.counts.seen
        event.counts.suppressed = told.counts.seen - 1
        event.counts.reset = told.counts.reset
        event.counts.dropped = told.counts.dropped
        event.counts.wouldRefuse = told.counts.wouldRefuse
        event.counts.sources = told.sources
        return event
    }
}
