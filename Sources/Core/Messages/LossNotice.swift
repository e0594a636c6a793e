package import Units

/// That a node has lost something, and how much of what, by cause: said once the way to Kafka is free again, at most once in ten seconds.
/// On `security-throttle-events`, keyed by the node's name (schema `weir.dev/loss/v1`), with a CloudEvents type of its own: who reads
/// throttle events passes it over.
package struct LossNotice: Sendable, Equatable {
    package enum What: String, Sendable, CaseIterable { case records, events }

    package struct Loss: Sendable, Equatable {
        package var what: What
        /// A term of the node's account, such as `ring_full` or `spool_full` (docs/node.md, "Accounts").
        package var cause: String
        package var count: Int
        package init(what: What, cause: String, count: Int) {
            self.what = what
            self.cause = cause
            self.count = count
        }
    }

    /// `<node>:<boot id>:loss:<sequence>`.
    package var id: String
    package var time: Instant
    package var node: String
    /// The interval in which it was lost: nothing of it was when it began.
    package var since: Instant
    package var until: Instant
    /// At least one, and of each cause one.
    package var losses: [Loss]

    package init(id: String, time: Instant, node: String, since: Instant, until: Instant, losses: [Loss]) {
        self.id = id
        self.time = time
        self.node = node
        self.since = since
        self.until = until
        self.losses = losses
    }

    package func count(of what: What) -> Int { losses.filter { $0.what == what }.reduce(0) { $0 + $1.count } }

    package static let schema = "weir.dev/loss/v1"
    package static let type = "dev.weir.loss.v1"

    package func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 512)
        json.object { json in
            json.member("schema", Self.schema)
            json.member("id", id)
            json.member("time", time)
            json.member("node", node)
            json.member("since", since)
            json.member("until", until)
            json.array("losses") { json in
                for loss in losses {
                    json.object { json in
                        json.member("what", loss.what.rawValue)
                        json.member("cause", loss.cause)
                        json.member("count", loss.count)
                    }
                }
            }
        }
        return json.bytes
    }

    /// It belongs to no trace.
    package var headers: [(name: String, value: String)] {
        cloudEventHeaders(id: id, source: node, type: Self.type, time: time, traceID: "")
    }
}
