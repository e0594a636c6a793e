internal import Glibc
internal import Linux

/// Where the API server is and who we are to it, as every pod finds it (Kubernetes: "Accessing the API from within a Pod").
package struct Cluster: Sendable {
    let url: String
    let authority: String
    let tokenPath: String
    /// The pod's own.
    let namespace: String

    package static let folder = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// - Throws: in one line, what of it is missing.
    package init() throws(ClusterError) {
        func environment(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }
        guard let host = environment("KUBERNETES_SERVICE_HOST"), let port = environment("KUBERNETES_SERVICE_PORT") else {
            throw ClusterError(
                description:
                    "--kubernetes: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; it works inside a pod with a service account"
            )
        }
        url = "https://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        authority = "\(Self.folder)/ca.crt"
        tokenPath = "\(Self.folder)/token"
        namespace = (File.read("\(Self.folder)/namespace", limit: 256) ?? "").split(separator: "\n").first.map(String.init) ?? "default"
        for path in [authority, tokenPath] where File.read(path, limit: 1) == nil {
            throw ClusterError(
                description: "--kubernetes: \(path) cannot be read; the pod needs a service account (automountServiceAccountToken)")
        }
    }

    /// Read for each request: the kubelet renews it.
    var token: String { (File.read(tokenPath, limit: 1 << 16) ?? "").split(separator: "\n").first.map(String.init) ?? "" }
}

package struct ClusterError: Error, Sendable, CustomStringConvertible {
    package let description: String
}
