internal import Detection
internal import Messages
internal import Units
internal import Vocabulary

/// Which limits stand, and which step of the ladder each source has reached. Only what an event changes materially is said again.
struct LimitBook {
    enum Verdict: Equatable {
        case set(Limit), renew(Limit)
        /// The same limit, which by now has refused somebody.
        case refusing(Limit)
        /// Nothing to say: already so, or said before (a replayed event).
        case stands
        /// An operator's entry or release is in force.
        case overruled
        /// The policy never limits this source.
        case allowed
        case full
    }

    /// A source limited again this soon after its last limit ended climbs the ladder.
    static let memory = Duration.seconds(86_400)

    let capacity: Int
    private var entries: [Limit.Key: Entry] = [:]
    /// Tombstones of our own that have not come back yet, so that they are not taken for an operator's release.
    private var forgotten: [Limit.Key: Int] = [:]
    /// Keys whose last record is a lesser word than what stands, with that record and whose events it came from.
    private var overtaken: [Limit.Key: (lesser: Limit, partition: Int)] = [:]

    /// Keys that are to be looked at, since the topic was made anew.
    private var lost: [Limit.Key] = []

    private struct Entry {
        var until: Instant
        var step: Int
        var generation: Int
        var isOperators: Bool
        var perSecond: Int
        var answer: Answer
        /// Read from the topic; else a word of ours that has not come back.
        var isOnTopic: Bool
        var isReleased = false
        var isRehearsal = false
        var hasRefused = false
        var anomalies: AnomalySet
        var traceID: String
        /// The event that caused it, which no replay of the log may answer a second time.
        var trigger: LogPosition?
    }

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { entries.count }

    mutating func consider(
        _ event: ThrottleEvent, _ rule: Policy.LimitRule, at time: Instant, from position: LogPosition, eventsInWindow: Int,
        under policy: Policy, isAllowed: Bool
    ) -> Verdict {
        guard !isAllowed else { return .allowed }
        let key = Limit.Key(prefix: event.sourcePrefix, limitClass: rule.limitClass)
        let entry = entries[key]
        var step = 0, isActive = false
        if let entry {
            isActive = time < entry.until
            if isActive, entry.isOperators || entry.isReleased { return .overruled }
            if let trigger = entry.trigger, trigger.partition == position.partition, position.offset <= trigger.offset { return .stands }
            step =
                isActive
                ? entry.step
                : time - entry.until < Self.memory && !entry.isReleased ? min(entry.step + 1, max(0, policy.escalation.count - 1)) : 0
        } else if entries.count >= capacity {
            return .full
        }
        let base = step == 0 ? Self.firstDuration(event.anomalies, policy) : policy.duration(ofStep: step)
        // A renewal is worth a record only when it moves the end by half the limit's length, or says that somebody was refused.
        let hasRefused = event.counts.hasRefused || isActive && entry?.hasRefused == true
        var until = time + base, isRenewed = true
        if isActive, let entry, until - entry.until < base / 2 {
            guard hasRefused, !entry.hasRefused else { return .stands }
            (until, isRenewed) = (entry.until, false)
        }

        let generation = (entry?.generation ?? 0) + 1
        var limit = Limit(
            key: key, perSecond: rule.perSecond, answer: rule.answer, until: until, generation: generation, anomalies: event.anomalies,
            traceID: event.traceID)
        limit.step = step
        limit.eventsInWindow = eventsInWindow
        limit.eventIDs = [event.id]
        (limit.isRehearsal, limit.hasRefused) = (event.isRehearsal, hasRefused)
        entries[key] = Entry(
            until: until, step: step, generation: generation, isOperators: false, perSecond: rule.perSecond, answer: rule.answer,
            isOnTopic: false, isRehearsal: event.isRehearsal, hasRefused: hasRefused, anomalies: event.anomalies, traceID: event.traceID,
            trigger: position)
        return isActive ? isRenewed ? .renew(limit) : .refusing(limit) : .set(limit)
    }

    /// Takes over what the topic says: an operator's word before a controller's until its end, then the higher generation, of equals the later. What has
    /// ended undoes nothing that stands.
    /// - Parameter time: the record's, so that every reader of the topic judges alike.
    mutating func apply(_ limit: Limit, from position: LogPosition?, at time: Instant) {
        let isOperators = limit.origin == .operator, entry = entries[limit.key]
        if let entry {
            // Our own earlier words, and others': ours stands further on.
            if !entry.isOnTopic, !isOperators, limit.generation < entry.generation { return }
            let isLesser =
                limit.until <= time
                || (isOperators
                    ? entry.isOperators && entry.generation > limit.generation
                    : entry.isOperators || entry.isReleased || entry.generation > limit.generation)
            if isLesser, time < entry.until {
                overtaken[limit.key] = (limit, position?.partition ?? 0)
                return
            }
        } else if entries.count >= capacity {
            return
        }
        overtaken[limit.key] = nil
        entries[limit.key] = Entry(
            until: limit.until, step: limit.step, generation: limit.generation, isOperators: isOperators, perSecond: limit.perSecond,
            answer: limit.answer, isOnTopic: true,
            isReleased: limit.isRelease, isRehearsal: limit.isRehearsal, hasRefused: limit.hasRefused, anomalies: limit.anomalies,
            traceID: limit.traceID, trigger: position ?? entry?.trigger)
    }

    /// Up to `most` limits whose key's last record is a lesser word, to be said again, also when they have ended before it does: compaction keeps the last
    /// record, and whoever reads only that would believe it. One replica does so, the one that answers the events which the lesser word came from.
    mutating func restate(at time: Instant, from partitions: Set<Int>, atMost most: Int) -> [Limit] {
        var limits: [Limit] = []
        for (key, word) in overtaken {
            guard let entry = entries[key], entry.isOnTopic, time < max(entry.until, word.lesser.until) else {
                overtaken[key] = nil; continue
            }
            guard partitions.contains(word.partition), limits.count < most else { continue }
            // Why the source is limited is said by the lesser word as well: it is the same source's.
            var limit = word.lesser
            (limit.perSecond, limit.answer, limit.until, limit.step, limit.generation) = (
                entry.perSecond, entry.answer, entry.until, entry.step, entry.generation
            )
            (limit.isRehearsal, limit.hasRefused) = (entry.isRehearsal, entry.hasRefused)
            // A tombstone's release as well: said so, it outlives compaction.
            if entry.isReleased { (limit.perSecond, limit.isRelease) = (Limit.mostPerSecond, true) } else { limit.isRelease = false }
            limit.origin = entry.isOperators || entry.isReleased ? .operator : .controller
            limits.append(limit)
            overtaken[key] = nil
        }
        return limits
    }

    /// The topic was made anew, and nothing of what stands is on it.
    mutating func wereLost() {
        overtaken = [:]
        forgotten = [:]
        for key in entries.keys { entries[key]?.isOnTopic = false }
        lost = Array(entries.keys)
    }

    /// Up to `most` limits that stand and have not come back on the new topic, with the events that caused them.
    mutating func republish(at time: Instant, from partitions: Set<Int>, atMost most: Int) -> [(limit: Limit, cause: LogPosition?)] {
        guard !lost.isEmpty, !partitions.isEmpty else { return [] }
        var limits: [(limit: Limit, cause: LogPosition?)] = []
        while limits.count < most, let key = lost.popLast() {
            guard let entry = entries[key], !entry.isOnTopic, time < entry.until, partitions.contains(entry.trigger?.partition ?? 0) else {
                continue
            }
            limits.append((Self.limit(key, entry), entry.trigger))
        }
        return limits
    }

    /// An entry as its record says it.
    private static func limit(_ key: Limit.Key, _ entry: Entry) -> Limit {
        var limit = Limit(
            key: key, perSecond: entry.perSecond, answer: entry.answer, until: entry.until, generation: entry.generation,
            anomalies: entry.anomalies, traceID: entry.traceID)
        (limit.step, limit.isRehearsal, limit.hasRefused) = (entry.step, entry.isRehearsal, entry.hasRefused)
        if entry.isReleased { (limit.perSecond, limit.isRelease) = (Limit.mostPerSecond, true) }
        limit.origin = entry.isOperators || entry.isReleased ? .operator : .controller
        return limit
    }

    /// What is known of a key, in force or not.
    func known(_ key: Limit.Key) -> Limit? { entries[key].map { Self.limit(key, $0) } }
    var keys: [Limit.Key] { Array(entries.keys) }

    /// Takes over a tombstone. One of a limit in force is an operator's, and holds until that limit would have ended.
    mutating func release(_ key: Limit.Key, at time: Instant) {
        if let count = forgotten[key] {
            forgotten[key] = count > 1 ? count - 1 : nil
            return
        }
        overtaken[key] = nil
        guard let entry = entries[key] else { return }
        if time < entry.until { entries[key]?.isReleased = true } else { entries[key] = nil }
    }

    /// Forgets up to `most` limits that ended so long ago that they mean nothing any more, and says which, for tombstones.
    mutating func forget(at time: Instant, from partitions: Set<Int>, atMost most: Int) -> [Limit.Key] {
        var keys: [Limit.Key] = []
        for (key, entry) in entries where time - entry.until >= Self.memory {
            // Of a source whose events another replica reads, that replica may just be setting a new limit.
            guard let trigger = entry.trigger, partitions.contains(trigger.partition) else { continue }
            keys.append(key)
            if keys.count == most { break }
        }
        for key in keys {
            entries[key] = nil
            forgotten[key, default: 0] += 1
        }
        return keys
    }

    /// What holds for a key now; `nil` when nothing does.
    func standing(_ key: Limit.Key, at time: Instant) -> (perSecond: Int, until: Instant)? {
        guard let entry = entries[key], !entry.isReleased, time < entry.until else { return nil }
        return (entry.perSecond, entry.until)
    }

    /// What holds for a key at the edge: an operator's limit, or one that has refused somebody.
    func standingAtTheEdge(_ key: Limit.Key, at time: Instant) -> (perSecond: Int, until: Instant)? {
        guard let entry = entries[key], entry.isOperators || entry.hasRefused else { return nil }
        return standing(key, at: time)
    }

    func active(at time: Instant) -> Int { entries.values.reduce(0) { $0 + (time < $1.until && !$1.isReleased ? 1 : 0) } }

    private static func firstDuration(_ anomalies: AnomalySet, _ policy: Policy) -> Duration {
        anomalies.list.compactMap { policy.detections[$0]?.limit?.duration }.max() ?? policy.duration(ofStep: 0)
    }
}
