internal import Detection
package import Messages
internal import Wire

/// Reads what the topics carry. Strict about what it knows, silent about members that it does not: within v1 members are only added.
package struct MessageReader: ~Copyable {
    private var parser = JSONParser()

    package init() {}

    package mutating func throttleEvent(_ bytes: RawSpan) throws(JSONError) -> ThrottleEvent {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, ThrottleEvent.schema)
            let address = try object.address("source.address"), prefix = try object.prefix("source.prefix")
            guard prefix.contains(address) else { throw JSONError("source.prefix", .wrongValue(wanted: "a prefix of source.address")) }
            var event = ThrottleEvent(
                id: try object.name("id"), time: try object.instant("time"), node: try object.name("node"), sourceAddress: address, sourcePrefix: prefix,
                destinationAddress: try object.address("destination.address"), anomalies: try object.anomalies("anomalies"),
                severity: try object.value("severity", "a severity") { Severity(id: $0) }, traceID: try object.string("trace_id"))
            event.interface = try object.optionalString("interface") ?? ""
            event.direction = try object.value("direction", "ingress or egress") { id in Direction.allCases.first { $0.id == id } }
            event.sourcePort = UInt16(try object.integer("source.port", in: 0...65_535))
            event.destinationPort = UInt16(try object.integer("destination.port", in: 0...65_535))
            event.workload = try object.optionalString("workload")
            event.completeness = try object.value("completeness", "complete, reassembled or incomplete") { id in Completeness.allCases.first { $0.id == id } }
            event.proof = try object.value("proof", "tracked, socket or unproven") { id in Proof.allCases.first { $0.id == id } }
            event.serverName = try object.optionalString("tls.client.server_name")
            event.version = try object.optionalString("tls.client.version")
            event.alpn = object.has("tls.client.alpn") ? try object.strings("tls.client.alpn") : []
            event.ja3 = try object.optionalString("tls.client.ja3")
            event.ja4 = try object.optionalString("tls.client.ja4")
            event.action = try object.value("action", "an action") { ThrottleEvent.Action(rawValue: $0) }
            if object.has("limit") { event.limit = try object.object("limit", Self.eventLimit) }
            event.counts = try object.object("counts", Self.counts)
            event.enforcedBy = try object.value("enforced_by", "kernel, agent or none") { ThrottleEvent.Enforcer(rawValue: $0) }
            if object.has("latency_us") {
                let latency = try object.object("latency_us") { latency throws(JSONError) in
                    (try latency.optionalInteger("seen_to_decided"), try latency.optionalInteger("seen_to_enforced"))
                }
                (event.seenToDecided, event.seenToEnforced) = latency
            }
            (event.policyName, event.policyVersion) = try object.object("policy") { policy throws(JSONError) in
                (try policy.string("name"), try policy.string("version"))
            }
            return event
        }
    }

    package mutating func limit(_ bytes: RawSpan) throws(JSONError) -> Limit {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, Limit.schema)
            let reason = try object.object("reason") { reason throws(JSONError) in
                (try reason.anomalies("anomalies"), try reason.optionalInteger("events_in_window") ?? 0, reason.has("event_ids") ? try reason.strings("event_ids") : [])
            }
            var limit = Limit(
                key: Limit.Key(prefix: try object.prefix("prefix"), limitClass: try object.limitClass("class")),
                perSecond: try object.integer("per_second", in: 0...1_000_000), answer: try object.value("answer", "reset or drop") { Answer(id: $0) },
                until: try object.instant("until"), generation: try object.integer("generation"), anomalies: reason.0, traceID: try object.string("trace_id"))
            limit.step = try object.integer("step", in: 0...1000)
            limit.scope = try object.string("scope")
            limit.origin = try object.value("origin", "controller or operator") { Limit.Origin(rawValue: $0) }
            (limit.eventsInWindow, limit.eventIDs) = (reason.1, reason.2)
            return limit
        }
    }

    package mutating func scaleDecision(_ bytes: RawSpan) throws(JSONError) -> ScaleDecision {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, ScaleDecision.schema)
            let reason = try object.object("reason") { reason throws(JSONError) in
                (prefix: try reason.prefix("source.prefix"), events: try reason.integer("events_in_window"), window: try reason.integer("window_seconds"),
                 moreThan: try reason.integer("more_than"), over: try reason.integer("sources_over"))
            }
            return ScaleDecision(
                workload: try object.name("workload"), desiredReplicas: try object.integer("desired_replicas", in: 0...1_000_000),
                previousReplicas: try object.integer("previous_replicas", in: 0...1_000_000), mode: try object.value("mode", "observe or enforce") { Policy.Mode(rawValue: $0) },
                sourcePrefix: reason.prefix, eventsInWindow: reason.events, windowSeconds: reason.window, moreThan: reason.moreThan, sourcesOver: reason.over,
                until: try object.instant("until"), generation: try object.integer("generation"), traceID: try object.string("trace_id"))
        }
    }

    package mutating func nodeStatus(_ bytes: RawSpan) throws(JSONError) -> NodeStatus {
        try parser.object(bytes) { object throws(JSONError) in
            try Self.check(object, NodeStatus.schema)
            let policy = try object.object("policy") { policy throws(JSONError) in (name: try policy.string("name"), version: try policy.string("version")) }
            var status = NodeStatus(
                node: try object.name("node"), time: try object.instant("time"), started: try object.instant("started"), version: try object.string("version"),
                mode: try object.value("mode", "observe or enforce") { Policy.Mode(rawValue: $0) }, interfaces: try object.strings("interfaces"),
                policyName: policy.name, policyVersion: policy.version, nextOffset: 0)
            try object.object("limits") { limits throws(JSONError) in
                status.nextOffset = Int64(try limits.integer("next_offset"))
                status.held = try limits.integer("held")
                status.lacking = try limits.integer("lacking")
                status.refused = try limits.integer("refused")
                var lacks: [NodeStatus.Lack] = []
                try limits.objects("lacks") { lack throws(JSONError) in
                    lacks.append(NodeStatus.Lack(key: try lack.value("key", "prefix|class") { Limit.Key($0) },
                                                 reason: try lack.value("reason", "allowed, no_room or not_understood") { NodeStatus.Reason(rawValue: $0) }))
                }
                status.lacks = lacks
            }
            return status
        }
    }

    private static func check(_ object: borrowing JSONObject, _ schema: String) throws(JSONError) {
        _ = try object.value("schema", "'\(schema)'") { $0 == schema ? true : nil }
    }

    private static func eventLimit(_ object: borrowing JSONObject) throws(JSONError) -> ThrottleEvent.Limit {
        ThrottleEvent.Limit(
            limitClass: try object.limitClass("class"), perSecond: try object.integer("per_second", in: 0...1_000_000),
            answer: try object.value("answer", "reset or drop") { Answer(id: $0) }, until: try object.instant("until"), enforced: try object.boolean("enforced"))
    }

    private static func counts(_ object: borrowing JSONObject) throws(JSONError) -> ThrottleEvent.Counts {
        var counts = ThrottleEvent.Counts(since: try object.instant("since"))
        counts.seen = try object.integer("seen")
        counts.suppressed = try object.integer("suppressed")
        counts.reset = try object.integer("reset")
        counts.dropped = try object.integer("dropped")
        return counts
    }
}

extension JSONObject {
    /// A string that says something.
    fileprivate func name(_ name: StaticString) throws(JSONError) -> String { try value(name, "a name") { $0.isEmpty ? nil : $0 } }
    fileprivate func address(_ name: StaticString) throws(JSONError) -> Address { try value(name, "an address") { Address($0) } }
    fileprivate func prefix(_ name: StaticString) throws(JSONError) -> Prefix { try value(name, "a prefix") { Prefix($0) } }
    fileprivate func instant(_ name: StaticString) throws(JSONError) -> Instant { try value(name, "a time (RFC 3339, 1970 to 2262)") { Instant(rfc3339: $0) } }
    fileprivate func limitClass(_ name: StaticString) throws(JSONError) -> LimitClass { try value(name, "anomalous or all") { LimitClass(id: $0) } }
    /// Those that this version does not know are left out: a newer agent may see more.
    fileprivate func anomalies(_ name: StaticString) throws(JSONError) -> AnomalySet { AnomalySet(try strings(name).compactMap { Anomaly(id: $0) }) }
}
