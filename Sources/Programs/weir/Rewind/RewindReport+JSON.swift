internal import Messages
internal import Units
internal import Vocabulary

// An object a line, by manifests/schemas/rewind.v1.schema.json.
extension RewindReport {
    private static let schema = "weir.dev/rewind/v1"

    /// - Parameter code: the exit code that goes with it.
    func json(code: Int) -> [String] { sources.map(line) + workloads.map(line) + rewind.missing.map(line) + [summary(code)] }

    private func object(_ kind: String, _ members: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter(capacity: 512)
        json.object { json in
            json.member("schema", Self.schema)
            json.member("kind", kind)
            members(&json)
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }

    private func line(_ one: Source) -> String {
        object("source") { json in
            json.member("source.address", one.address)
            json.member("change", one.change.rawValue)
            json.member("good", one.isGood)
            for (name, outcome) in [("before", one.before), ("after", one.after)] {
                json.object(name) { json in
                    json.member("hellos", outcome.hellos)
                    json.member("anomalies", outcome.anomalies.list.map(\.id))
                    json.member("limited", outcome.limited)
                    json.member("refused", outcome.refused)
                    if let first = outcome.firstLimited { json.member("first_limited", first) } else { json.null("first_limited") }
                }
            }
        }
    }

    private func line(_ one: Workload) -> String {
        object("workload") { json in
            json.member("workload", one.name)
            json.member("change", one.isNew ? "scaled" : one.isGone ? "not_scaled" : "otherwise")
            for (name, scaling) in [("before", one.before), ("after", one.after)] {
                json.object(name) { json in
                    json.member("decisions", scaling.decisions)
                    json.member("replicas", scaling.replicas)
                    if scaling.decisions > 0 { json.member("first", scaling.first) } else { json.null("first") }
                    json.member("sources", scaling.sources.sorted().map(\.description))
                }
            }
        }
    }

    private func line(_ one: Rewind.Missing) -> String {
        object("missing") { json in
            json.member("node", one.node)
            json.member("cause", one.cause.rawValue)
            if let count = one.count { json.member("count", count) } else { json.null("count") }
            if let from = one.from { json.member("from", from) } else { json.null("from") }
            if let to = one.to { json.member("to", to) } else { json.null("to") }
        }
    }

    private func summary(_ code: Int) -> String {
        object("summary") { json in
            json.member("before", titles.before)
            json.member("after", titles.after)
            json.member("nodes", rewind.nodeCount)
            json.member("records", rewind.records)
            json.member("judged", rewind.after.judged)
            json.member("not_watched", rewind.after.notWatched)
            json.member("without_hello", rewind.withoutHello)
            if let first = rewind.first { json.member("from", first) } else { json.null("from") }
            if let last = rewind.last { json.member("to", last) } else { json.null("to") }
            json.member("missing", rewind.missing.reduce(0) { $0 + ($1.count ?? 0) })
            json.member("unknown_policies", rewind.unknownPolicies.sorted())
            json.member("limited", count(.limited))
            json.member("let_go", count(.letGo))
            json.member("still_limited", count(.still))
            json.member("good_limited", hurt.count)
            json.member("workloads_scaled", workloads.count { $0.isNew })
            json.member("exit_code", code)
        }
    }
}
