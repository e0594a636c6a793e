internal import Detection
internal import Fingerprints
internal import Messages
internal import Wire

/// One JSON object a line, flat, with OpenTelemetry's names: handshakes, events and decisions by time, a summary at last.
struct JSONOutput: ReplayOutput {
    private var json = JSONWriter(capacity: 4096)
    private var lines = TimedLines()
    /// What a stack's hellos have in common, as it is written.
    private var stacks: [ObjectIdentifier: (stack: HelloReader.Stack, members: [UInt8])] = [:]

    private mutating func line(_ type: String, at time: Instant, _ members: (inout JSONWriter) -> Void) throws {
        json.removeAll()
        json.object { json in
            json.member("type", type)
            members(&json)
        }
        lines.append(json.bytes, at: time)
        if lines.isDue { try write(lines.take()) }
    }

    private func write(_ bytes: [UInt8]) throws {
        if try !Standard.output.write(bytes) { throw ReaderGone() }
    }

    mutating func handshake(_ item: ReplayedHandshake) throws {
        let handshake = item.handshake, stack = members(of: item.stack)
        guard handshake.kind == .hello else { return try flow(item) }
        try line("handshake", at: item.time) { json in
            json.member("frame", item.frame)
            json.member("time", item.time)
            json.member("source.address", handshake.source)
            json.member("source.port", Int(handshake.sourcePort))
            json.member("destination.address", handshake.destination)
            json.member("destination.port", Int(handshake.destinationPort))
            json.member("network.transport", "tcp")
            json.member("tls.client.server_name", item.serverName)
            json.member("tls.client.version", item.version)
            json.members(stack)
            json.member("segments", handshake.segments)
            json.member("records", handshake.records)
            json.member("completeness", handshake.completeness.id)
            json.member("incomplete.reason", handshake.incompleteReason.id)
            json.member("proof", handshake.proof.id)
            json.array("anomalies") { json in for anomaly in Anomaly.allCases where item.anomalies.contains(anomaly) { json.element(anomaly.id) } }
            json.member("severity", item.severity?.id)
            if let subtype = handshake.subtype.id { json.member("subtype", subtype) }
            json.array("encapsulation") { json in
                for _ in 0..<handshake.vlanTags { json.element("vlan") }
                for tunnel in handshake.tunnels.ids { json.element(tunnel) }
                if handshake.wasFragmented { json.element("ip_fragments") }
                if let preamble = handshake.preamble.id { json.element(preamble) }
            }
        }
    }

    /// What a flow did besides its hello.
    private mutating func flow(_ item: ReplayedHandshake) throws {
        let handshake = item.handshake
        try line("flow", at: item.time) { json in
            json.member("frame", item.frame)
            json.member("time", item.time)
            json.member("source.address", handshake.source)
            json.member("source.port", Int(handshake.sourcePort))
            json.member("destination.address", handshake.destination)
            json.member("destination.port", Int(handshake.destinationPort))
            json.member("network.transport", "tcp")
            json.member("proof", handshake.proof.id)
            json.array("anomalies") { json in for anomaly in Anomaly.allCases where item.anomalies.contains(anomaly) { json.element(anomaly.id) } }
            json.member("severity", item.severity?.id)
        }
    }

    private mutating func members(of stack: HelloReader.Stack?) -> [UInt8] {
        guard let stack else { return Self.written(nil) }
        if let known = stacks[ObjectIdentifier(stack)] { return known.members }
        if stacks.count >= 4096 { stacks.removeAll(keepingCapacity: true) }
        let members = Self.written(stack)
        // The stack is kept too, so that its identity stays its own.
        stacks[ObjectIdentifier(stack)] = (stack, members)
        return members
    }

    private static func written(_ stack: HelloReader.Stack?) -> [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.object { json in
            json.member("tls.client.alpn", stack?.alpn ?? [])
            json.member("tls.client.ja3", stack?.ja3)
            json.member("tls.client.ja4", stack?.ja4)
        }
        return Array(json.bytes.dropFirst().dropLast())
    }

    mutating func event(_ event: ThrottleEvent) throws { try line("event", at: event.time) { event.write(to: &$0) } }
    mutating func limit(_ limit: Limit) {}

    mutating func decision(_ decision: ScaleDecision, at time: Instant) throws {
        try line("decision", at: time) { json in
            json.member("time", time)
            decision.write(to: &json)
        }
    }

    mutating func ended(_ workload: String, at time: Instant) {}

    mutating func passed(_ time: Instant, isLive: Bool) throws {
        if isLive { try write(lines.take()) }
    }

    mutating func end(_ summary: ReplaySummary) throws {
        try write(lines.take(all: true))
        try line("summary", at: .distantPast) { json in
            json.member("file", summary.name)
            json.member("frames", summary.frames)
            json.member("bytes", summary.bytes)
            json.member("handshakes", summary.handshakes)
            json.member("flows", summary.flows)
            json.member("complete", summary.handshakes - summary.reassembled - summary.incompletes)
            json.member("reassembled", summary.reassembled)
            json.member("incomplete", summary.incompletes)
            json.member("unproven", summary.unproven)
            json.object("anomalies") { json in for (anomaly, count) in summary.anomalies.sorted(by: { $0.key < $1.key }) { json.member(anomaly.id, count) } }
            json.member("refused", summary.refused)
            json.object("losses") { json in for loss in summary.losses { json.member(loss.cause, loss.count) } }
            json.member("events", summary.events)
            json.member("limits", summary.limits)
            json.member("decisions", summary.decisions)
            json.member("seconds", summary.traffic)
        }
        try write(lines.take(all: true))
    }
}
