internal import ControllerCore
internal import Arguments
internal import Detection
internal import Glibc
internal import HTTP
internal import Kubernetes
internal import Linux
internal import Log
internal import Units
internal import Vocabulary

/// What is asked for and done in a cluster besides KEDA: an HPA's external metrics, and Deployments' scale.
final class Autoscalers {
    private let metrics: Metrics?
    let deployments: Deployments?
    private let wanted = Wanted()

    /// A server cannot be moved into an optional that a class holds; so a class holds it.
    private final class Metrics {
        let server: Server
        init(_ server: consuming Server) { self.server = server }
    }

    private final class Wanted { var replicas: [String: Int] = [:] }

    init(metrics endpoint: Endpoint?, tls: TLS?, patches: Bool, log: Log) throws {
        let wanted = wanted
        metrics = try endpoint.map { endpoint in
            Metrics(
                try Server(host: endpoint.host, port: endpoint.port, option: "--external-metrics", tls: tls) { request in
                    if request.path == "/healthz" { return Response(text: "ok\n") }
                    let (status, body) =
                        tls?.clientAuthority != nil && !request.isVerified
                        ? ExternalMetrics.forbidden()
                        : ExternalMetrics.answer(
                            request.path, selector: request.query("labelSelector"), wanted: wanted.replicas,
                            at: Instant(nanoseconds: Clock.wall))
                    return Response(status: status, contentType: "application/json", body: body)
                })
        }
        deployments =
            try patches
            ? Deployments(try Cluster()) { news in
                switch news {
                case .scaled(let workload, let from, let to):
                    log.write(.info, "scaled", [("workload", workload), ("from", "\(from)"), ("to", "\(to)")])
                case .failed(let workload, let reason): log.write(.error, "not scaled, tried again: \(reason)", [("workload", workload)])
                }
            } : nil
    }

    var port: UInt16? { metrics?.server.port }
    var descriptor: CInt? { metrics?.server.descriptor }
    var timeoutMilliseconds: Int? { metrics?.server.timeoutMilliseconds }
    func run() { metrics?.server.run() }

    /// - Parameters:
    ///   - inForce: by workload, the replicas of decisions in force, in enforcing mode.
    ///   - targets: the policy's, whose lowest count is wanted while there is no decision.
    ///   - isActing: one replica acts, the one that has the first partition of the events.
    func want(_ inForce: [String: Int], _ targets: [Policy.Target], isActing: Bool) {
        var all: [String: Int] = [:]
        for target in targets where all[target.workload] == nil { all[target.workload] = inForce[target.workload] ?? target.min }
        wanted.replicas = all
        guard let deployments else { return }
        if isActing { deployments.want(inForce) } else { deployments.forget() }
    }
}
