internal import ControllerCore
internal import JSON
internal import Requests

/// The ledger in a ConfigMap of the controller's own namespace: it outlives the controller, and whoever acts next reads it.
extension Deployments {
    static let map = "weir-scaled"
    private var maps: String { "/api/v1/namespaces/\(cluster.namespace)/configmaps" }

    /// Empty where there is none, or where this account may not read it: then what an earlier life has scaled out stays as it is.
    func load(_ client: Client) throws(ClusterError) -> ScaleLedger {
        let path = "\(maps)/\(Self.map)", answer = try client.request("GET", path)
        switch answer.status {
        case 200: return try Self.ledger(answer.body)
        case 404: return ScaleLedger()
        case 403:
            hear(.failed(workload: "all", Self.refusal("GET", path, answer)))
            return ScaleLedger()
        default: throw ClusterError(description: Self.refusal("GET", path, answer))
        }
    }

    /// Writes one entry, or takes it out. The map is made with the first one.
    func save(_ client: Client, _ workload: String, _ entry: ScaleLedger.Entry?) throws(ClusterError) {
        let value = entry.map { "\"\(ScaleLedger.text(of: $0))\"" } ?? "null"
        let data = "\"data\":{\"\(ScaleLedger.key(of: workload))\":\(value)}", path = "\(maps)/\(Self.map)"
        let patch = try client.request("PATCH", path, "{\(data)}")
        if (200..<300).contains(patch.status) || (patch.status == 404 && entry == nil) { return }
        guard patch.status == 404 else { throw ClusterError(description: Self.refusal("PATCH", path, patch)) }
        let head = "\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"\(Self.map)\"}"
        let made = try client.request("POST", maps, "{\(head),\(data)}", type: "application/json")
        guard (200..<300).contains(made.status) else { throw ClusterError(description: Self.refusal("POST", maps, made)) }
    }

    private static func ledger(_ body: [UInt8]) throws(ClusterError) -> ScaleLedger {
        var parser = JSONParser(), texts: [(key: String, text: String)] = []
        do throws(JSONError) {
            unsafe try parser.object(body.span.bytes) { object throws(JSONError) in
                guard object.has("data") else { return }
                try object.object("data") { data throws(JSONError) in data.eachString { key, text in texts.append((key, text)) } }
            }
        } catch { throw ClusterError(description: "a ConfigMap that cannot be read: \(error)") }
        return ScaleLedger(texts)
    }
}
