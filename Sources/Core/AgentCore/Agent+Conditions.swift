internal import Detection
internal import Messages
internal import Units
internal import Vocabulary
internal import Wire

/// What is told of a destination, because nobody is proven to have done it. It touches no source, sets no limit, and its event asks for
/// nothing: it is without proof, its prefix is everybody's, and it reaches one destination only.
struct Conditions: Sendable {
    /// At most one a minute comes of each destination (`conditions.c`).
    private var waiting: [Handshake] = []
    private static let most = 64

    var isEmpty: Bool { waiting.isEmpty }
    var count: Int { waiting.count }

    init() { waiting.reserveCapacity(Self.most) }

    /// False where there is no room.
    mutating func add(_ handshake: Handshake) -> Bool {
        guard waiting.count < Self.most else { return false }
        waiting.append(handshake)
        return true
    }

    mutating func next() -> Handshake? { waiting.isEmpty ? nil : waiting.removeFirst() }
}

extension Handshake {
    /// It names no source.
    var isOfDestination: Bool { kind == .flow && anomalies.contains(.quicUnvalidatedFlood) }
}

extension Agent {
    var hasConditions: Bool { !conditions.isEmpty }

    mutating func note(condition handshake: Handshake, at now: Instant) -> AnomalySet {
        let found = handshake.anomalies.intersection(policy.recorded)
        guard let severity = policy.severity(of: found), severity >= .medium, conditions.add(handshake) else {
            statistics.unproven += 1
            return found
        }
        return found
    }

    /// The event of the destination that has waited longest.
    /// - Parameter clockOffset: wall clock minus the records' clock, nanoseconds.
    mutating func takeCondition(clockOffset: Int64, interface: (UInt32) -> String) -> ThrottleEvent? {
        func instant(_ nanoseconds: UInt64) -> Instant { Instant(nanoseconds: Int64(bitPattern: nanoseconds) &+ clockOffset) }
        guard let handshake = conditions.next() else { return nil }
        let seen = instant(handshake.seenNanoseconds), found = handshake.anomalies.intersection(policy.recorded)
        var event = makeEvent(
            at: seen, of: handshake, Prefix(Address(high: 0, low: 0), length: 0), found, policy.severity(of: found) ?? .medium)
        event.interface = handshake.interfaceIndex == 0 ? "" : interface(handshake.interfaceIndex)
        event.reach = .destination
        event.counts = ThrottleEvent.Counts(since: instant(handshake.firstNanoseconds))
        event.counts.seen = max(1, handshake.helloLength)
        event.counts.suppressed = event.counts.seen - 1
        return event
    }
}
