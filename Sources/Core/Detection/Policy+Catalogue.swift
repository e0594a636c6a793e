package import Units
package import Vocabulary

extension Policy {
    /// What the catalogue makes of each (`Anomaly.severity`): `high` and `critical` limit.
    package static let defaultRules = Dictionary(uniqueKeysWithValues: Anomaly.allCases.map { ($0, defaultRule(of: $0)) })

    private static func defaultRule(of anomaly: Anomaly) -> Rule {
        switch anomaly {
        // Honest people are among those whose flow no table knows: a limit of its own, and a softer one.
        case .unseenAnswer: Rule(severity: anomaly.severity, limit: LimitRule(perSecond: 20))
        default: Rule(severity: anomaly.severity, limit: anomaly.severity >= .high ? LimitRule() : nil)
        }
    }

    /// What some detections are compared with; they say nothing while their list is empty.
    package struct Lists: Sendable, Equatable {
        /// `unknown_sni`: exact, or `*.` and a suffix.
        package var servedNames: [String] = []
        /// `alpn_unexpected`: the protocols that a client may offer.
        package var protocols: [String] = []
        /// `fingerprint_denied`.
        package var denied: [DeniedFingerprint] = []
        package init() {}
    }

    package struct DeniedFingerprint: Sendable, Equatable {
        package enum Kind: Sendable { case ja3, ja4 }
        package var kind: Kind
        package var value: String
        /// Shared stacks change hands: a denial without an end is one that somebody forgets.
        package var until: Instant?
        package init(_ kind: Kind, _ value: String, until: Instant? = nil) {
            self.kind = kind
            self.value = value
            self.until = until
        }
    }

    /// From when on behaviour is an anomaly.
    package struct Thresholds: Sendable, Equatable {
        /// `client_hello_flood`: hellos a second of one prefix, for long, and at once.
        package var helloRate = 200
        package var helloBurst = 400
        /// `fatal_alert_rate`: more than these a minute.
        package var alertsPerMinute = 10
        /// `handshake_incomplete`: more than this share of at least so many hellos in five minutes.
        package var incompletePercent = 80
        package var incompleteLeast = 20
        /// `fingerprint_churn`: more JA4s of one prefix in five minutes, and of more than half its flows.
        package var fingerprints = 20
        /// `tls_scan`: more destinations of one prefix in a minute.
        package var destinations = 20
        /// `fingerprint_swarm`: more prefixes with one JA4 within the scale-out's window.
        package var swarm = 50
        package init() {}

        /// Beyond it, counting by 1,024 bits would fall short by more than a tenth.
        package static let mostDistinct = 200
    }

    /// What only user space judges, with names, lists or a memory of sources; never the kernel's to limit by reflex.
    package static let judgedInUserSpace = AnomalySet([
        .ipLiteralSNI, .unknownSNI, .alpnUnexpected, .handshakeIncomplete, .fatalAlertRate, .fingerprintChurn, .fingerprintSwarm, .tlsScan
    ])

    /// Detections that are switched on and have what they need.
    package var recorded: AnomalySet {
        var recorded = AnomalySet(detections.keys)
        if lists.servedNames.isEmpty { recorded.subtract(AnomalySet(.unknownSNI)) }
        if lists.protocols.isEmpty { recorded.subtract(AnomalySet(.alpnUnexpected)) }
        if lists.denied.isEmpty { recorded.subtract(AnomalySet(.fingerprintDenied)) }
        return recorded
    }

    /// User space has to see each hello: a list of names or protocols, or of fingerprints that the kernel cannot compute, is to be compared.
    package var readsEveryHello: Bool {
        !lists.servedNames.isEmpty || !lists.protocols.isEmpty || lists.denied.contains { $0.kind == .ja3 }
    }
}
