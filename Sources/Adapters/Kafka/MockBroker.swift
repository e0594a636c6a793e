internal import CKafka
package import Messages

/// librdkafka's mock cluster: brokers on ports of 127.0.0.1 that any process can use, for trying things out and for tests.
/// It keeps 5 MB or 100,000 records a partition in memory, neither compacts nor hides open transactions, and cannot find offsets by time.
@safe package struct MockBroker: ~Copyable {
    private let instance: OpaquePointer
    private let cluster: OpaquePointer

    /// `host:port[,host:port...]`, chosen by the kernel.
    package let bootstrap: String
    package let brokers: Int

    package init(topics: [Topic] = Topic.all, brokers: Int = 1) throws(KafkaError) {
        let conf = unsafe rd_kafka_conf_new()!
        // Its own log would go to standard error.
        unsafe rd_kafka_conf_set_log_cb(conf) { unsafe _ = ($0, $1, $2, $3) }
        guard let instance = unsafe rd_kafka_new(RD_KAFKA_PRODUCER, conf, nil, 0) else {
            unsafe rd_kafka_conf_destroy(conf)
            throw KafkaError(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE)
        }
        guard let cluster = unsafe rd_kafka_mock_cluster_new(instance, Int32(brokers)) else {
            unsafe rd_kafka_destroy(instance)
            throw KafkaError(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE)
        }
        unsafe self.instance = instance
        unsafe self.cluster = cluster
        self.brokers = brokers
        // The text belongs to the cluster.
        bootstrap = unsafe String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
        for topic in topics { unsafe _ = rd_kafka_mock_topic_create(cluster, topic.name, Int32(topic.partitions), 1) }
    }

    deinit {
        unsafe rd_kafka_mock_cluster_destroy(cluster)
        unsafe rd_kafka_destroy(instance)
    }

    /// Takes every broker off the network, or brings it back; what is stored stays.
    package func set(isDown: Bool) {
        for broker in 1...Int32(brokers) {
            unsafe _ = isDown ? rd_kafka_mock_broker_set_down(cluster, broker) : rd_kafka_mock_broker_set_up(cluster, broker)
        }
    }

    /// Delays every answer by so much.
    package func set(roundTripMilliseconds: Int) {
        for broker in 1...Int32(brokers) { unsafe _ = rd_kafka_mock_broker_set_rtt(cluster, broker, Int32(roundTripMilliseconds)) }
    }
}
