internal import AgentCore
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Units

/// The nodes topic, read whole for the other nodes' addresses. A client of its own, so that nothing that is wrong with this topic
/// holds up the limits.
final class NodesReader {
    private let follower: KafkaFollower
    private var reader = MessageReader()
    private(set) var addresses = NodeAddresses()
    private let node: String

    init(_ kafka: KafkaConfiguration, node: String) throws(KafkaError) {
        self.node = node
        follower = try KafkaFollower(kafka, topics: [Topic.nodes.name], name: node)
    }

    /// A tick's records, so that the loop's turn stays short.
    func read(at now: Instant) {
        // What Kafka has to say of itself the publisher says; who may not read this topic knows its own addresses only.
        follower.drain(atMost: 256) { event in
            switch event {
            case .record(let record): take(record, at: now)
            case .madeAnew: addresses.forgetAll()
            default: break
            }
        }
    }

    private func take(_ record: borrowing KafkaRecord, at now: Instant) {
        guard record.key != node else { return }
        if record.isTombstone { return addresses.forget(record.key) }
        guard let status = record.withValue({ bytes in try? reader.nodeStatus(bytes) }), status.node == record.key else { return }
        addresses.take(status, heard: record.timestamp.map { Instant(nanoseconds: $0.milliseconds * 1_000_000) } ?? status.time, at: now)
    }

    func believed(at now: Instant) -> [Prefix] { addresses.believed(at: now, near: Interfaces.networks) }
}

extension Node {
    /// What other nodes know this one by.
    var ownAddresses: [Address] {
        let useless = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10"].compactMap { Prefix($0) }
        var seen: Set<Address> = []
        let useful = Interfaces.addresses.filter { address in !useless.contains { $0.contains(address) } && seen.insert(address).inserted }
        return Array(useful.prefix(NodeStatus.mostAddresses))
    }

    /// At each tick: what is new is allowed within a second.
    func readNodes(_ ticks: Int, at now: Instant) {
        guard let nodes else { return }
        nodes.read(at: now)
        if ticks % 10 == 0, nodes.addresses.hasNews { lookAround() }
    }
}
