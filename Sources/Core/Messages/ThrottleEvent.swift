package import Detection
package import Units
package import Vocabulary

/// What one agent saw one source do: the first anomaly of a source at once, then at most one a second with counts.
/// On `security-throttle-events`, keyed by `source.prefix` (schema `weir.dev/throttle-event/v1`).
package struct ThrottleEvent: Sendable, Equatable {
    package enum Action: String, Sendable, CaseIterable {
        case none, limited, alreadyLimited = "already_limited"
        /// A limit that observe mode did not set.
        case observed
    }

    package enum Enforcer: String, Sendable, CaseIterable { case kernel, agent, none }

    package struct Limit: Sendable, Equatable {
        package var limitClass: LimitClass
        package var perSecond: Int
        package var answer: Answer
        package var until: Instant
        package var enforced: Bool
        package init(limitClass: LimitClass, perSecond: Int, answer: Answer, until: Instant, enforced: Bool) {
            self.limitClass = limitClass
            self.perSecond = perSecond
            self.answer = answer
            self.until = until
            self.enforced = enforced
        }
    }

    /// What the prefix did since its last event: `seen` anomalous hellos, of which `suppressed` had no event of their own.
    package struct Counts: Sendable, Equatable {
        package var since: Instant
        package var seen = 0
        package var suppressed = 0
        package var reset = 0
        package var dropped = 0
        /// By an observing node: how many an enforcing one would have refused, at least.
        package var wouldRefuse = 0
        /// Of an event that names no source: how many sources it tells of; otherwise 0.
        package var sources = 0
        /// Somebody was refused, or would have been.
        package var hasRefused: Bool { reset > 0 || dropped > 0 || wouldRefuse > 0 }
        package init(since: Instant) { self.since = since }
    }

    /// `<node>:<boot id>:<sequence>`, so that a consumer can drop duplicates.
    package var id: String
    package var time: Instant
    package var node: String
    package var interface = ""
    package var direction = Direction.ingress
    package var sourceAddress: Address
    package var sourcePort: UInt16 = 0
    package var sourcePrefix: Prefix
    /// The trusted proxy that named the source; `nil` where the source itself was the peer.
    package var proxy: Address?
    package var destinationAddress: Address
    package var destinationPort: UInt16 = 0
    package var workload: String?
    package var anomalies: AnomalySet
    package var severity: Severity
    package var completeness = Completeness.complete
    package var proof = Proof.tracked
    /// `.destination`: the limit holds towards that destination on that node, and nobody else acts on the event.
    package var reach = Reach.source
    package var transport = Transport.tcp
    /// Community ID, version 1, of the flow that the latest hello came on; `nil` where a proxy named the source.
    package var communityID: String?
    package var serverName: String?
    /// `1.3`, `1.2`, ...; `nil` when unknown.
    package var version: String?
    package var alpn: [String] = []
    package var ja3: String?
    package var ja4: String?
    /// Groups that the hello offers and those that it sends a share of, by IANA's names (`NamedGroup`), GREASE aside; 32 of each at most.
    package var groups: [String] = []
    package var keyShares: [String] = []
    /// What is known of its encrypted_client_hello (`EncryptedHello.Use`); `nil` without one. The server's name is the outer one then.
    package var encryptedHello: EncryptedHello.Use?
    package var action = Action.none
    package var limit: Limit?
    package var counts: Counts
    package var enforcedBy = Enforcer.none
    /// Microseconds; `nil` when it does not apply.
    package var seenToDecided: Int?
    package var seenToEnforced: Int?
    package var policyName = "default"
    package var policyVersion = "builtin"
    package var traceID: String
    /// It comes from a replayed capture: only controllers that were started for rehearsals act on it.
    package var isRehearsal = false

    package init(
        id: String, time: Instant, node: String, sourceAddress: Address, sourcePrefix: Prefix, destinationAddress: Address,
        anomalies: AnomalySet, severity: Severity, traceID: String
    ) {
        self.id = id
        self.time = time
        self.node = node
        self.sourceAddress = sourceAddress
        self.sourcePrefix = sourcePrefix
        self.destinationAddress = destinationAddress
        self.anomalies = anomalies
        self.severity = severity
        self.traceID = traceID
        counts = Counts(since: time)
    }
}
