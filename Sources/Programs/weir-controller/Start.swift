internal import Arguments
internal import Front
internal import GRPC
internal import HTTP
internal import Kafka
internal import Kubernetes
internal import Linux
internal import Log
internal import Messages
internal import Startup

/// What the controller is started with: checked, and nothing opened yet.
struct Settings: Sendable {
    let policy: PolicySource
    let kafka: KafkaConfiguration
    let listen: Endpoint
    let grpc: Endpoint
    let identity: Credentials
    /// Where external metrics answer, over which TLS.
    let metrics: Endpoint?
    let tls: TLS?
    /// It patches Deployments.
    let patches: Bool
    let heedsRehearsals: Bool
    let otlp: Receiver?
    /// Where to write what the start-up took.
    let startupTrace: String?
}

/// An OpenTelemetry receiver.
struct Receiver: Sendable {
    let url: String
    let headers: [String]
    let authority: String?
}

/// The handles of Kafka's library that the service has.
struct Clients: Sendable {
    let outbox = Provision<Outbox>("producer")
    let follower = Provision<KafkaFollower>("follower")
    let consumer = Provision<KafkaConsumer>("consumer")
}

// The controller's start-up as a graph: three handles of Kafka's library, gRPC, pages and Kubernetes know nothing of each other.
extension Service {
    /// As many components run at once.
    private static let startLimit = 4

    static func start(_ settings: Settings, trace: Trace, log: Log) throws -> Service {
        let clients = Clients(), peers = Provision<Peers>("grpc"), web = Provision<Web>("pages")
        let autoscalers = Provision<Autoscalers>("autoscalers"), service = Provision<Service>("service")
        var startup = Startup(limit: startLimit, trace: trace)
        startup.add("grpc", provides: [peers]) { _ in
            peers.fill(try Peers(settings.grpc.description, credentials: settings.identity, log: log))
        }
        startup.add("pages", provides: [web]) { _ in web.fill(try Web(settings.listen)) }
        startup.add("autoscalers", provides: [autoscalers]) { _ in
            autoscalers.fill(try Autoscalers(metrics: settings.metrics, tls: settings.tls, patches: settings.patches, log: log))
        }
        // A second controller is refused before it joins the group or reads a topic.
        startup.add("producer", requires: [web, peers], provides: [clients.outbox]) { _ in
            clients.outbox.fill(try Outbox(settings.kafka))
        }
        startup.add("follower", requires: [web, peers], provides: [clients.follower]) { _ in
            clients.follower.fill(
                try KafkaFollower(
                    settings.kafka, topics: [Topic.limits.name, Topic.decisions.name],
                    name: "weir-controller", patience: 500))
        }
        startup.add("consumer", requires: [web, peers], provides: [clients.consumer]) { _ in
            clients.consumer.fill(try KafkaConsumer(settings.kafka, group: "weir-controller", name: "weir-controller"))
        }
        startup.add(
            "service", requires: [clients.outbox, clients.follower, clients.consumer, web, peers, autoscalers],
            provides: [service]
        ) { _ in
            service.fill(
                Service(
                    policy: settings.policy, clients: clients, web: web.take(), peers: peers.take(), autoscalers: autoscalers.take(),
                    heedsRehearsals: settings.heedsRehearsals,
                    tracing: try settings.otlp.map { try Tracing($0, log) }, log: log))
        }
        try startup.run()
        return service.take()
    }
}
