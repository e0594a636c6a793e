internal import ControllerCore
internal import Detection
internal import Front
internal import Glibc
internal import Linux
internal import Log
internal import Messages
internal import OTLP
internal import Units
internal import Vocabulary

/// A detection's way, told to an OpenTelemetry receiver under the packet's trace id: the agent's part by what its event says, ours by
/// what we do, the broker's by its own clock. Nobody waits for it.
final class Tracing {
    private struct Publication {
        let traceID: String, topic: String
        let start: Instant
    }

    private let exporter: Exporter
    private let ours: Speaker
    private let began: Instant
    /// On their way to the broker, by the outbox's numbers.
    private var publications: [UInt64: Publication] = [:]
    /// Limits that Envoys have not been told of yet.
    private var pushes: [String: (since: Instant, parent: String?)] = [:]
    /// Of publications and pushes: more than that are not followed.
    private static let most = 10_000
    private(set) var untold = 0

    /// - Throws: in one line, why there can be none.
    init(_ receiver: Receiver, _ log: Log) throws {
        exporter = try Exporter(receiver.url, headers: receiver.headers, authority: receiver.authority, version: version) { news in
            switch news {
            case .up: log.write(.info, "the OpenTelemetry receiver takes what it is told", [("otlp", receiver.url)])
            case .down(let reason):
                log.write(
                    .warning, "the OpenTelemetry receiver does not take what it is told", [("otlp", receiver.url), ("reason", reason)])
            }
        }
        var name = utsname()
        _ = unsafe uname(&name)
        let host = unsafe withUnsafeBytes(of: &name.nodename) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        ours = Speaker(service: "weir-controller", instance: "\(host):\(getpid())")
        began = Instant(nanoseconds: Clock.wall)
    }

    var counts: Exporter.Counts { exporter.counts }

    private func tell(_ span: Span, of speaker: Speaker) { exporter.tell(.span(span, of: speaker)) }

    /// The root of a trace: there is one detection to each.
    private static func root(_ traceID: String) -> String { Span.id("handshake", of: "", traceID: traceID) }
    private func own(_ traceID: String) -> String { Span.id("controller", of: ours.instance, traceID: traceID) }

    // MARK: An event, and what was made of it

    func answered(_ event: ThrottleEvent, appended: Instant?, received: Instant, decided: Instant) {
        let agent = Speaker(service: "weir-agent", instance: event.node), root = Self.root(event.traceID)
        func after(_ microseconds: Int) -> Instant { Instant(nanoseconds: event.time.nanoseconds + Int64(microseconds) * 1000) }
        func step(_ name: String, from start: Instant, to end: Instant) {
            tell(Span(name, of: event.node, traceID: event.traceID, parent: root, from: start, to: end), of: agent)
        }
        let verdict = after(event.seenToDecided ?? 0), known = Attributes.of(event)
        var whole = Span(
            "handshake", of: "", traceID: event.traceID, parent: nil, from: event.time, to: max(verdict, appended ?? verdict))
        whole.kind = .server
        whole.attributes = known
        tell(whole, of: agent)
        step("decide", from: event.time, to: verdict)
        if let enforced = event.seenToEnforced { step("limit", from: event.time, to: after(enforced)) }
        if let appended { step("deliver", from: verdict, to: appended) }

        var taken = Span("controller", of: ours.instance, traceID: event.traceID, parent: root, from: received, to: decided)
        taken.kind = .consumer
        tell(taken, of: ours)
        tell(
            Span("decide", of: ours.instance, traceID: event.traceID, parent: taken.id, from: received, to: decided),
            of: ours)
        var line = LogRecord(
            "weir.throttle_event", at: event.time,
            "\(event.sourcePrefix) \(event.action.rawValue): \(event.anomalies.list.map(\.id).joined(separator: ", "))",
            traceID: event.traceID, span: root)
        line.severity = .warning
        line.attributes = known
        exporter.tell(.log(line, of: agent))
    }

    /// An answer waits for the broker from now on.
    func put(_ output: Controller.Output, as number: UInt64, at now: Instant) {
        let (event, topic, traceID, body): (String, String, String, String)
        switch output {
        case .limit(let limit):
            (event, topic, traceID) = ("weir.limit", Topic.limits.name, limit.traceID)
            body = "\(limit.key): \(limit.perSecond) a second until \(limit.until.rfc3339)"
        case .scale(let decision):
            (event, topic, traceID) = ("weir.scale_decision", Topic.decisions.name, decision.traceID)
            body = "\(decision.workload): \(decision.previousReplicas) to \(decision.desiredReplicas) replicas"
        case .forget: return
        }
        guard publications.count < Self.most else { return untold += 1 }
        publications[number] = Publication(traceID: traceID, topic: topic, start: now)
        exporter.tell(.log(LogRecord(event, at: now, body, traceID: traceID, span: own(traceID)), of: ours))
    }

    func delivered(_ number: UInt64, at now: Instant) {
        guard let publication = publications.removeValue(forKey: number) else { return }
        var span = Span(
            "publish", of: "\(ours.instance)/\(number)", traceID: publication.traceID, parent: own(publication.traceID),
            from: publication.start, to: now)
        span.kind = .producer
        span.attributes = [Attribute("messaging.system", "kafka"), Attribute("messaging.destination.name", publication.topic)]
        tell(span, of: ours)
    }

    // MARK: What Envoys are told

    /// - Parameter written: by the broker's clock. What was there before us is nobody's news.
    func learned(_ limit: Limit, written: Instant, at now: Instant) {
        guard written >= began else { return }
        guard pushes.count < Self.most else { return untold += 1 }
        // An operator's word follows from no packet.
        pushes[limit.traceID] = (now, limit.origin == .operator ? nil : Self.root(limit.traceID))
    }

    func pushed(at now: Instant) {
        for (traceID, push) in pushes {
            tell(
                Span("push", of: ours.instance, traceID: traceID, parent: push.parent, from: push.since, to: now),
                of: ours)
        }
        if !pushes.isEmpty { pushes.removeAll(keepingCapacity: true) }
    }
}

/// Names of OpenTelemetry's semantic conventions where there are some.
private enum Attributes {
    static func of(_ event: ThrottleEvent) -> [Attribute] {
        var all = [
            Attribute("source.address", "\(event.sourceAddress)"), Attribute("source.port", Int(event.sourcePort)),
            Attribute("destination.address", "\(event.destinationAddress)"), Attribute("destination.port", Int(event.destinationPort)),
            Attribute("network.transport", "\(event.transport)"), Attribute("weir.event.id", event.id),
            Attribute("weir.source.prefix", "\(event.sourcePrefix)"), Attribute("weir.anomalies", event.anomalies.list.map(\.id)),
            Attribute("weir.severity", "\(event.severity)"), Attribute("weir.action", event.action.rawValue),
            Attribute("weir.enforced_by", event.enforcedBy.rawValue)
        ]
        if let name = event.serverName { all.append(Attribute("tls.client.server_name", name)) }
        if let version = event.version { all.append(Attribute("tls.protocol.version", version)) }
        if let ja3 = event.ja3 { all.append(Attribute("tls.client.ja3", ja3)) }
        if let ja4 = event.ja4 { all.append(Attribute("tls.client.ja4", ja4)) }
        if let workload = event.workload { all.append(Attribute("weir.workload", workload)) }
        return all
    }
}
