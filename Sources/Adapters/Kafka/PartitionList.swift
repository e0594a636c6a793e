internal import CKafka
internal import Glibc

/// librdkafka's list of partitions with offsets, owned.
@safe struct PartitionList: ~Copyable {
    let list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(_ positions: [KafkaPosition]) {
        unsafe list = rd_kafka_topic_partition_list_new(Int32(positions.count))
        for position in positions {
            let element = unsafe rd_kafka_topic_partition_list_add(list, position.partition.topic, Int32(position.partition.partition))!
            unsafe element.pointee.offset = position.offset
            if !position.metadata.isEmpty {
                // The list frees it with free().
                unsafe element.pointee.metadata = UnsafeMutableRawPointer(strdup(position.metadata))
                unsafe element.pointee.metadata_size = position.metadata.utf8.count
            }
        }
    }

    deinit { unsafe rd_kafka_topic_partition_list_destroy(list) }

    /// What a call left in it; elements with an error of their own are thrown.
    func positions() throws(KafkaError) -> [KafkaPosition] {
        var positions: [KafkaPosition] = []
        for index in unsafe 0..<Int(list.pointee.cnt) {
            let element = unsafe list.pointee.elems[index]
            guard unsafe element.err == RD_KAFKA_RESP_ERR_NO_ERROR else { throw unsafe KafkaError(element.err) }
            unsafe positions.append(Self.position(element))
        }
        return positions
    }

    static func position(_ element: rd_kafka_topic_partition_t) -> KafkaPosition {
        let metadata = unsafe element.metadata.map {
            unsafe String(decoding: UnsafeRawBufferPointer(start: $0, count: element.metadata_size), as: UTF8.self)
        }
        return unsafe KafkaPosition(
            topic: String(cString: element.topic), partition: Int(element.partition), offset: element.offset, metadata: metadata ?? "")
    }

    static func partitions(_ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?) -> [KafkaPartition] {
        guard let list = unsafe list else { return [] }
        return unsafe (0..<Int(list.pointee.cnt)).map { unsafe position(list.pointee.elems[$0]).partition }
    }
}

func check(_ result: rd_kafka_resp_err_t) throws(KafkaError) {
    guard result == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(result) }
}
