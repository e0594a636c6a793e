import Glibc
import JSON
import Kafka
import Messages
import Testing
import Units

/// Apache Kafka with TLS and passwords, and what is wrong with a configuration that it refuses.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: BrokerKind.apache.missing == nil, "\(BrokerKind.apache.missing ?? "")"))
struct TroubleTests {
    @Test("What is wrong with a configuration is one line of the doctor's, with what to do")
    func doctor() throws {
        let directory = Place.temporary("secure"), port = Place.freePorts(4),
            script = "\(Place.environment("WEIR_KAFKA_DISTRIBUTION")!)/kafka.sh"
        mkdir(directory, 0o700)
        defer { system("bash \(script) kill \(directory); rm -rf \(directory)") }
        try #require(system("bash \(script) start-secure \(directory) \(port) >/dev/null 2>&1") == 0)
        system(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=other -keyout \(directory)/other.key -out \(directory)/other.pem 2>/dev/null"
        )
        let password = read("\(directory)/password"), authority = "ssl.ca.location=\(directory)/ca.pem\n"
        let sasl = "bootstrap.servers=127.0.0.1:\(port + 2)\nsecurity.protocol=SASL_SSL\nsasl.username=weir\n",
            mutual = "bootstrap.servers=127.0.0.1:\(port + 3)\nsecurity.protocol=SSL\n"
        for (properties, parts) in [
            (
                sasl + authority + "sasl.mechanisms=PLAIN\nsasl.password=wrong\n",
                ["✗ Kafka at ", "Invalid username or password", "check sasl.username, sasl.password"]
            ),
            (
                sasl + authority + "sasl.mechanisms=SCRAM-SHA-256\nsasl.password=\(password)\n",
                ["✗ Kafka at ", "set sasl.mechanisms to one that the broker supports"]
            ),
            (
                sasl + "sasl.mechanisms=PLAIN\nsasl.password=\(password)\n",
                ["✗ Kafka at ", "certificate verify failed", "ssl.ca.location must name"]
            ),
            (mutual + authority, ["✗ Kafka at ", "the broker refuses this client's certificate"]),
            (
                mutual + authority + "ssl.certificate.location=\(directory)/other.pem\nssl.key.location=\(directory)/other.key\n",
                ["✗ Kafka at ", "the broker refuses this client's certificate"]
            ),
            ("bootstrap.servers=127.0.0.1:\(port + 3)\n", ["✗ Kafka at ", "check security.protocol"]),
            (
                "bootstrap.servers=127.0.0.1:\(port)\nsecurity.protocol=SSL\n" + authority,
                ["✗ Kafka at ", "does not speak TLS as expected: check security.protocol"]
            ),
            (
                sasl + authority + "sasl.mechanisms=PLAIN\nsasl.password=\(password)\n",
                ["✓ Kafka at ", "– topics", "weir-controller makes missing topics"]
            ),
            (
                mutual + authority + "ssl.certificate.location=\(directory)/client.pem\nssl.key.location=\(directory)/client.key\n",
                ["✓ Kafka at ", "– topics"]
            )
        ] {
            let file = Place.temporary("kafka.conf")
            write(file, properties)
            let said = output(of: ["sh", "-c", "\(Place.programs)/weir doctor --kafka-config \(file) || true"]) ?? ""
            let lines = said.split(separator: "\n").filter { $0.contains("Kafka at") || $0.contains("topic") }
            for part in parts { #expect(lines.contains { $0.contains(part) }, "\(part): \(said)") }
            #expect(lines.filter { $0.contains("Kafka at") }.count == 1 && !said.contains("brokers are down"), "\(said)")
        }
    }

    @Test("A limits topic that somebody deletes is made again, and the limits that stand are on it again")
    func anew() throws {
        let broker = try Broker(.apache), policy = TestPolicy(workloads: 1),
            producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        let controller = try ControllerProcess(broker, policy: policy.path)
        try #require(eventually { controller.isReady })
        let start = Instant.now, sources = (0..<5).map { _ in Source(attacking: policy.workloads[0]) }
        #expect(try producer.deliver(sources.map { $0.event(0, at: start, until: start + .seconds(600)) }))
        let before = try broker.limits { $0.count == 5 }
        #expect(before.count == 5)
        let script = "\(Place.environment("WEIR_KAFKA_DISTRIBUTION")!)/kafka.sh"
        try #require(
            system("bash \(script) topics --bootstrap-server \(broker.bootstrap) --delete --topic \(Topic.limits.name) >/dev/null 2>&1")
                == 0)
        try #require(
            eventually(within: 60) { (controller.metric("weir_controller_outputs_total{decision=\"limit_republished\"}") ?? 0) == 5 },
            "\(controller.process.output)")
        let after = try broker.limits { $0.count >= 5 }
        func sorted(_ limits: [Limit]) -> [Limit] { limits.sorted { $0.key.prefix < $1.key.prefix } }
        #expect(
            sorted(after).map(\.key) == sorted(before).map(\.key) && sorted(after).map(\.until) == sorted(before).map(\.until)
                && sorted(after).map(\.traceID) == sorted(before).map(\.traceID))
        let said = controller.process.output
        #expect(
            said.contains("a topic was made anew topic=\(Topic.limits.name)") && said.contains("topic created topic=\(Topic.limits.name)"),
            "\(said)")
        #expect(controller.process.terminate().code == 0)
    }
}
