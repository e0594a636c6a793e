internal import Detection
internal import Fingerprints
internal import Messages
internal import Wire

/// One JSON object a line, flat, with OpenTelemetry's names: handshakes, events and decisions by time, a summary at last.
struct JSONOutput: ReplayOutput {
    private var json = JSONWriter(capacity: 4096)
    private var handshakeLine: HandshakeLine
    private var lines = TimedLines()
    private let summaryOnly: Bool

    /// - Parameters:
    ///   - summaryOnly: the last line alone.
    ///   - ja4Raw: JA4 before it was hashed beside JA4.
    init(summaryOnly: Bool, ja4Raw: Bool) {
        self.summaryOnly = summaryOnly
        handshakeLine = HandshakeLine(wantsRaw: ja4Raw)
    }

    var readsHellos: Bool { !summaryOnly }

    private mutating func line(_ type: String, at time: Instant, _ members: (inout JSONWriter) -> Void) throws {
        json.removeAll()
        json.object { json in
            json.member("type", type)
            members(&json)
        }
        lines.append(at: time) { $0 += json.bytes }
        try writeDue()
    }

    private mutating func writeDue() throws { if lines.isDue { try lines.take { try Self.write($0) } } }

    private static func write(_ bytes: Span<UInt8>) throws {
        if try !Standard.output.write(bytes) { throw ReaderGone() }
    }

    mutating func handshake(_ item: ReplayedHandshake) throws {
        guard !summaryOnly else { return }
        lines.append(at: item.time) { handshakeLine.write(item, to: &$0) }
        try writeDue()
    }

    mutating func event(_ event: ThrottleEvent) throws {
        guard !summaryOnly else { return }
        try line("event", at: event.time) { event.write(to: &$0) }
    }

    mutating func limit(_ limit: Limit) {}

    mutating func decision(_ decision: ScaleDecision, at time: Instant) throws {
        guard !summaryOnly else { return }
        try line("decision", at: time) { json in
            json.member("time", time)
            decision.write(to: &json)
        }
    }

    mutating func ended(_ workload: String, at time: Instant) {}

    mutating func passed(_ time: Instant, isLive: Bool) throws {
        if isLive { try lines.take { try Self.write($0) } }
    }

    mutating func end(_ summary: ReplaySummary) throws {
        try lines.take(all: true) { try Self.write($0) }
        try line("summary", at: .distantPast) { json in
            json.member("file", summary.name)
            json.member("frames", summary.frames)
            json.member("bytes", summary.bytes)
            json.member("handshakes", summary.handshakes)
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
        try lines.take(all: true) { try Self.write($0) }
    }
}
