internal import CKafka
internal import Linux
package import Messages

package enum TopicOutcome: Sendable, Equatable {
    case created, existed
    case refused(KafkaError)
}

extension KafkaProducer {
    /// The topics that there are, with their numbers of partitions. Waits for the broker.
    package func topics(withinMilliseconds milliseconds: Int) throws(KafkaError) -> [String: Int] {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        try check(unsafe rd_kafka_metadata(instance, 1, nil, &metadata, Int32(milliseconds)))
        guard let metadata = unsafe metadata else { return [:] }
        defer { unsafe rd_kafka_metadata_destroy(metadata) }
        var topics: [String: Int] = [:]
        for index in unsafe 0..<Int(metadata.pointee.topic_cnt) {
            let topic = unsafe metadata.pointee.topics[index]
            if unsafe topic.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                topics[unsafe String(cString: topic.topic)] = unsafe Int(topic.partition_cnt)
            }
        }
        return topics
    }

    /// Makes topics that are not there yet, with as many replicas as the broker does by default, and waits for the outcome of each, but
    /// not longer than that. A topic that exists stays as it is.
    package func create(_ topics: [Topic], withinMilliseconds milliseconds: Int) throws(KafkaError) -> [String: TopicOutcome] {
        let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        var outcomes: [String: TopicOutcome] = [:]
        // -1 lets the broker choose (Kafka 2.4); older and smaller ones want a number.
        for replicas in [-1, 1] as [Int32] {
            let left = topics.filter { topic in
                guard case .refused = outcomes[topic.name] else { return outcomes[topic.name] == nil }
                return true
            }
            guard !left.isEmpty else { break }
            let now = Clock.monotonic
            guard now < end else { break }
            for (name, outcome) in try create(left, replicas: replicas, withinMilliseconds: Int32((end - now) / 1_000_000) + 1) {
                outcomes[name] = outcome
            }
        }
        return outcomes
    }

    private func create(_ topics: [Topic], replicas: Int32, withinMilliseconds milliseconds: Int32) throws(KafkaError) -> [String:
        TopicOutcome]
    {
        var wanted: [OpaquePointer?] = unsafe []
        // Each is ours until the call below has returned.
        defer { unsafe rd_kafka_NewTopic_destroy_array(&wanted, wanted.count) }
        for topic in topics {
            let new = unsafe rd_kafka_NewTopic_new(topic.name, Int32(topic.partitions), replicas, nil, 0)
            for property in topic.configuration { unsafe _ = rd_kafka_NewTopic_set_config(new, property.name, property.value) }
            unsafe wanted.append(new)
        }
        return try unsafe request(milliseconds) { options, queue in
            unsafe wanted.withUnsafeMutableBufferPointer {
                unsafe rd_kafka_CreateTopics(instance, $0.baseAddress, $0.count, options, queue)
            }
        }
    }

    private func request(_ milliseconds: Int32, _ send: (OpaquePointer, OpaquePointer) -> Void) throws(KafkaError) -> [String: TopicOutcome]
    {
        let options = unsafe rd_kafka_AdminOptions_new(instance, RD_KAFKA_ADMIN_OP_CREATETOPICS)!
        defer { unsafe rd_kafka_AdminOptions_destroy(options) }
        unsafe rd_kafka_AdminOptions_set_request_timeout(options, milliseconds, nil, 0)
        unsafe rd_kafka_AdminOptions_set_operation_timeout(options, milliseconds, nil, 0)
        let queue = unsafe rd_kafka_queue_new(instance)!
        defer { unsafe rd_kafka_queue_destroy(queue) }
        unsafe send(options, queue)
        guard let event = unsafe rd_kafka_queue_poll(queue, milliseconds + 100) else { throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT) }
        defer { unsafe rd_kafka_event_destroy(event) }
        let code = unsafe rd_kafka_event_error(event)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw unsafe KafkaError(code, String(cString: rd_kafka_event_error_string(event))) }
        var outcomes: [String: TopicOutcome] = [:], count = 0
        // Results live as long as the event.
        let results = unsafe rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
        for index in 0..<count {
            guard let result = unsafe results?[index] else { continue }
            let code = unsafe rd_kafka_topic_result_error(result)
            let outcome: TopicOutcome =
                switch code {
                case RD_KAFKA_RESP_ERR_NO_ERROR: .created
                case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: .existed
                default: .refused(KafkaError(code, unsafe rd_kafka_topic_result_error_string(result).map { unsafe String(cString: $0) }))
                }
            outcomes[unsafe String(cString: rd_kafka_topic_result_name(result))] = outcome
        }
        return outcomes
    }
}
