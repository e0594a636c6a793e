internal import Front
internal import HTTP
internal import JSON

extension ClientCount {
    /// One line of a client's own counting.
    init?(line: some StringProtocol) {
        var parser = JSONParser(maximumSize: 4096, maximumItems: 16)
        let bytes = Array(line.utf8)
        do {
            self = try unsafe parser.object(bytes.span.bytes) { object throws(JSONError) in
                ClientCount(
                    attempted: try object.integer("attempted"), succeeded: try object.integer("succeeded"),
                    refused: try object.integer("refused"), most: try object.integer("most"))
            }
        } catch { return nil }
    }
}

/// What the agent says of itself at `/status`.
struct AgentStatus {
    struct Row {
        var address = ""
        var handshakes = 0
        var anomalous = 0
        var anomalies: [String] = []
        var incomplete = 0
        var admitted = 0
        var refused = 0
        var limitClass: String?
        var perSecond = 0
        var secondsLeft = 0
    }

    var node = ""
    var mode = ""
    var attach = ""
    var interfaces: [String] = []
    var balances = false
    var seen = 0
    var emitted = 0
    var lostRecords = 0
    var assembled = 0
    var reset = 0
    var p50: Int?
    var p99: Int?
    var count = 0
    var events = 0
    var lostEvents = 0
    var rows: [Row] = []

    static func isMissing(port: UInt16) -> Refusal {
        .cannot("no agent answers on 127.0.0.1:\(port); is weir-agent running, and is that the port of its --listen?")
    }

    /// `nil` while the agent does not answer.
    static func ask(port: UInt16) -> AgentStatus? {
        guard let bytes = fetch(port: port, path: "/status") else { return nil }
        var parser = JSONParser(maximumSize: 1 << 20, maximumItems: 4096)
        do {
            return try unsafe parser.object(bytes.span.bytes) { object throws(JSONError) in
                var status = AgentStatus()
                status.node = try object.string("node")
                status.mode = try object.string("mode")
                status.attach = try object.string("attach")
                status.interfaces = try object.strings("interfaces")
                status.balances = try object.boolean("balance")
                try object.object("counters") { counters throws(JSONError) in
                    status.seen = try counters.integer("handshakes_seen")
                    status.emitted = try counters.integer("records_emitted")
                    status.lostRecords = try counters.integer("records_lost")
                    status.reset = try counters.integer("handshakes_reset")
                    status.assembled = try counters.integer("hellos_assembled")
                }
                try object.object("ring_to_verdict_ns") { latency throws(JSONError) in
                    status.p50 = try latency.optionalInteger("p50")
                    status.p99 = try latency.optionalInteger("p99")
                    status.count = try latency.integer("count")
                }
                status.events = try object.integer("events")
                status.lostEvents = try object.integer("lost")
                try object.objects("sources") { source throws(JSONError) in
                    status.rows.append(
                        Row(
                            address: try source.string("address"), handshakes: try source.integer("handshakes"),
                            anomalous: try source.integer("anomalous"),
                            anomalies: try source.strings("anomalies"), incomplete: try source.integer("incomplete"),
                            admitted: try source.integer("admitted"),
                            refused: try source.integer("refused"), limitClass: try source.optionalString("limit_class"),
                            perSecond: try source.integer("per_second"),
                            secondsLeft: try source.integer("seconds_left")))
                }
                return status
            }
        } catch { return nil }
    }
}
