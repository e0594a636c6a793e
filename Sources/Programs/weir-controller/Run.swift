internal import Arguments
internal import Detection
internal import GRPC
internal import HTTP
internal import Kubernetes
internal import Glibc
internal import Kafka
internal import Linux
internal import Log
internal import PolicyFile
internal import Startup

let version = "0.1.0"

/// Exit codes: 0 well, 2 wrong use or input, 3 this machine cannot.
func run() {
    let trace = Trace(program: "weir-controller", version: version)
    let arguments: Arguments
    do {
        switch try Command.controller.parse(Array(CommandLine.arguments.dropFirst()), version: version) {
        case .show(let text): return print(text, terminator: "")
        case .run(let parsed): arguments = parsed
        }
    } catch { refuse("\(error)", code: 2) }
    keepFilesPrivate()
    let log = Log(program: "weir-controller", format: arguments.text("log") == "json" ? .json : .text)
    do {
        let signals = try Signals([Signals.terminate, Signals.interrupt, Signals.hangUp])
        let settings = try settings(arguments)
        trace.phase("settings")
        let service: Service
        do { service = try Service.start(settings, trace: trace, log: log) } catch {
            trace.phase("components")
            if let path = settings.startupTrace { _ = trace.write(to: path) }
            throw error
        }
        trace.phase("components")
        let policy = settings.policy.current
        log.write(
            .info, "started",
            [
                ("version", version), ("kafka", settings.kafka.value(of: "bootstrap.servers") ?? ""), ("policy", policy.name),
                ("policy.version", policy.version),
                ("mode", policy.mode.rawValue), ("listen", "\(settings.listen.host):\(service.port)"),
                ("grpc", "\(settings.grpc.host):\(service.peers.port)")
            ])
        if let path = settings.startupTrace, !trace.write(to: path) {
            log.write(.warning, "the start-up trace cannot be written", [("path", path), ("reason", "\(Errno.current)")])
        }
        // All threads are there by now; whichever comes later inherits it.
        do throws(Errno) { try SystemCalls.keep(.controller) } catch { log.write(.warning, "system calls are not filtered: \(error)") }
        service.run(until: signals)
    } catch let error as Refusal { refuse(error.description, code: error.code) } catch let failure as Startup.Failure {
        let refusal = failure.error as? Refusal
        refuse("\(refusal == nil ? "weir-controller: " : "")\(failure)", code: refusal?.code ?? (failure.error is ClusterError ? 3 : 2))
    } catch { refuse("weir-controller: \(error)", code: 2) }
}

private func settings(_ arguments: Arguments) throws -> Settings {
    let policy = try PolicySource(path: arguments.text("policy"), mode: arguments.text("mode").flatMap { Policy.Mode(rawValue: $0) })
    let kafka = try kafkaConfiguration(arguments), grpc = arguments.endpoint("grpc")!, identity = try credentials(arguments)
    let metrics = arguments.endpoint("external-metrics")
    for (option, endpoint) in [("grpc", grpc), ("external-metrics", metrics)] {
        guard case .insecure = identity, let endpoint, !endpoint.isLoopback, !arguments.has("insecure") else { continue }
        throw Refusal(
            description: "weir-controller: --\(option) \(endpoint): without TLS others can read and forge it: "
                + "give --tls-cert and --tls-key, or --insecure",
            code: 2)
    }
    return Settings(
        policy: policy, kafka: kafka, listen: arguments.endpoint("listen")!, grpc: grpc, identity: identity,
        metrics: metrics,
        tls: tls(identity), patches: arguments.has("kubernetes"), heedsRehearsals: arguments.has("rehearsals"),
        otlp: try receiver(arguments),
        startupTrace: arguments.text("startup-trace"))
}

/// Why the program does not start, in one line.
struct Refusal: Error, CustomStringConvertible {
    let description: String
    let code: CInt
}

private func kafkaConfiguration(_ arguments: Arguments) throws -> KafkaConfiguration {
    var kafka =
        try arguments.text("kafka").map { bootstrap throws(KafkaConfiguration.Problem) in try KafkaConfiguration(bootstrap: bootstrap) }
        ?? KafkaConfiguration()
    if let file = arguments.text("kafka-config") { try kafka.load(file) }
    guard kafka.value(of: "bootstrap.servers") != nil else {
        throw Refusal(
            description: "weir-controller: no broker: --kafka HOST:PORT is wanted, or bootstrap.servers in the file of --kafka-config",
            code: 2)
    }
    return kafka
}

private func receiver(_ arguments: Arguments) throws -> Receiver? {
    guard let url = arguments.text("otlp") else {
        for option in ["otlp-headers", "otlp-ca"] where arguments.has(option) {
            throw Refusal(description: "weir-controller: --\(option) is about --otlp, which is wanted with it", code: 2)
        }
        return nil
    }
    func read(_ option: String) throws -> String? {
        guard let path = arguments.text(option) else { return nil }
        guard let text = File.read(path, limit: 1 << 20) else {
            throw Refusal(description: "weir-controller: --\(option) \(path): cannot be read", code: 2)
        }
        return text
    }
    let headers = (try read("otlp-headers") ?? "").split(separator: "\n").map(String.init)
    for (index, line) in headers.enumerated() where line.split(separator: ":", maxSplits: 1).count != 2 || line.hasPrefix(" ") {
        throw Refusal(
            description:
                "weir-controller: --otlp-headers \(arguments.text("otlp-headers")!):\(index + 1): no header; NAME: VALUE is expected",
            code: 2)
    }
    if let text = try read("otlp-ca"), !text.contains("-----BEGIN") {
        throw Refusal(description: "weir-controller: --otlp-ca \(arguments.text("otlp-ca")!): is no PEM file", code: 2)
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
            throw Refusal(description: "weir-controller: --\(option) \(path): cannot be read, or is no PEM file", code: 2)
        }
        return Array(text.utf8)
    }
    let chain = try read("tls-cert"), key = try read("tls-key"), authority = try read("tls-client-ca")
    switch (chain, key) {
    case (let chain?, let key?): return .tls(certificateChain: chain, privateKey: key, clientAuthority: authority)
    case (nil, nil) where authority == nil: return .insecure
    default: throw Refusal(description: "weir-controller: --tls-cert and --tls-key go together, and --tls-client-ca with them", code: 2)
    }
}

private func refuse(_ message: String, code: CInt) -> Never {
    Log.lastWords(message)
    exit(code)
}
