internal import Requests

/// The API server; its certificate is verified by the cluster's authority. For one thread.
final class Client {
    typealias Answer = Requester.Answer

    private let cluster: Cluster
    private let requester: Requester

    init(_ cluster: Cluster) throws(ClusterError) {
        self.cluster = cluster
        do throws(Requester.Failure) { requester = try Requester() } catch { throw ClusterError(description: "\(error)") }
    }

    /// - Throws: when there was no answer at all.
    func request(
        _ method: String, _ path: String, _ body: String? = nil,
        type: String = "application/merge-patch+json"
    ) throws(ClusterError) -> Answer {
        var headers = ["Authorization: Bearer \(cluster.token)", "Accept: application/json"]
        if body != nil { headers.append("Content-Type: \(type)") }
        do throws(Requester.Failure) {
            return try requester.request(
                method, cluster.url + path, headers: headers, body: body.map { Array($0.utf8) }, authority: cluster.authority)
        } catch { throw ClusterError(description: "\(method) \(path): \(error)") }
    }
}
