internal import Arguments
internal import Commands
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
    Program(controllerCommand, isOfMachine: { $0 is ClusterError }).serve([Signals.terminate, Signals.interrupt, Signals.hangUp]) { begun in
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

private func settings(_ arguments: Arguments<ControllerOptions>) throws -> Settings {
    let policy = try PolicySource(path: arguments.policy.policy, mode: arguments.policy.mode)
    let kafka = try brokers(arguments.service.brokers), grpc = arguments.grpc, identity = try credentials(arguments)
    let metrics = arguments.externalMetrics
    for (option, endpoint) in [("grpc", grpc), ("external-metrics", metrics)] {
        guard case .insecure = identity, let endpoint, !endpoint.isLoopback, !arguments.insecure else { continue }
        throw Refusal.wrong(
            "--\(option) \(endpoint): without TLS others can read and forge it: "
                + "give --tls-cert and --tls-key, or --insecure")
    }
    return Settings(
        policy: policy, kafka: kafka, listen: arguments.service.listen, grpc: grpc, identity: identity,
        metrics: metrics,
        tls: tls(identity), patches: arguments.kubernetes, heedsRehearsals: arguments.rehearsals,
        otlp: try receiver(arguments),
        startupTrace: arguments.startupTrace)
}

private func receiver(_ arguments: Arguments<ControllerOptions>) throws -> Receiver? {
    guard let url = arguments.otlp else {
        for (option, value) in [("otlp-headers", arguments.otlpHeaders), ("otlp-ca", arguments.otlpAuthority)] where value != nil {
            throw Refusal.wrong("--\(option) is about --otlp, which is wanted with it")
        }
        return nil
    }
    func read(_ option: String, _ path: String) throws -> String {
        guard let text = File.read(path, limit: 1 << 20) else { throw Refusal.wrong("--\(option) \(path): cannot be read") }
        return text
    }
    var headers: [String] = []
    if let path = arguments.otlpHeaders {
        headers = try read("otlp-headers", path).split(separator: "\n").map(String.init)
        for (index, line) in headers.enumerated() where line.split(separator: ":", maxSplits: 1).count != 2 || line.hasPrefix(" ") {
            throw Refusal.wrong("--otlp-headers \(path):\(index + 1): no header; NAME: VALUE is expected")
        }
    }
    if let path = arguments.otlpAuthority, !(try read("otlp-ca", path).contains("-----BEGIN")) {
        throw Refusal.wrong("--otlp-ca \(path): is no PEM file")
    }
    return Receiver(url: url, headers: headers, authority: arguments.otlpAuthority)
}

/// The same identity, for external metrics.
private func tls(_ identity: Credentials) -> TLS? {
    guard case .tls(let chain, let key, let authority) = identity else { return nil }
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    return TLS(certificateChain: text(chain), privateKey: text(key), clientAuthority: authority.map(text))
}

/// TLS when both files are given, plain text when neither is.
private func credentials(_ arguments: Arguments<ControllerOptions>) throws -> Credentials {
    func read(_ option: String, _ path: String?) throws -> [UInt8]? {
        guard let path else { return nil }
        guard let text = File.read(path, limit: 1 << 20), text.contains("-----BEGIN") else {
            throw Refusal.wrong("--\(option) \(path): cannot be read, or is no PEM file")
        }
        return Array(text.utf8)
    }
    let chain = try read("tls-cert", arguments.certificate), key = try read("tls-key", arguments.key)
    let authority = try read("tls-client-ca", arguments.clientAuthority)
    switch (chain, key) {
    case (let chain?, let key?): return .tls(certificateChain: chain, privateKey: key, clientAuthority: authority)
    case (nil, nil) where authority == nil: return .insecure
    default: throw Refusal.wrong("--tls-cert and --tls-key go together, and --tls-client-ca with them")
    }
}
