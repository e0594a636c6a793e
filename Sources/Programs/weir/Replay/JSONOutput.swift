internal import Detection
internal import Fingerprints
internal import Messages
internal import Units
internal import Vocabulary
internal import Wire

/// One JSON object a line, flat, with OpenTelemetry's names: handshakes, events and decisions by time, a summary at last.
struct JSONOutput: ReplayOutput {
    private let showsRaw: Bool
    private let sink: Sink
    private var json = JSONWriter(capacity: 4096)
    private let lines = TimedLines()

    /// - Parameter showsRaw: JA4 before hashing as well.
    init(to sink: Sink, showsRaw: Bool = false) {
        self.sink = sink
        self.showsRaw = showsRaw
    }

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
            if unsafe try !sink.write(bytes) { throw ReaderGone() }
        }
    }

    var readsHellos: Bool { true }

    /// The one line that there are millions of, written piece by piece where it waits.
    mutating func handshake(_ item: ReplayedHandshake, _ message: RawSpan) throws {
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
        if let id = CommunityID(of: handshake) {
            lines.put(",\"network.community_id\":\"")
            lines.put(id)
            lines.put("\"")
        }
        lines.put(",\"tls.client.server_name\":")
        putName(item.hello, message)
        lines.put(",\"tls.client.version\":")
        put(item.version)
        lines.put(",")
        putFingerprints(item.hello, message)
        putKeys(item.hello, message, isRetry: handshake.isRetry)
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
            if let id = CommunityID(of: handshake) { json.member("network.community_id", id.text) }
            json.member("proof", handshake.proof.id)
            json.array("anomalies") { json in
                for anomaly in Anomaly.allCases where item.anomalies.contains(anomaly) { json.element(anomaly.id) }
            }
            json.member("severity", item.severity?.id)
        }
    }

    private func putName(_ hello: HelloReader.Reading?, _ message: RawSpan) {
        guard let hello, hello.whole == nil else { return put(hello?.serverName(in: message)) }
        guard let name = hello.places.name else { return lines.put("null") }
        lines.put(text: Span<UInt8>(_bytes: message).extracting(name))
    }

    private func putFingerprints(_ hello: HelloReader.Reading?, _ message: RawSpan) {
        guard let hello, let stack = hello.stack else {
            lines.put("\"tls.client.alpn\":[],\"tls.client.ja3\":null,\"tls.client.ja4\":null")
            if showsRaw { lines.put(",\"tls.client.ja4_r\":null") }
            return
        }
        lines.put("\"tls.client.alpn\":[")
        if hello.whole != nil {
            put(list: hello.protocols(in: message))
        } else {
            let bytes = Span<UInt8>(_bytes: message)
            var isFirst = true
            hello.places.eachProtocol(in: bytes) { name in
                if !isFirst { lines.put(",") }
                isFirst = false
                lines.put(text: Span<UInt8>(_bytes: message).extracting(name))
            }
        }
        lines.put("],\"tls.client.ja3\":\"")
        lines.put(stack.ja3Words.high, digits: 16)
        lines.put(stack.ja3Words.low, digits: 16)
        lines.put("\",\"tls.client.ja4\":\"")
        lines.put(stack.ja4Head.start, size: 8)
        lines.put(UInt64(stack.ja4Head.end), size: 2)
        lines.put("_")
        lines.put(stack.ja4Hashes.suites, digits: 12)
        lines.put("_")
        lines.put(stack.ja4Hashes.extensions, digits: 12)
        lines.put("\"")
        guard showsRaw else { return }
        lines.put(",\"tls.client.ja4_r\":")
        put(ClientHello(message).flatMap { Fingerprint($0) }?.ja4Raw)
    }

    /// Groups, shares and encrypted_client_hello. `null`: the hello was not read.
    private func putKeys(_ hello: HelloReader.Reading?, _ message: RawSpan, isRetry: Bool) {
        guard let hello else {
            return lines.put(",\"tls.client.supported_groups\":null,\"tls.client.key_shares\":null,\"tls.client.ech\":null")
        }
        lines.put(",\"tls.client.supported_groups\":[")
        var count = 0
        hello.eachGroup(in: message) { put($0, &count) }
        lines.put("],\"tls.client.key_shares\":[")
        count = 0
        hello.eachKeyShare(in: message) { put($0, &count) }
        lines.put("],\"tls.client.ech\":")
        put(hello.encryptedHello(in: message)?.use(isRetry: isRetry).rawValue)
    }

    private func put(_ group: NamedGroup, _ count: inout Int) {
        count += 1
        guard count <= NamedGroup.mostTold else { return }
        lines.put(count > 1 ? ",\"" : "\"")
        if let name = group.name {
            lines.put(name)
        } else {
            lines.put("0x")
            lines.put(UInt64(group.number), digits: 4)
        }
        lines.put("\"")
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
