internal import Detection
internal import Fingerprints
internal import Glibc
internal import Messages
internal import Wire

/// One JSON object a line, flat, with OpenTelemetry's names: handshakes, events and decisions by time, a summary at last.
struct JSONOutput: ReplayOutput {
    private var buffer: [UInt8] = []

    init() { buffer.reserveCapacity(1 << 17) }

    private mutating func line(_ type: String, _ members: (inout JSONWriter) -> Void) {
        var json = JSONWriter(capacity: 640)
        json.object { json in
            json.member("type", type)
            members(&json)
        }
        buffer += json.bytes
        buffer.append(10)
        if buffer.count > 1 << 16 { flush() }
    }

    private mutating func flush() {
        // Whoever stopped reading has seen enough.
        if !Standard.output.write(buffer) { exit(0) }
        buffer.removeAll(keepingCapacity: true)
    }

    mutating func handshake(_ item: ReplayedHandshake) {
        let handshake = item.handshake
        line("handshake") { json in
            json.member("frame", item.frame)
            json.member("time", item.time)
            json.member("source.address", handshake.source.description)
            json.member("source.port", Int(handshake.sourcePort))
            json.member("destination.address", handshake.destination.description)
            json.member("destination.port", Int(handshake.destinationPort))
            json.member("network.transport", "tcp")
            json.member("tls.client.server_name", item.hello?.serverName)
            json.member("tls.client.version", item.version)
            json.member("tls.client.alpn", item.hello?.alpnNames ?? [])
            json.member("tls.client.ja3", item.fingerprint?.ja3)
            json.member("tls.client.ja4", item.fingerprint?.ja4)
            json.member("segments", handshake.segments)
            json.member("records", handshake.records)
            json.member("completeness", handshake.completeness.id)
            json.member("incomplete.reason", handshake.incompleteReason.id)
            json.member("proof", handshake.proof.id)
            json.member("anomalies", item.anomalies.list.map(\.id))
            json.member("severity", item.severity?.id)
            json.member("encapsulation", Array(repeating: "vlan", count: handshake.vlanTags))
        }
    }

    mutating func event(_ event: ThrottleEvent) { line("event") { event.write(to: &$0) } }
    mutating func limit(_ limit: Limit) {}
    mutating func decision(_ decision: ScaleDecision, at time: Instant) { line("decision") { decision.write(to: &$0) } }

    mutating func end(_ summary: ReplaySummary) {
        line("summary") { json in
            json.member("file", summary.name)
            json.member("frames", summary.frames)
            json.member("bytes", summary.bytes)
            json.member("handshakes", summary.handshakes)
            json.object("anomalies") { json in for (anomaly, count) in summary.anomalies.sorted(by: { $0.key < $1.key }) { json.member(anomaly.id, count) } }
            json.member("incomplete", summary.incomplete.values.reduce(0, +))
            json.member("unproven", summary.unproven)
            json.object("losses") { json in
                json.member("frames_cut", summary.cut)
                for (reason, count) in summary.incomplete.sorted(by: { $0.key.rawValue < $1.key.rawValue }) { json.member(reason.id ?? "unknown", count) }
            }
            json.member("events", summary.events)
            json.member("decisions", summary.decisions)
            json.member("seconds", Int(summary.traffic.components.seconds))
        }
        flush()
    }
}
