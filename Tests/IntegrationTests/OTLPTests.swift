import Glibc
import Kafka
import Messages
import Testing
import Units
import Vocabulary

/// A real OpenTelemetry receiver (PyPI rotel), which prints what it takes.
private final class Receiver {
    let port: Int
    private let log = Place.temporary("rotel")
    private var process: Process?

    init() { port = Place.freePorts(2) }

    static let program: String? = {
        let folders = output(of: ["sh", "-c", "echo '\(Place.root)'/.deps/venv/lib/python3*/site-packages/rotel/rotel-agent"])
        return folders.flatMap { access($0, X_OK) == 0 ? $0 : nil }
    }()

    func start() throws {
        process = try Process(
            [
                Self.program!, "start", "--otlp-http-endpoint", "127.0.0.1:\(port)", "--otlp-grpc-endpoint", "127.0.0.1:\(port + 1)",
                "--exporter", "blackhole", "--debug-log", "traces", "--debug-log", "logs", "--debug-log-verbosity", "detailed"
            ], log: log)
    }

    struct Span: Hashable {
        var service = "", trace = "", parent = "", id = "", name = ""
    }

    private var lines: [Substring] { (process?.output ?? "").split(separator: "\n") }

    /// Each span that was taken, once.
    var spans: Set<Span> {
        var all: Set<Span> = [], service = "", span = Span()
        for line in lines {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.drop { $0 == " " } }
            guard let name = parts.first else { continue }
            let value = parts.count > 1 ? String(parts[1]) : ""
            if name.hasPrefix("-> service.name") { service = String(value.dropFirst(4).dropLast()) }
            if name.hasPrefix("Span #") { span = Span(service: service) }
            if name.hasPrefix("Trace ID ") { span.trace = value }
            if name.hasPrefix("Parent ID") { span.parent = value }
            if name.hasPrefix("ID ") { span.id = value }
            if name.hasPrefix("Name ") {
                span.name = value
                all.insert(span)
            }
        }
        return all
    }

    var hasLogs: Bool { lines.contains { $0.contains("ResourceLogs") || $0.contains("LogRecord #") } }
    var text: String { process?.output ?? "" }
}

@Suite(
    .serialized, .timeLimit(.minutes(3)),
    .enabled(if: Receiver.program != nil && !BrokerKind.availableAndEmpty.isEmpty, "no rotel, or no broker of our own"))
struct OTLPTests {
    private let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    @Test(
        "One detection is one trace at a real receiver, from packet to push; one that is away costs its part and nothing else"
    )
    func story() throws {
        let kind = try #require(BrokerKind.availableAndEmpty.first { $0 != .apache })
        let broker = try Broker(kind), producer = try KafkaProducer(try broker.configuration(), name: "weir-test"),
            policy = TestPolicy(workloads: 1, first: "1h"), receiver = Receiver()
        let attacker = Source(attacking: policy.workloads[0])
        let controller = try ControllerProcess(
            broker, policy: policy.path, arguments: ["--otlp", "http://127.0.0.1:\(receiver.port)"])
        let group = try Group(broker)
        try #require(eventually { controller.isReady })
        func count(_ outcome: String) -> Int { controller.metric("weir_controller_otlp_total{outcome=\"\(outcome)\"}") ?? -1 }
        let start = Instant.now - .seconds(20), end = start + .seconds(3600)

        // Nobody listens there: what is told is refused, and the limit is published all the same.
        #expect(try producer.deliver([attacker.event(0, at: start, until: end)]))
        try #require(eventually { group.hasAnsweredEverything }, "\(controller.process.output)")
        try #require(eventually { count("refused") > 0 }, "\(controller.process.output)")
        #expect(controller.process.output.contains("the OpenTelemetry receiver does not take what it is told"))
        #expect(count("delivered") == 0 && count("queue_full") == 0)

        try receiver.start()
        #expect(try producer.deliver((1..<14).map { attacker.event($0, at: start + .seconds($0), until: end) }))
        try #require(eventually { group.hasAnsweredEverything }, "\(controller.process.output)")
        // Of the events the agent's part, of the decision its publication.
        func names(_ service: String) -> [String] { receiver.spans.filter { $0.service == service }.map(\.name) }
        try #require(eventually { names("weir-controller").contains("publish") && receiver.hasLogs }, "\(receiver.text)")
        let spans = receiver.spans
        #expect(spans.allSatisfy { $0.trace == trace })
        #expect(Set(names("weir-agent")).isSuperset(of: ["handshake", "decide", "deliver"]))
        #expect(Set(names("weir-controller")).isSuperset(of: ["controller", "decide", "publish"]))
        // A tree: each span's parent is one of the trace's, and the packet's is the root.
        let roots = spans.filter { $0.parent.isEmpty }
        #expect(roots.count == 1 && roots.first?.name == "handshake" && roots.first?.service == "weir-agent", "\(roots)")
        #expect(spans.allSatisfy { span in span.parent.isEmpty || spans.contains { $0.id == span.parent } }, "\(spans)")
        #expect(receiver.text.contains("weir.anomalies") && receiver.text.contains("missing_sni"))
        #expect(count("delivered") > 0)

        // An operator's limit comes to Envoys by the topic: the push has a span, too.
        let added = try Process(
            ["\(Place.programs)/weir", "limits", "add", "203.0.113.9/32", "--kafka", broker.bootstrap], log: Place.temporary("add"))
        #expect(added.wait() == 0, "\(added.output)")
        #expect(eventually { receiver.spans.contains { $0.name == "push" } }, "\(controller.process.output)")
        #expect(controller.process.terminate().code == 0)
    }

    @Test(
        "What is wrong with its options is said in one line",
        arguments: [
            (["--otlp", "collector:4318"], "--otlp"), (["--otlp-ca", "/dev/null"], "--otlp-ca is about --otlp"),
            (["--otlp", "http://localhost:4318", "--otlp-headers", "/nowhere"], "--otlp-headers /nowhere: cannot be read"),
            (["--otlp", "https://localhost:4318", "--otlp-ca", "/dev/null"], "--otlp-ca /dev/null: is no PEM file")
        ])
    func options(words: [String], says: String) throws {
        let process = try Process(
            ["\(Place.programs)/weir-controller", "--kafka", "127.0.0.1:1"] + words, log: Place.temporary("options"))
        #expect(process.wait() == 2 && process.output.contains(says), "\(process.output)")
    }
}
