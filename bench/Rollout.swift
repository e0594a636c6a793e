import Bundles
import Glibc
import Kafka
import Linux
import Messages
import Rollout
import Units

/// A node as far as bundles are concerned: what an agent's thread for them has.
private final class BundledNode {
    let follower: KafkaFollower
    var desk: BundleDesk

    init(_ kafka: KafkaConfiguration, _ name: String, _ key: BundleKey) throws {
        follower = try KafkaFollower(kafka, topics: [Topic.policies.name], name: name)
        desk = BundleDesk(node: name, keys: [key], floor: 0)
    }

    func read() {
        var offers: [BundleDesk.Offer] = []
        follower.drain(atMost: 16) { event in
            switch event {
            case .record(let record):
                // The copy is ours before the record goes.
                let document = record.withValue { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
                offers.append(BundleDesk.Offer(origin: "", document: document))
            default: break
            }
        }
        if !offers.isEmpty { _ = desk.consider(offers, at: Instant(nanoseconds: Clock.wall)) }
    }
}

private struct RolloutFailure: Error, CustomStringConvertible { let description: String }

/// How long a bundle takes to 100 nodes of one process, from the producer to the last that has verified and parsed it; what one costs.
func measureRollout(_ report: inout Report) throws {
    let nodeCount = 100, rounds = 20
    guard let key = PrivateKey(name: "bench") else { throw RolloutFailure(description: "no key") }
    let text = try String(decoding: BundleDirectory.read("manifests/policy.yaml"), as: UTF8.self)
    func bundle(_ sequence: Int) -> [UInt8] {
        let now = Instant(nanoseconds: Clock.wall)
        return Envelope.seal(
            PolicyBundle(
                name: "bench", sequence: sequence, signed: now, expires: now + .seconds(3600),
                content: .policy(text: text, canary: 100)), by: key)
    }

    var single = BundleDesk(node: "single", keys: [key.public], floor: 0), costs: [UInt64] = []
    for sequence in 1...200 {
        let offer = BundleDesk.Offer(origin: "", document: bundle(sequence)), start = Clock.threadCPU
        guard single.consider([offer], at: Instant(nanoseconds: Clock.wall)).first?.verdict == .runs else {
            throw RolloutFailure(description: "a bundle of ours was refused")
        }
        costs.append(Clock.threadCPU - start)
    }
    let size = bundle(1).count
    report.add("a bundle of \(size) bytes (the whole policy): verified, parsed, judged", "\(costs.quantile(0.5) / 1000) us p50")

    let broker = try MockBroker(), kafka = try KafkaConfiguration(bootstrap: broker.bootstrap).with("fetch.wait.max.ms", "20")
    let nodes = try (0..<nodeCount).map { try BundledNode(kafka, "node-\($0)", key.public) }
    let producer = try KafkaProducer(kafka, name: "weir-bench")
    var times: [UInt64] = []
    for sequence in 1...rounds + 1 {
        let document = bundle(sequence), start = Clock.monotonic
        _ = try producer.produce(topic: Topic.policies.name, key: "policy", value: document, headers: [], token: UInt64(sequence))
        while !nodes.allSatisfy({ $0.desk.book.running?.bundle.sequence == sequence }) {
            guard Clock.monotonic - start < 30_000_000_000 else { throw RolloutFailure(description: "not on every node within 30 s") }
            producer.drain { _ in }
            for node in nodes { node.read() }
            poll(nil, 0, 1)
        }
        // The first one waits for the clients to know their broker.
        if sequence > 1 { times.append(Clock.monotonic - start) }
    }
    report.add(
        "a bundle from the producer to the last of \(nodeCount) nodes of one process, built-in broker",
        "\(times.quantile(0.5) / 1_000_000) ms p50, \(times.quantile(1) / 1_000_000) ms at most")
}
