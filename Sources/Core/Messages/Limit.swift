package import Units
package import Vocabulary

/// Desired state: this prefix, limited so, until then. Idempotent; the last generation wins; a tombstone releases, and so does an operator's release, which
/// unlike a tombstone outlives compaction.
/// On `security-throttle-limits`, keyed by `prefix|class` (schema `weir.dev/limit/v1`).
package struct Limit: Sendable, Equatable {
    /// An operator's entry outranks the controller's until its own end.
    package enum Origin: String, Sendable, CaseIterable { case controller, `operator` }

    package struct Key: Hashable, Sendable, CustomStringConvertible {
        package var prefix: Prefix
        package var limitClass: LimitClass
        package init(prefix: Prefix, limitClass: LimitClass) {
            self.prefix = prefix
            self.limitClass = limitClass
        }
        package var description: String { "\(prefix)|\(limitClass.id)" }
        package init?(_ text: String) {
            let parts = text.split(separator: "|", omittingEmptySubsequences: false)
            guard parts.count == 2, let prefix = Prefix(parts[0]), let limitClass = LimitClass(id: parts[1]) else { return nil }
            self.init(prefix: prefix, limitClass: limitClass)
        }
    }

    package var key: Key
    package var perSecond: Int
    package var answer: Answer
    package var until: Instant
    /// Place on the escalation ladder, from 0.
    package var step = 0
    package var scope = "cluster"
    package var origin = Origin.controller
    package var generation: Int
    /// An operator's word that this prefix is not limited until then, whatever a controller says: nobody limits by it. Its rate is the highest there is, so
    /// that a reader which does not know releases sets a limit that refuses next to nothing.
    package var isRelease = false
    /// It follows from a rehearsal's events: only readers that were started for rehearsals apply it.
    package var isRehearsal = false
    /// Somebody was refused by it (on an observing node: would have been). Until then it is no reason to limit at the edge: a source may be slow and nameless.
    package var hasRefused = false
    package var anomalies: AnomalySet
    package var eventsInWindow = 0
    package var eventIDs: [String] = []
    package var traceID: String

    /// The highest rate that a limit may have.
    package static let mostPerSecond = 1_000_000

    /// An operator's release of this limit, for as long as it would have stood.
    package func released(at now: Instant) -> Limit {
        var release = self
        (release.perSecond, release.step, release.origin, release.isRelease) = (Self.mostPerSecond, 0, .operator, true)
        release.generation = Self.operatorsGeneration(after: generation, at: now)
        return release
    }

    /// The generation of an operator's next word: above the last one that is known, and, since compaction may have kept a lesser word than the one in
    /// force, no lower than the time, in seconds: no older word, said again, undoes it.
    package static func operatorsGeneration(after known: Int?, at now: Instant) -> Int {
        max((known ?? 0) + 1, Int(now.nanoseconds / 1_000_000_000))
    }

    package init(key: Key, perSecond: Int, answer: Answer, until: Instant, generation: Int, anomalies: AnomalySet, traceID: String) {
        self.key = key
        self.perSecond = perSecond
        self.answer = answer
        self.until = until
        self.generation = generation
        self.anomalies = anomalies
        self.traceID = traceID
    }
}
