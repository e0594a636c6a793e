internal import Arguments
internal import Detection
internal import Front
internal import GRPC
internal import HTTP
internal import Kubernetes
internal import Kafka
internal import Linux
internal import Log
internal import PolicyFile
internal import Startup

func run() {
    Program(.controller, isOfMachine: { $0 is ClusterError }).serve([Signals.terminate, Signals.interrupt, Signals.hangUp]) { begun in
        let settings = try settings(begun.arguments), log = begun.log
        begun.trace.phase("settings")
        let service = try begun.trace.components(writingTo: settings.startupTrace) {
            try Service.start(settings, trace: begun.trace, log: log)
        }
        let policy = settings.policy.current
        log.write(
            .info, "started",
            [
                ("version", version), ("kafka", settings.kafka.value(of: "bootstrap.servers") ?? ""), ("policy", policy.name),
                ("policy.version", policy.version),
                ("mode", policy.mode.rawValue), ("listen", "\(settings.listen.host):\(service.port)"),
                ("grpc", "\(settings.grpc.host):\(service.peers.port)")
            ])
        if let path = settings.startupTrace, !begun.trace.write(to: path) {
            log.write(.warning, "the start-up trace cannot be written", [("path", path), ("reason", "\(Errno.current)")])
        }
        filterSystemCalls(.controller, log)
        service.run(until: begun.signals)
    }
}

private func settings(_ arguments: Arguments) throws -> Settings {
    let policy = try PolicySource(path: arguments.text("policy"), mode: arguments.text("mode").flatMap { Policy.Mode(rawValue: $0) })
    let kafka = try brokers(arguments), grpc = arguments.endpoint("grpc")!, identity = try credentials(arguments)
    let metrics = arguments.endpoint("external-metrics")
    for (option, endpoint) in [("grpc", grpc), ("external-metrics", metrics)] {
        guard case .insecure = identity, let endpoint, !endpoint.isLoopback, !arguments.has("insecure") else { continue }
        throw Refusal.wrong(
            "--\(option) \(endpoint): without TLS others can read and forge it: "
                + "give --tls-cert and --tls-key, or --insecure")
    }
    return Settings(
        policy: policy, kafka: kafka, listen: arguments.endpoint("listen")!, grpc: grpc, identity: identity,
        metrics: metrics,
        tls: tls(identity), patches: arguments.has("kubernetes"), heedsRehearsals: arguments.has("rehearsals"),
        otlp: try receiver(arguments),
        startupTrace: arguments.text("startup-trace"))
}

private func receiver(_ arguments: Arguments) throws -> Receiver? {
    guard let url = arguments.text("otlp") else {
        for option in ["otlp-headers", "otlp-ca"] where arguments.has(option) {
            throw Refusal.wrong("--\(option) is about --otlp, which is wanted with it")
        }
        return nil
    }
    func read(_ option: String) throws -> String? {
        guard let path = arguments.text(option) else { return nil }
        guard let text = File.read(path, limit: 1 << 20) else {
            throw Refusal.wrong("--\(option) \(path): cannot be read")
        }
        return text
    }
    let headers = (try read("otlp-headers") ?? "").split(separator: "\n").map(String.init)
    for (index, line) in headers.enumerated() where line.split(separator: ":", maxSplits: 1).count != 2 || line.hasPrefix(" ") {
        throw Refusal.wrong("--otlp-headers \(arguments.text("otlp-headers")!):\(index + 1): no header; NAME: VALUE is expected")
    }
    if let text = try read("otlp-ca"), !text.contains("-----BEGIN") {
        throw Refusal.wrong("--otlp-ca \(arguments.text("otlp-ca")!): is no PEM file")
    }
    return Receiver(url: url, headers: headers, authority: arguments.text("otlp-ca"))
}

/// The same identity, for external metrics.
private func tls(_ identity: Credentials) -> TLS? {
    guard case .tls(let chain, let key, let authority) = identity else { return nil }
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    return TLS(certificateChain: text(chain), privateKey: text(key), clientAuthority: authority.map(text))
}

/// TLS when both files are given, plain text when neither is.
private func credentials(_ arguments: Arguments) throws -> Credentials {
    func read(_ option: String) throws -> [UInt8]? {
        guard let path = arguments.text(option) else { return nil }
        guard let text = File.read(path, limit: 1 << 20), text.contains("-----BEGIN") else {
            throw Refusal.wrong("--\(option) \(path): cannot be read, or is no PEM file")
        }
        return Array(text.utf8)
    }
    let chain = try read("tls-cert"), key = try read("tls-key"), authority = try read("tls-client-ca")
    switch (chain, key) {
    case (let chain?, let key?): return .tls(certificateChain: chain, privateKey: key, clientAuthority: authority)
    case (nil, nil) where authority == nil: return .insecure
    default: throw Refusal.wrong("--tls-cert and --tls-key go together, and --tls-client-ca with them")
    }
}
