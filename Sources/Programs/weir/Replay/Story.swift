internal import AgentCore
internal import Detection
internal import Fingerprints
internal import Messages
internal import Wire

/// One handshake of a capture, with all that its bytes tell.
struct ReplayedHandshake {
    let handshake: Handshake
    /// Of the frame that completed it; of the last one read, if none did.
    let frame: Int
    let time: Instant
    let anomalies: AnomalySet
    let severity: Severity?
    let hello: ClientHello?
    let fingerprint: Fingerprint?

    var version: String? { ClientHello.name(ofVersion: handshake.version) }
    var facts: HelloFacts? {
        guard let hello, let fingerprint else { return nil }
        return HelloFacts(serverName: hello.serverName, alpn: hello.alpnNames, ja3: fingerprint.ja3, ja4: fingerprint.ja4)
    }
}

/// Where a replay's story goes, in the order of capture time.
protocol ReplayOutput {
    mutating func handshake(_ handshake: ReplayedHandshake)
    mutating func event(_ event: ThrottleEvent)
    mutating func limit(_ limit: Limit)
    mutating func decision(_ decision: ScaleDecision, at time: Instant)
    mutating func end(_ summary: ReplaySummary)
}

/// What a capture came to.
struct ReplaySummary {
    var name = ""
    var frames = 0
    var bytes = 0
    /// Frames of which the kernel engine saw the start only.
    var cut = 0
    var first: Instant?
    var last: Instant?
    /// Spent, not captured.
    var seconds = 0.0
    var handshakes = 0
    var reassembled = 0
    var incomplete: [IncompleteReason: Int] = [:]
    var unproven = 0
    var anomalies: [Anomaly: Int] = [:]
    var anomalous = 0
    var refused = 0
    var firstLimit: Instant?
    var events = 0
    var limits = 0
    var decisions = 0
    var worst: Severity?

    mutating func note(_ item: ReplayedHandshake) {
        let handshake = item.handshake
        handshakes += 1
        if handshake.completeness == .reassembled { reassembled += 1 }
        if handshake.completeness == .incomplete { incomplete[handshake.incompleteReason, default: 0] += 1 }
        if handshake.proof == .unproven { unproven += 1 }
        if !item.anomalies.isEmpty { anomalous += 1 }
        for anomaly in item.anomalies.list { anomalies[anomaly, default: 0] += 1 }
        if handshake.outcome.isRefused { refused += 1 }
        if handshake.isReflex, firstLimit == nil { firstLimit = item.time }
        if let severity = item.severity { worst = max(worst ?? severity, severity) }
    }

    var traffic: Duration { first.flatMap { first in last.map { $0 - first } } ?? .zero }
}
