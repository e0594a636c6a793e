internal import CKafka
internal import Messages

/// A record where librdkafka holds it: good inside the closure that it is lent to, and not to be kept.
@safe package struct KafkaRecord: ~Copyable {
    private let message: UnsafePointer<rd_kafka_message_t>

    init(_ message: UnsafePointer<rd_kafka_message_t>) { unsafe self.message = message }

    // All pointers below belong to the message, which outlives this value (its event is destroyed after the closure returns).

    package var topic: String { unsafe String(cString: rd_kafka_topic_name(message.pointee.rkt)) }
    package var partition: Int { unsafe Int(message.pointee.partition) }
    package var offset: Int64 { unsafe message.pointee.offset }
    package var position: KafkaPosition { KafkaPosition(topic: topic, partition: partition, offset: offset) }

    /// Milliseconds since the Unix epoch: when the broker appended it, or when its producer made it. `nil` when the record has neither.
    package var timestamp: (milliseconds: Int64, isAppendTime: Bool)? {
        var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let milliseconds = unsafe rd_kafka_message_timestamp(message, &kind)
        return kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? nil : (milliseconds, kind == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME)
    }

    package var key: String {
        guard let start = unsafe message.pointee.key else { return "" }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: message.pointee.key_len), as: UTF8.self)
    }

    /// A node's word on what it has lost, among the throttle events.
    package var isLossNotice: Bool { header("ce_type") == LossNotice.type }

    /// The value's bytes; 0 for a tombstone.
    package var size: Int { unsafe message.pointee.len }

    package var isTombstone: Bool { unsafe message.pointee.payload == nil }

    /// The value's bytes in place; empty for a tombstone.
    package func withValue<Result, Failure>(_ body: (RawSpan) throws(Failure) -> Result) throws(Failure) -> Result {
        guard let start = unsafe message.pointee.payload else { return try body(RawSpan()) }
        return try body(unsafe RawSpan(_unsafeStart: start, byteCount: message.pointee.len))
    }

    /// A copy of the value; `nil` for a tombstone.
    package var value: [UInt8]? {
        guard let start = unsafe message.pointee.payload else { return nil }
        return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: message.pointee.len))
    }

    /// The last header of that name.
    package func header(_ name: String) -> String? {
        var headers: OpaquePointer?, value: UnsafeRawPointer?, size = 0
        guard unsafe rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR,
            unsafe rd_kafka_header_get_last(headers, name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR, let value = unsafe value
        else { return nil }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: value, count: size), as: UTF8.self)
    }
}

package struct KafkaPartition: Hashable, Sendable, CustomStringConvertible {
    package var topic: String
    package var partition: Int

    package init(topic: String, partition: Int) {
        self.topic = topic
        self.partition = partition
    }

    package var description: String { "\(topic)[\(partition)]" }
}

/// A place in a log. Committed, it is the place of the next record to read.
package struct KafkaPosition: Hashable, Sendable {
    package var partition: KafkaPartition
    package var offset: Int64
    /// Kept with a committed offset; free text.
    package var metadata: String

    package init(topic: String, partition: Int, offset: Int64, metadata: String = "") {
        self.init(KafkaPartition(topic: topic, partition: partition), offset: offset, metadata: metadata)
    }

    package init(_ partition: KafkaPartition, offset: Int64, metadata: String = "") {
        self.partition = partition
        self.offset = offset
        self.metadata = metadata
    }

    /// As the offset to start from: the oldest record there is.
    package static let beginning = Int64(RD_KAFKA_OFFSET_BEGINNING)
    /// As the offset to start from: only what comes.
    package static let end = Int64(RD_KAFKA_OFFSET_END)
}
