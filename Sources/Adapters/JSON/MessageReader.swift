internal import Detection
package import Messages
internal import Units
internal import Vocabulary

/// Reads what the topics carry. Strict about what it knows, silent about members that it does not: within v1 members are only added.
package struct MessageReader: ~Copyable {
    private var parser = JSONParser()

    package init() {}

    /// Members are asked for in the order in which an agent writes them, so each is found where the last one ended.
    package mutating func throttleEvent(_ bytes: RawSpan) throws(JSONError) -> ThrottleEvent {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, Words.throttleEvent, ThrottleEvent.schema)
            let id = try object.name("id"), time = try object.instant("time"), node = try object.name("node"),
                interface = try object.optionalString("interface") ?? ""
            let direction = try object.word("direction", "ingress or egress", Words.directions)
            let address = try object.address("source.address"), port = UInt16(try object.integer("source.port", in: 0...65_535)),
                prefix = try object.prefix("source.prefix")
            guard prefix.contains(address) else { throw JSONError("source.prefix", .wrongValue(wanted: "a prefix of source.address")) }
            let proxy = object.has("network.peer.address") ? try object.address("network.peer.address") : nil
            let destination = try object.address("destination.address"),
                destinationPort = UInt16(try object.integer("destination.port", in: 0...65_535))
            let workload = try object.optionalString("workload"), anomalies = try object.anomalies("anomalies"),
                severity = try object.word("severity", "a severity", Words.severities)
            // The trace comes last in the text and first in the value; it is put in where it is found.
            var event = ThrottleEvent(
                id: id, time: time, node: node, sourceAddress: address, sourcePrefix: prefix, destinationAddress: destination,
                anomalies: anomalies, severity: severity, traceID: "")
            (event.interface, event.direction, event.sourcePort, event.destinationPort, event.workload) = (
                interface, direction, port, destinationPort, workload
            )
            event.proxy = proxy
            event.completeness = try object.word("completeness", "complete, reassembled or incomplete", Words.completenesses)
            event.proof = try object.word("proof", "tracked, socket or unproven", Words.proofs)
            if object.has("network.transport") {
                event.transport = try object.word("network.transport", "tcp or udp", Words.transports)
            }
            if object.has("reach") { event.reach = try object.word("reach", "source or destination", Words.reaches) }
            event.serverName = try object.optionalString("tls.client.server_name")
            event.version = try object.optionalString("tls.client.version")
            event.alpn = try object.optionalStrings("tls.client.alpn")
            event.ja3 = try object.optionalString("tls.client.ja3")
            event.ja4 = try object.optionalString("tls.client.ja4")
            if object.has("network.community_id") { event.communityID = try object.string("network.community_id") }
            event.groups = try object.optionalStrings("tls.client.supported_groups")
            event.keyShares = try object.optionalStrings("tls.client.key_shares")
            if object.has("tls.client.ech") {
                event.encryptedHello = try object.word("tls.client.ech", "what is known of it", Words.encryptedHellos)
            }
            event.action = try object.word("action", "an action", Words.actions)
            event.limit = try object.optionalObject("limit", Self.eventLimit)
            event.counts = try object.object("counts", Self.counts)
            event.enforcedBy = try object.word("enforced_by", "kernel, agent or none", Words.enforcers)
            let latency = try object.optionalObject("latency_us") { latency throws(JSONError) in
                (decided: try latency.optionalInteger("seen_to_decided"), enforced: try latency.optionalInteger("seen_to_enforced"))
            }
            (event.seenToDecided, event.seenToEnforced) = (latency?.decided, latency?.enforced)
            (event.policyName, event.policyVersion) = try object.object("policy") { policy throws(JSONError) in
                (try policy.string("name"), try policy.string("version"))
            }
            if object.has("rehearsal") { event.isRehearsal = try object.boolean("rehearsal") }
            event.traceID = try object.string("trace_id")
            return event
        }
    }

    package mutating func limit(_ bytes: RawSpan) throws(JSONError) -> Limit {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, Words.limit, Limit.schema)
            let reason = try object.object("reason") { reason throws(JSONError) in
                (
                    try reason.anomalies("anomalies"), try reason.optionalInteger("events_in_window") ?? 0,
                    try reason.optionalStrings("event_ids")
                )
            }
            var limit = Limit(
                key: Limit.Key(prefix: try object.prefix("prefix"), limitClass: try object.limitClass("class")),
                perSecond: try object.integer("per_second", in: 0...Limit.mostPerSecond),
                answer: try object.word("answer", "reset or drop", Words.answers),
                until: try object.instant("until"), generation: try object.integer("generation"), anomalies: reason.0,
                traceID: try object.string("trace_id"))
            limit.step = try object.integer("step", in: 0...1000)
            limit.scope = try object.string("scope")
            limit.origin = try object.word("origin", "controller or operator", Words.origins)
            if object.has("released") { limit.isRelease = try object.boolean("released") }
            if object.has("rehearsal") { limit.isRehearsal = try object.boolean("rehearsal") }
            if object.has("has_refused") { limit.hasRefused = try object.boolean("has_refused") }
            // A controller never releases: what it no longer wants ends by itself.
            guard !limit.isRelease || limit.origin == .operator else {
                throw JSONError("released", .wrongValue(wanted: "an operator's word"))
            }
            (limit.eventsInWindow, limit.eventIDs) = (reason.1, reason.2)
            return limit
        }
    }

    package mutating func scaleDecision(_ bytes: RawSpan) throws(JSONError) -> ScaleDecision {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, Words.scaleDecision, ScaleDecision.schema)
            let reason = try object.object("reason") { reason throws(JSONError) in
                (
                    prefix: try reason.prefix("source.prefix"), events: try reason.integer("events_in_window"),
                    window: try reason.integer("window_seconds"),
                    moreThan: try reason.integer("more_than"), over: try reason.integer("sources_over")
                )
            }
            return ScaleDecision(
                workload: try object.name("workload"), desiredReplicas: try object.integer("desired_replicas", in: 0...1_000_000),
                previousReplicas: try object.integer("previous_replicas", in: 0...1_000_000),
                mode: try object.word("mode", "observe or enforce", Words.modes),
                sourcePrefix: reason.prefix, eventsInWindow: reason.events, windowSeconds: reason.window, moreThan: reason.moreThan,
                sourcesOver: reason.over,
                until: try object.instant("until"), generation: try object.integer("generation"), traceID: try object.string("trace_id"))
        }
    }

    package mutating func lossNotice(_ bytes: RawSpan) throws(JSONError) -> LossNotice {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, Words.lossNotice, LossNotice.schema)
            let id = try object.name("id"), time = try object.instant("time"), node = try object.name("node")
            let since = try object.instant("since"), until = try object.instant("until")
            var losses: [LossNotice.Loss] = []
            try object.objects("losses") { loss throws(JSONError) in
                losses.append(
                    LossNotice.Loss(
                        what: try loss.word("what", "records or events", Words.losses), cause: try loss.name("cause"),
                        count: try loss.integer("count", in: 1 ... .max)))
            }
            return LossNotice(id: id, time: time, node: node, since: since, until: until, losses: losses)
        }
    }

    package mutating func nodeStatus(_ bytes: RawSpan) throws(JSONError) -> NodeStatus {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, Words.nodeStatus, NodeStatus.schema)
            let policy = try object.object("policy") { policy throws(JSONError) in
                (name: try policy.string("name"), version: try policy.string("version"))
            }
            var status = NodeStatus(
                node: try object.name("node"), time: try object.instant("time"), started: try object.instant("started"),
                version: try object.string("version"),
                mode: try object.word("mode", "observe or enforce", Words.modes), interfaces: try object.strings("interfaces"),
                policyName: policy.name, policyVersion: policy.version, nextOffset: 0)
            status.addresses = try object.optionalStrings("addresses").map { text throws(JSONError) in
                guard let address = Address(text) else { throw JSONError("addresses", .wrongValue(wanted: "addresses")) }
                return address
            }
            try object.object("limits") { limits throws(JSONError) in
                status.nextOffset = Int64(try limits.integer("next_offset"))
                status.held = try limits.integer("held")
                status.lacking = try limits.integer("lacking")
                status.refused = try limits.integer("refused")
                var lacks: [NodeStatus.Lack] = []
                try limits.objects("lacks") { lack throws(JSONError) in
                    lacks.append(
                        NodeStatus.Lack(
                            key: try lack.key("key"),
                            reason: try lack.word(
                                "reason", NodeStatus.Reason.allCases.map(\.rawValue).joined(separator: ", "), Words.reasons)))
                }
                status.lacks = lacks
            }
            status.bundles = try Self.bundles(in: object)
            return status
        }
    }

    private static func check(_ object: borrowing JSONObject, _ schema: Vocabulary<Bool>, _ name: String) throws(JSONError) {
        _ = try object.word("schema", "'\(name)'", schema)
    }

    private static func eventLimit(_ object: borrowing JSONObject) throws(JSONError) -> ThrottleEvent.Limit {
        ThrottleEvent.Limit(
            limitClass: try object.limitClass("class"), perSecond: try object.integer("per_second", in: 0...1_000_000),
            answer: try object.word("answer", "reset or drop", Words.answers), until: try object.instant("until"),
            enforced: try object.boolean("enforced"))
    }

    private static func counts(_ object: borrowing JSONObject) throws(JSONError) -> ThrottleEvent.Counts {
        var counts = ThrottleEvent.Counts(since: try object.instant("since"))
        counts.seen = try object.integer("seen")
        counts.suppressed = try object.integer("suppressed")
        counts.reset = try object.integer("reset")
        counts.dropped = try object.integer("dropped")
        if object.has("would_refuse") { counts.wouldRefuse = try object.integer("would_refuse") }
        if object.has("sources") { counts.sources = try object.integer("sources") }
        return counts
    }
}

/// What texts may say, found by their bytes.
private enum Words {
    static let throttleEvent = Vocabulary([true]) { _ in ThrottleEvent.schema }
    static let limit = Vocabulary([true]) { _ in Limit.schema }
    static let scaleDecision = Vocabulary([true]) { _ in ScaleDecision.schema }
    static let nodeStatus = Vocabulary([true]) { _ in NodeStatus.schema }
    static let lossNotice = Vocabulary([true]) { _ in LossNotice.schema }
    static let losses = Vocabulary(LossNotice.What.allCases, \.rawValue)
    static let anomalies = Vocabulary(Anomaly.allCases, \.id)
    static let severities = Vocabulary(Severity.allCases, \.id)
    static let directions = Vocabulary(Direction.allCases, \.id)
    static let completenesses = Vocabulary(Completeness.allCases, \.id)
    static let proofs = Vocabulary(Proof.allCases, \.id)
    static let reaches = Vocabulary(Reach.allCases, \.id)
    static let transports = Vocabulary(Transport.allCases, \.id)
    static let encryptedHellos = Vocabulary(EncryptedHello.Use.allCases, \.rawValue)
    static let classes = Vocabulary(LimitClass.allCases, \.id)
    static let answers = Vocabulary(Answer.allCases, \.id)
    static let actions = Vocabulary(ThrottleEvent.Action.allCases, \.rawValue)
    static let enforcers = Vocabulary(ThrottleEvent.Enforcer.allCases, \.rawValue)
    static let origins = Vocabulary(Limit.Origin.allCases, \.rawValue)
    static let modes = Vocabulary(Policy.Mode.allCases, \.rawValue)
    static let reasons = Vocabulary(NodeStatus.Reason.allCases, \.rawValue)
}

extension JSONObject {
    /// One of an enumeration's words.
    fileprivate func word<Value>(_ name: StaticString, _ wanted: @autoclosure () -> String, _ words: Vocabulary<Value>) throws(JSONError)
        -> Value
    {
        try value(name, wanted()) { words.find($0) }
    }
    /// A string that says something.
    fileprivate func name(_ name: StaticString) throws(JSONError) -> String {
        let text = try string(name)
        guard !text.isEmpty else { throw JSONError("\(name)", .wrongValue(wanted: "a name")) }
        return text
    }
    fileprivate func key(_ name: StaticString) throws(JSONError) -> Limit.Key {
        guard let key = Limit.Key(try string(name)) else { throw JSONError("\(name)", .wrongValue(wanted: "prefix|class")) }
        return key
    }
    fileprivate func address(_ name: StaticString) throws(JSONError) -> Address { try value(name, "an address") { Address($0) } }
    fileprivate func prefix(_ name: StaticString) throws(JSONError) -> Prefix { try value(name, "a prefix") { Prefix($0) } }
    fileprivate func instant(_ name: StaticString) throws(JSONError) -> Instant {
        try value(name, "a time (RFC 3339, 1970 to 2262)") { Instant(rfc3339: $0) }
    }
    fileprivate func limitClass(_ name: StaticString) throws(JSONError) -> LimitClass { try word(name, "anomalous or all", Words.classes) }
    /// Those that this version does not know are left out: a newer agent may see more.
    fileprivate func anomalies(_ name: StaticString) throws(JSONError) -> AnomalySet {
        var anomalies = AnomalySet()
        try eachString(name) { text in
            if let anomaly = Words.anomalies.find(text) { anomalies.formUnion(AnomalySet(anomaly)) }
        }
        return anomalies
    }
}
