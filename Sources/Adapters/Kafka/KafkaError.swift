internal import CKafka

/// What librdkafka or a broker refused, with what a caller needs to choose between waiting, starting over and giving up.
package struct KafkaError: Error, Equatable, Sendable {
    /// librdkafka's code: below zero its own, above zero the broker's.
    package let code: Int32
    /// The library's words.
    package let message: String
    /// The handle is done for: purge it, let it go, make another (`KafkaProducer`).
    package let isFatal: Bool
    /// The same call may succeed later.
    package let isRetriable: Bool

    init(_ code: rd_kafka_resp_err_t, _ message: String? = nil, isFatal: Bool = false, isRetriable: Bool = false) {
        self.code = code.rawValue
        // Both are pointers into the library's static tables.
        self.message = unsafe message ?? String(cString: rd_kafka_err2str(code))
        self.isFatal = isFatal
        self.isRetriable =
            isRetriable || code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT
            || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__RESOLVE
    }

    /// Takes over an `rd_kafka_error_t` and frees it.
    init(consuming error: OpaquePointer) {
        // The message lives as long as the error, which is freed after it was copied.
        self.init(
            unsafe rd_kafka_error_code(error), unsafe String(cString: rd_kafka_error_string(error)),
            isFatal: unsafe rd_kafka_error_is_fatal(error) != 0, isRetriable: unsafe rd_kafka_error_is_retriable(error) != 0)
        unsafe rd_kafka_error_destroy(error)
    }

    /// No broker of the list can be reached now; the library keeps trying.
    package var isAllBrokersDown: Bool { code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN.rawValue }
    /// One broker cannot be reached, resolved or talked to now; the library keeps trying.
    package var isTransport: Bool { code == RD_KAFKA_RESP_ERR__TRANSPORT.rawValue || code == RD_KAFKA_RESP_ERR__RESOLVE.rawValue }
    package var isBrokerDown: Bool { isAllBrokersDown || isTransport }
    package var isTimeout: Bool { code == RD_KAFKA_RESP_ERR__TIMED_OUT.rawValue }
    package var isAuthentication: Bool {
        code == RD_KAFKA_RESP_ERR__AUTHENTICATION.rawValue || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED.rawValue
    }
    /// Thrown away on request before it was delivered (`purge`, or the handle was closed).
    package var isPurged: Bool { code == RD_KAFKA_RESP_ERR__PURGE_QUEUE.rawValue || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT.rawValue }
    package var isUnknownTopic: Bool {
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART.rawValue || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC.rawValue
            || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION.rawValue
    }
    /// What a refusal is about, where a record was refused.
    package enum Subject: Sendable, Equatable {
        /// This record, for what it is: the same again will be refused again.
        case record
        /// The connection, the topic, the user or the cluster: any other would have been refused as well.
        case everything
        /// The code does not say.
        case unclear
    }

    package var subject: Subject {
        if isFatal || isPurged || isTimeout || isBrokerDown || isRetriable { return .everything }
        if isAuthentication || isAuthorization || isUnknownTopic { return .everything }
        switch rd_kafka_resp_err_t(rawValue: code) {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
            RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, RD_KAFKA_RESP_ERR_INVALID_RECORD,
            RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
            return .record
        case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_INVALID_CONFIG,
            RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
            // A producer whose broker has lost its state: all of its records come back.
            RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
            RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, RD_KAFKA_RESP_ERR__FATAL,
            RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, RD_KAFKA_RESP_ERR__DESTROY, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
            return .everything
        default: return .unclear
        }
    }

    /// The broker does not have the request at all (the mock and topic creation).
    package var isUnsupported: Bool {
        code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE.rawValue || code == RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION.rawValue
    }
}

extension KafkaError: CustomStringConvertible {
    /// `_ALL_BROKERS_DOWN: 1/1 brokers are down`
    package var description: String { unsafe "\(String(cString: rd_kafka_err2name(rd_kafka_resp_err_t(rawValue: code)))): \(message)" }
}

/// One line of librdkafka's own log. `level` is syslog's: 3 error, 4 warning, 6 information, 7 debugging.
package struct KafkaLog: Sendable, Equatable {
    package let level: Int
    package let facility: String
    package let message: String
}
