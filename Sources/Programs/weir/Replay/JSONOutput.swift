internal import Detection
internal import Fingerprints
internal import Messages
internal import Wire

/// One JSON object a line, flat, with OpenTelemetry's names: handshakes, events and decisions by time, a summary at last.
struct JSONOutput: ReplayOutput {
    private let showsRaw: Bool
    private var json = JSONWriter(capacity: 4096)
    private let lines = TimedLines()
    /// What a stack's hellos have in common, as it is written.
    private var stacks: [ObjectIdentifier: (stack: HelloReader.Stack, members: [UInt8])] = [:]

    /// - Parameter showsRaw: JA4 before hashing as well.
    init(showsRaw: Bool = false) { self.showsRaw = showsRaw }

    private mutating func line(_ type: String, at time: Instant, _ members: (inout JSONWriter) -> Void) throws {
        json.removeAll()
        json.object { json in
            json.member("type", type)
            members(&json)
        }
        lines.append(json.bytes, at: time)
        if lines.isDue { try write() }
    }

    private func write(all: Bool = false) throws {
        unsafe try lines.take(all: all) { bytes in
            if unsafe try !Standard.output.write(bytes) { throw ReaderGone() }
        }
    }

    var readsHellos: Bool { true }

    /// The one line that there are millions of, written piece by piece where it waits.
    mutating func handshake(_ item: ReplayedHandshake) throws {
        let handshake = item.handshake
        guard handshake.kind == .hello else { return try flow(item) }
        lines.put("{\"type\":\"handshake\",\"frame\":")
        lines.put(item.frame)
        lines.put(",\"time\":\"")
        lines.put(item.time)
        lines.put("\",\"source.address\":\"")
        lines.put(handshake.source)
        lines.put("\",\"source.port\":")
        lines.put(Int(handshake.sourcePort))
        if let proxy = handshake.proxy {
            lines.put(",\"network.peer.address\":\"")
            lines.put(proxy)
            lines.put("\"")
        }
        lines.put(",\"destination.address\":\"")
        lines.put(handshake.destination)
        lines.put("\",\"destination.port\":")
        lines.put(Int(handshake.destinationPort))
        lines.put(handshake.transport == .udp ? ",\"network.transport\":\"udp\"" : ",\"network.transport\":\"tcp\"")
        lines.put(",\"tls.client.server_name\":")
        put(item.serverName)
        lines.put(",\"tls.client.version\":")
        put(item.version)
        lines.put(",")
        putMembers(of: item.stack)
        lines.put(",\"segments\":")
        lines.put(handshake.segments)
        lines.put(",\"records\":")
        lines.put(handshake.records)
        lines.put(",\"completeness\":")
        put(handshake.completeness.id)
        lines.put(",\"incomplete.reason\":")
        put(handshake.incompleteReason.id)
        lines.put(",\"proof\":")
        put(handshake.proof.id)
        lines.put(handshake.isRetry ? ",\"retry\":true" : ",\"retry\":false")
        lines.put(",\"anomalies\":[")
        if !item.anomalies.isEmpty { put(list: item.anomalies.list.map(\.id)) }
        lines.put("],\"severity\":")
        put(item.severity?.id)
        if let subtype = handshake.subtype.id {
            lines.put(",\"subtype\":")
            put(subtype)
        }
        lines.put(",\"encapsulation\":[")
        if handshake.isWrapped { put(list: handshake.wrappings) }
        lines.put("]}")
        lines.end(at: item.time)
        if lines.isDue { try write() }
    }

    private func put(_ text: String?) {
        if let text { lines.put(text: text) } else { lines.put("null") }
    }

    private func put(list: [String]) {
        for (index, text) in list.enumerated() {
            if index > 0 { lines.put(",") }
            lines.put(text: text)
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
            if let proxy = handshake.proxy { json.member("network.peer.address", proxy) }
            json.member("destination.address", handshake.destination)
            json.member("destination.port", Int(handshake.destinationPort))
            json.member("network.transport", handshake.transport.id)
            json.member("proof", handshake.proof.id)
            json.array("anomalies") { json in
                for anomaly in Anomaly.allCases where item.anomalies.contains(anomaly) { json.element(anomaly.id) }
            }
            json.member("severity", item.severity?.id)
        }
    }

    private mutating func putMembers(of stack: HelloReader.Stack?) {
        guard let stack else {
            lines.put("\"tls.client.alpn\":[],\"tls.client.ja3\":null,\"tls.client.ja4\":null")
            if showsRaw { lines.put(",\"tls.client.ja4_r\":null") }
            return
        }
        if let known = stacks[ObjectIdentifier(stack)] { return lines.put(known.members) }
        if stacks.count >= 4096 { stacks.removeAll(keepingCapacity: true) }
        let members = written(stack)
        // The stack is kept too, so that its identity stays its own.
        stacks[ObjectIdentifier(stack)] = (stack, members)
        lines.put(members)
    }

    private func written(_ stack: HelloReader.Stack) -> [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.object { json in
            json.member("tls.client.alpn", stack.alpn)
            json.member("tls.client.ja3", stack.ja3)
            json.member("tls.client.ja4", stack.ja4)
            if showsRaw { json.member("tls.client.ja4_r", stack.ja4Raw) }
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
        if isLive { try write() }
    }

    mutating func end(_ summary: ReplaySummary) throws {
        try write(all: true)
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
            json.object("anomalies") { json in
                for (anomaly, count) in summary.anomalies.sorted(by: { $0.key < $1.key }) { json.member(anomaly.id, count) }
            }
            json.member("refused", summary.refused)
            json.object("losses") { json in for loss in summary.losses { json.member(loss.cause, loss.count) } }
            json.member("events", summary.events)
            json.member("limits", summary.limits)
            json.member("decisions", summary.decisions)
            json.member("seconds", summary.traffic)
        }
        try write(all: true)
    }
}

extension Handshake {
    fileprivate var isWrapped: Bool { vlanTags > 0 || !tunnels.isEmpty || wasFragmented || preamble != .none }

    /// From the outside in.
    fileprivate var wrappings: [String] {
        [String](repeating: "vlan", count: vlanTags) + tunnels.ids + (wasFragmented ? ["ip_fragments"] : [])
            + (preamble.id.map { [$0] } ?? [])
    }
}
