import Detection
import Glibc
import Kafka
import Messages
import Wire

/// weir-controller as a process, with files of its own.
final class ControllerProcess {
    let process: Process
    let port: Int

    /// - Parameter replica: its number in a group of several; one that is alone is let in at once where another was killed.
    init(_ broker: Broker, policy: String, log: String = Place.temporary("log"), replica: Int? = nil, arguments: [String] = []) throws {
        let configuration = Place.temporary("kafka.conf")
        write(configuration, replica.map { broker.properties(ofReplica: $0) } ?? broker.properties)
        port = Place.freePort()
        process = try Process(
            ["\(Place.programs)/weir-controller", "--kafka", broker.bootstrap, "--kafka-config", configuration, "--policy", policy, "--listen", "127.0.0.1:\(port)", "--grpc", "127.0.0.1:0"] + arguments, log: log)
    }

    /// The body of a page, by way of a client that is not ours; `nil` when it does not answer 200.
    func page(_ path: String) -> String? {
        let file = Place.temporary("page")
        defer { unlink(file) }
        return system("curl -sf -m 2 -o \(file) http://127.0.0.1:\(port)\(path)") == 0 ? read(file) : nil
    }

    /// Events that this life answered itself.
    var answered: Int {
        guard let considered = metric("weir_controller_events_total{outcome=\"considered\"}"), let replayed = metric("weir_controller_events_total{outcome=\"replayed\"}") else { return 0 }
        return considered - replayed
    }

    /// How many partitions of the events it answers.
    var partitions: Int { metric("weir_controller_partitions") ?? 0 }

    /// Where it answers Envoys and KEDA: the kernel has chosen the port, and the controller says which.
    var grpcPort: String? { process.output.split(separator: "\n").first { $0.contains(": started ") }?.split(separator: ":").last.map(String.init) }

    var isReady: Bool { page("/readyz") == "ok\n" }
    func metric(_ line: String) -> Int? { page("/metrics")?.split(separator: "\n").first { $0.hasPrefix("\(line) ") }.flatMap { Int($0.dropFirst(line.utf8.count + 1)) } }
}

/// A policy file whose workloads are this test's own, so that a broker with a past does not matter.
struct TestPolicy {
    let workloads: [String]
    let path = Place.temporary("policy.yaml")

    init(workloads count: Int, mode: String = "enforce") {
        let run = UInt32.random(in: 0 ... .max)
        workloads = (0..<count).map { "test/w\(run)-\($0)" }
        let targets = workloads.enumerated().map { "      - {match: {ports: [\(10_000 + $0.offset)]}, workload: \($0.element), min: 2, max: 30, step: 1, cooldown: 4s, budgetPerHour: 20}" }
        write(path, """
            apiVersion: weir.dev/v1alpha1
            kind: ThrottlePolicy
            metadata: {name: test}
            spec:
              mode: \(mode)
              scaleOut:
                window: 5m
                moreThan: 12
                targets:
            \(targets.joined(separator: "\n"))

            """)
    }
}

/// An attack on each workload by a source of its own, on the last one by a crowd, in event time around now.
struct Attack {
    let events: [ThrottleEvent]

    init(_ policy: TestPolicy, each count: Int, crowd: Int = 1) {
        let targets = policy.workloads + repeatElement(policy.workloads.last!, count: crowd - 1)
        let sources = targets.map { _ in Prefix(Address(ipv4: .random(in: 0x0b00_0000...0xdf00_0000)), length: 128) }
        let start = Instant(nanoseconds: Int64(time(nil)) * 1_000_000_000) - .seconds(25)
        let run = UInt32.random(in: 0 ... .max)
        events = (0..<count).flatMap { step in
            targets.indices.map { index in
                // Within the half minute around the broker's time in which an event's own is believed.
                let time = start + .milliseconds(50_000 * step / count)
                var event = ThrottleEvent(
                    id: "node-t:\(run):\(step * 100 + index)", time: time, node: "node-t", sourceAddress: sources[index].address, sourcePrefix: sources[index],
                    destinationAddress: Address(ipv4: 1), anomalies: AnomalySet(.missingSNI), severity: .high, traceID: "4bf92f3577b34da6a3ce929d0e0e4736")
                event.workload = targets[index]
                event.action = step == 0 ? .limited : .alreadyLimited
                event.limit = ThrottleEvent.Limit(limitClass: .anomalous, perSecond: 3, answer: .reset, until: time + .seconds(600), enforced: true)
                return event
            }
        }
    }

    var sources: Set<String> { Set(events.map(\.sourcePrefix.description)) }
}

extension KafkaProducer {
    /// Produces and waits for all reports.
    func deliver(_ events: some Collection<ThrottleEvent>) throws -> Bool {
        for (token, event) in events.enumerated() {
            _ = try produce(topic: Topic.events.name, key: event.sourcePrefix.description, value: event.encoded(), headers: event.headers, token: UInt64(token))
        }
        return eventually { drain { _ in }; return inFlight == 0 }
    }
}
