internal import Detection
internal import Units
internal import Vocabulary

// What goes over the topics, member by member, in the order that docs and schemas show (manifests/schemas).

extension ThrottleEvent {
    package static let schema = "weir.dev/throttle-event/v1"
    package static let type = "dev.weir.throttle-event.v1"

    /// As the value of a record.
    package func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 1536)
        json.object { write(to: &$0) }
        return json.bytes
    }

    /// The members alone, for whoever has more to say in the same object.
    package func write(to json: inout JSONWriter) {
        json.member("schema", Self.schema)
        json.member("id", id)
        json.member("time", time)
        json.member("node", node)
        json.member("interface", interface)
        json.member("direction", direction.id)
        json.member("source.address", sourceAddress.description)
        json.member("source.port", Int(sourcePort))
        json.member("source.prefix", sourcePrefix.description)
        if let proxy { json.member("network.peer.address", proxy.description) }
        json.member("destination.address", destinationAddress.description)
        json.member("destination.port", Int(destinationPort))
        json.member("network.transport", transport.id)
        if let communityID { json.member("network.community_id", communityID) }
        json.member("workload", workload)
        json.member("anomalies", anomalies.list.map(\.id))
        json.member("severity", severity.id)
        json.member("completeness", completeness.id)
        json.member("proof", proof.id)
        if reach != .source { json.member("reach", reach.id) }
        json.member("tls.client.server_name", serverName)
        json.member("tls.client.version", version)
        json.member("tls.client.alpn", alpn)
        json.member("tls.client.ja3", ja3)
        json.member("tls.client.ja4", ja4)
        if !groups.isEmpty { json.member("tls.client.supported_groups", groups) }
        if !keyShares.isEmpty { json.member("tls.client.key_shares", keyShares) }
        if let encryptedHello { json.member("tls.client.ech", encryptedHello.rawValue) }
        json.member("action", action.rawValue)
        if let limit {
            json.object("limit") { json in
                json.member("class", limit.limitClass.id)
                json.member("per_second", limit.perSecond)
                json.member("answer", limit.answer.id)
                json.member("until", limit.until)
                json.member("enforced", limit.enforced)
            }
        } else {
            json.null("limit")
        }
        json.object("counts") { json in
            json.member("since", counts.since)
            json.member("seen", counts.seen)
            json.member("suppressed", counts.suppressed)
            json.member("reset", counts.reset)
            json.member("dropped", counts.dropped)
            if counts.wouldRefuse > 0 { json.member("would_refuse", counts.wouldRefuse) }
            if counts.sources > 0 { json.member("sources", counts.sources) }
        }
        json.member("enforced_by", enforcedBy.rawValue)
        json.object("latency_us") { json in
            json.member("seen_to_decided", seenToDecided)
            json.member("seen_to_enforced", seenToEnforced)
        }
        json.object("policy") { json in
            json.member("name", policyName)
            json.member("version", policyVersion)
        }
        if isRehearsal { json.member("rehearsal", true) }
        json.member("trace_id", traceID)
    }

    /// For the record that carries this event.
    package var headers: [(name: String, value: String)] {
        cloudEventHeaders(id: id, source: node, type: Self.type, time: time, traceID: traceID)
    }
}

extension Limit {
    package static let schema = "weir.dev/limit/v1"
    package static let type = "dev.weir.limit.v1"

    package func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 640)
        json.object { write(to: &$0) }
        return json.bytes
    }

    package func write(to json: inout JSONWriter) {
        json.member("schema", Self.schema)
        json.member("prefix", key.prefix.description)
        json.member("class", key.limitClass.id)
        json.member("per_second", perSecond)
        json.member("answer", answer.id)
        json.member("until", until)
        json.member("step", step)
        json.member("scope", scope)
        json.member("origin", origin.rawValue)
        json.member("generation", generation)
        if isRelease { json.member("released", true) }
        if isRehearsal { json.member("rehearsal", true) }
        if hasRefused { json.member("has_refused", true) }
        json.object("reason") { json in
            json.member("anomalies", anomalies.list.map(\.id))
            json.member("events_in_window", eventsInWindow)
            json.member("event_ids", eventIDs)
        }
        json.member("trace_id", traceID)
    }
}

extension ScaleDecision {
    package static let schema = "weir.dev/scale-decision/v1"
    package static let type = "dev.weir.scale-decision.v1"

    package func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 640)
        json.object { write(to: &$0) }
        return json.bytes
    }

    package func write(to json: inout JSONWriter) {
        json.member("schema", Self.schema)
        json.member("workload", workload)
        json.member("desired_replicas", desiredReplicas)
        json.member("previous_replicas", previousReplicas)
        json.member("mode", mode.rawValue)
        json.object("reason") { json in
            json.member("source.prefix", sourcePrefix.description)
            json.member("events_in_window", eventsInWindow)
            json.member("window_seconds", windowSeconds)
            json.member("more_than", moreThan)
            json.member("sources_over", sourcesOver)
        }
        json.member("until", until)
        json.member("generation", generation)
        json.member("trace_id", traceID)
    }
}

extension NodeStatus {
    package static let schema = "weir.dev/node-status/v1"
    package static let type = "dev.weir.node-status.v1"

    package func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 640)
        json.object { json in
            json.member("schema", Self.schema)
            json.member("time", time)
            json.member("node", node)
            json.member("started", started)
            json.member("version", version)
            json.member("mode", mode.rawValue)
            json.member("interfaces", interfaces)
            json.member("addresses", addresses.map(\.description))
            json.object("policy") { json in
                json.member("name", policyName)
                json.member("version", policyVersion)
            }
            json.object("limits") { json in
                json.member("next_offset", Int(nextOffset))
                json.member("held", held)
                json.member("lacking", lacking)
                json.array("lacks") { json in
                    for lack in lacks {
                        json.object { json in
                            json.member("key", lack.key.description)
                            json.member("reason", lack.reason.rawValue)
                        }
                    }
                }
                json.member("refused", refused)
            }
            bundles?.write(to: &json)
        }
        return json.bytes
    }

    /// For the record that carries it: a run's reports are told apart by when they were written.
    package var headers: [(name: String, value: String)] {
        cloudEventHeaders(id: "\(node):\(started.nanoseconds):\(time.nanoseconds)", source: node, type: Self.type, time: time, traceID: "")
    }
}
