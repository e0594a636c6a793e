internal import Kafka
internal import Messages
internal import Spool

/// A second client for events of which one may be refused for what it is: brokers refuse whole batches, and here each is a batch of its
/// own. Made when it is wanted for the first time.
final class LoneClient {
    private var producer: KafkaProducer

    init(_ configuration: KafkaConfiguration, node: String) throws(KafkaError) {
        producer = try KafkaProducer(configuration, name: node, maximumQueued: 1_000, singly: true)
    }

    /// False when it takes no more for now.
    func produce(_ item: Spool.Item) throws(KafkaError) -> Bool {
        let headers = item.headers.map { (name: $0.name, value: $0.value) }
        return try producer.produce(
            topic: Topic.events.name, key: item.key, value: item.value, headers: headers,
            token: UInt64(item.id)) == .accepted
    }

    /// What became of each. Returns why it is of no use any more; `nil` as long as it is.
    func drain(_ body: (_ id: Int64, KafkaError?) -> Void) -> KafkaError? {
        var fatal: KafkaError?
        producer.drain { event in
            switch event {
            case .delivered(let token, let error): body(Int64(token), error)
            case .notice(.failure(let error)) where error.isFatal: fatal = error
            // What concerns all of Kafka the other client says.
            case .notice: break
            }
        }
        return fatal
    }
}
