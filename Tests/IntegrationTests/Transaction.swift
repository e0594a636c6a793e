import CKafka
import Kafka

/// A producer that writes in transactions, which nothing of ours does: whoever else may write to a topic can leave a mark at its end that is no record.
final class Transaction {
    private let instance: OpaquePointer

    init(_ broker: Broker, id: String) throws {
        let configuration = rd_kafka_conf_new()
        for (name, value) in [("bootstrap.servers", broker.bootstrap), ("transactional.id", id)] {
            rd_kafka_conf_set(configuration, name, value, nil, 0)
        }
        guard let instance = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nil, 0) else { throw Failure("no transactional producer") }
        self.instance = instance
        try check(rd_kafka_init_transactions(instance, 30_000))
        try check(rd_kafka_begin_transaction(instance))
    }

    deinit { rd_kafka_destroy(instance) }

    func write(_ topic: String, key: String, value: [UInt8]) throws {
        let code = weir_kafka_produce(instance, topic, key, key.utf8.count, value, value.count, nil, 0)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw Failure(String(cString: rd_kafka_err2str(code))) }
    }

    func end(isCommitted: Bool) throws {
        rd_kafka_flush(instance, 10_000)
        try check(isCommitted ? rd_kafka_commit_transaction(instance, 30_000) : rd_kafka_abort_transaction(instance, 30_000))
    }

    private func check(_ error: OpaquePointer?) throws {
        guard let error else { return }
        defer { rd_kafka_error_destroy(error) }
        throw Failure(String(cString: rd_kafka_error_string(error)))
    }
}
