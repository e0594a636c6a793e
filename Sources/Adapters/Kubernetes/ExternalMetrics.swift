internal import Messages
package import Units

/// `external.metrics.k8s.io/v1beta1`, as an HPA asks for it: the replicas that a workload wants, for a target of one (AverageValue).
///
/// `/apis/external.metrics.k8s.io/v1beta1/namespaces/NS/weir-replicas?labelSelector=workload=NAME`, with discovery above it. A cluster has one server of
/// this group: where KEDA is, that is KEDA's, and its external scaler is the way.
package enum ExternalMetrics {
    package static let group = "external.metrics.k8s.io", version = "v1beta1", metric = "weir-replicas"

    /// - Parameters:
    ///   - selector: the query's labelSelector, decoded.
    ///   - wanted: replicas by `namespace/name`.
    package static func answer(_ path: String, selector: String?, wanted: [String: Int], at now: Instant) -> (status: Int, body: [UInt8]) {
        let parts = path.split(separator: "/").map(String.init)
        var json = JSONWriter()
        switch parts {
        case ["apis"]: groups(&json)
        case ["apis", group]: oneGroup(&json)
        case ["apis", group, version]: resources(&json)
        case _ where parts.count == 6 && parts.starts(with: ["apis", group, version, "namespaces"]):
            guard parts[5] == metric else { return failure(404, "NotFound", "there is no metric \(parts[5]); there is \(metric)") }
            guard let name = workload(selector) else {
                return failure(400, "BadRequest", "the labelSelector is to be workload=NAME, or none")
            }
            values(&json, namespace: parts[4], name: name.isEmpty ? nil : name, wanted, now)
        default: return failure(404, "NotFound", "no such path")
        }
        return (200, json.bytes)
    }

    package static func forbidden() -> (status: Int, body: [UInt8]) {
        failure(403, "Forbidden", "only the API server's aggregator is answered: a client certificate of --tls-client-ca is wanted")
    }

    private static func groups(_ json: inout JSONWriter) {
        json.object { json in
            json.member("kind", "APIGroupList")
            json.member("apiVersion", "v1")
            json.array("groups") { json in json.object { group(&$0, isTop: false) } }
        }
    }

    private static func oneGroup(_ json: inout JSONWriter) { json.object { group(&$0, isTop: true) } }

    private static func group(_ json: inout JSONWriter, isTop: Bool) {
        if isTop {
            json.member("kind", "APIGroup")
            json.member("apiVersion", "v1")
        }
        json.member("name", group)
        func one(_ json: inout JSONWriter) {
            json.member("groupVersion", "\(group)/\(version)")
            json.member("version", version)
        }
        json.array("versions") { json in json.object { one(&$0) } }
        json.object("preferredVersion") { one(&$0) }
    }

    private static func resources(_ json: inout JSONWriter) {
        json.object { json in
            json.member("kind", "APIResourceList")
            json.member("apiVersion", "v1")
            json.member("groupVersion", "\(group)/\(version)")
            json.array("resources") { json in
                json.object { json in
                    json.member("name", metric)
                    json.member("singularName", "")
                    json.member("namespaced", true)
                    json.member("kind", "ExternalMetricValueList")
                    json.member("verbs", ["get"])
                }
            }
        }
    }

    private static func values(_ json: inout JSONWriter, namespace: String, name: String?, _ wanted: [String: Int], _ now: Instant) {
        json.object { json in
            json.member("kind", "ExternalMetricValueList")
            json.member("apiVersion", "\(group)/\(version)")
            json.object("metadata") { _ in }
            json.array("items") { json in
                for (workload, replicas) in wanted.sorted(by: { $0.key < $1.key }) {
                    let parts = workload.split(separator: "/").map(String.init)
                    guard parts.count == 2, parts[0] == namespace, name == nil || parts[1] == name else { continue }
                    json.object { json in
                        json.member("metricName", metric)
                        json.object("metricLabels") { $0.member("workload", parts[1]) }
                        json.member("timestamp", now.rfc3339)
                        json.member("value", "\(replicas)")
                    }
                }
            }
        }
    }

    /// The name that is asked for; empty: any. `nil`: what cannot be answered.
    private static func workload(_ selector: String?) -> String? {
        guard let selector, !selector.isEmpty else { return "" }
        let parts = selector.split(separator: "=", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0] == "workload", !parts[1].contains(","), !parts[1].contains("!") else { return nil }
        return String(parts[1])
    }

    private static func failure(_ status: Int, _ reason: String, _ message: String) -> (status: Int, body: [UInt8]) {
        var json = JSONWriter()
        json.object { json in
            json.member("kind", "Status")
            json.member("apiVersion", "v1")
            json.member("status", "Failure")
            json.member("message", message)
            json.member("reason", reason)
            json.member("code", status)
        }
        return (status, json.bytes)
    }
}
