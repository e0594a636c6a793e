package import Units
package import Vocabulary

/// A throttle policy as it is in force: every default filled in, every name resolved. Values only; Adapters/Policy reads the file.
package struct Policy: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable { case observe, enforce }
    package enum Capture: String, Sendable, CaseIterable { case none, anomalous, newFingerprint = "new-fingerprint", all }

    package var name = "default"
    /// `sha256:` and the hash of the file's bytes; `builtin` when there is no file.
    package var version = "builtin"
    package var mode = Mode.observe
    package var ports: [UInt16] = [443, 8443]
    /// Ports on which a client asks for TLS in plain text, and what is spoken there before. They are among `ports`.
    package var upgrades: [UInt16: Preamble] = [:]
    /// On other ports the client's first bytes tell: for captures alone.
    package var upgradesAnywhere = false
    /// The least that a verdict needs before it may act on a source.
    package var proof = Proof.tracked
    package var capture = Capture.newFingerprint
    /// Those that are switched on.
    package var detections: [Anomaly: Rule] = Policy.defaultRules
    package var lists = Lists()
    package var thresholds = Thresholds()
    /// Look into GRE, ERSPAN, VXLAN, Geneve and IP in IP.
    package var decap = false
    package var quic = QUIC()
    package var prefixes = PrefixLengths()
    /// How long the first limit of a source lasts, the second within a day, and so on.
    package var escalation: [Duration] = [.seconds(600), .seconds(3600), .seconds(86_400), .seconds(604_800)]
    package var allow = Allow()
    package var scaleOut = ScaleOut()
    package var trust = Trust()

    /// As many ports the kernel's policy has room for (`WEIR_UPGRADES`).
    package static let mostUpgrades = 32

    package init() {}

    /// What one detection is worth, and the limit that it sets; `limit` is `nil` when it only counts.
    package struct Rule: Sendable, Equatable {
        package var severity: Severity
        package var limit: LimitRule?
        package init(severity: Severity, limit: LimitRule? = nil) {
            self.severity = severity
            self.limit = limit
        }
    }

    package struct LimitRule: Sendable, Equatable {
        package var perSecond = 3
        /// `nil`: the first step of the escalation.
        package var duration: Duration?
        package var limitClass = LimitClass.anomalous
        package var answer = Answer.reset
        package init(perSecond: Int = 3) { self.perSecond = perSecond }
    }

    /// Where QUIC is looked for (RFC 9000).
    package struct QUIC: Sendable, Equatable {
        package var enabled = true
        /// Of UDP. At most as many as the probe compares.
        package var ports: [UInt16] = [443]
        /// Enforcing, Initials are opened in the packet, before their server sees them.
        package var inPacket = false
        /// How much of one core may be spent on opening Initials, in per cent: in the packet, and by the agent.
        package var budget = 5
        package static let mostPorts = 4
        package init() {}
    }

    /// How many bits of an address make one source, in each family's own count.
    package struct PrefixLengths: Sendable, Equatable {
        package var ipv4 = 32
        package var ipv6 = 64
        package init(ipv4: Int = 32, ipv6: Int = 64) {
            self.ipv4 = ipv4
            self.ipv6 = ipv6
        }
    }

    /// Never limited, whatever they do.
    package struct Allow: Sendable, Equatable {
        package var cidrs: [Prefix] = []
        package var nodes = true
        package var kubelet = true
        package var pods = false
        package init() {}
    }

    /// What one word on a topic may move.
    package struct Trust: Sendable, Equatable {
        /// Sources that one node may bring to the cluster's limits in a minute.
        package var newSources = 600
        /// Sources that the limits topic may bring to one node in a minute.
        package var newLimits = 6000
        /// Nodes that must have told of a source before its limit leaves its node.
        package var nodes = 1
        /// The widest prefixes that an operator's limit may have.
        package var operators = PrefixLengths(ipv4: 16, ipv6: 32)
        /// The lowest rate that an operator's limit may have.
        package var operatorsPerSecond = 1
        /// Peers whose PROXY header names the source. None of them is ever limited.
        package var proxies: [Prefix] = []
        package init() {}
    }

    package struct ScaleOut: Sendable, Equatable {
        package var window = Duration.seconds(300)
        /// A decision needs more events than this of one source within the window.
        package var moreThan = 12
        /// First match wins.
        package var targets: [Target] = []
        package init() {}
    }

    package struct Target: Sendable, Equatable {
        /// `namespace/name`.
        package var workload: String
        /// Empty means any.
        package var ports: [UInt16] = []
        package var destinations: [Prefix] = []
        /// Exact, or `*.` and a suffix that covers one or more labels. A hello without a name matches by where it went.
        package var serverNames: [String] = []
        package var min = 1
        package var max = 10
        package var step = 1
        package var cooldown = Duration.seconds(180)
        package var budgetPerHour = 6
        package init(workload: String) { self.workload = workload }
    }
}
