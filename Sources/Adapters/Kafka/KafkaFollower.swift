internal import CKafka
internal import Linux

/// Reads every partition of some topics from the oldest record on, outside any group: for state that every reader wants whole
/// (limits, scale decisions). Says when it has read all there is.
package struct KafkaFollower: ~Copyable {
    package enum Event: ~Copyable {
        case record(KafkaRecord)
        /// Everything before that offset has been handed out. Comes again each time that the end is reached.
        case endOfPartition(KafkaPosition)
        /// Offsets begin again: somebody has deleted this topic and made it anew, or its brokers have lost its end. What was read before may not be on it any more.
        case madeAnew(topic: String)
        case notice(KafkaNotice)
    }

    private let handle: Handle
    private let log: Log

    /// Partition 0 of each topic is read at once; the others, if there are any, when the broker has been seen to answer.
    /// - Parameters:
    ///   - fromBeginning: else only what is written from now on.
    ///   - patience: milliseconds to wait, before anything is read, for the brokers to say who leads what. Who does not ask reads half a second later:
    ///     librdkafka looks again as late for a leader that it does not know (rdkafka_partition.c, `rd_kafka_toppar_offset_request`). For programs that
    ///     have nothing else to do meanwhile.
    package init(_ configuration: KafkaConfiguration, topics: [String], name: String, fromBeginning: Bool = true, patience: Int = 0)
        throws(KafkaError)
    {
        handle = try Handle(
            RD_KAFKA_CONSUMER, configuration, name: name, defaults: [("fetch.wait.max.ms", "20")] + Self.bounds,
            fixed: [
                ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest"), ("isolation.level", "read_committed"),
                ("enable.partition.eof", "true")
            ],
            events: RD_KAFKA_EVENT_FETCH)
        log = unsafe Log(
            handle.instance, into: handle.queue, topics, from: fromBeginning ? KafkaPosition.beginning : KafkaPosition.end,
            patience: patience)
    }

    // Its topics go before the instance does.
    deinit { log.stop() }

    /// What waits here unread, bounded in kilobytes, and in bytes a partition and fetch. Records (queued.min.messages) are left at librdkafka's 100,000: with
    /// 10,000 a backlog came at 90,000 events a second instead of 113,000, with fetches of 256 KB at 25,000 instead of 81,000 (`make bench-events BROKER=apache`).
    static let bounds = [("queued.max.messages.kbytes", "65536"), ("fetch.message.max.bytes", "1048576")]

    /// As `KafkaProducer.eventDescriptor`.
    package var eventDescriptor: CInt { handle.descriptor.rawValue }

    /// Whether the end of every partition has been reached once, so that nothing older is still to come.
    package var isCaughtUp: Bool { log.isCaughtUp }

    /// Whether everything before `offset` has been handed out.
    package func hasRead(_ partition: KafkaPartition, upTo offset: Int64) -> Bool {
        offset <= 0 || log.next[partition, default: 0] >= offset
    }

    /// The offset of the next record to come: all before it has been handed out. `nil` as long as nothing is known of the partition.
    package func nextOffset(of partition: KafkaPartition) -> Int64? { log.isKnown(partition) ? log.next[partition] : nil }

    /// Partitions read, for who wants to ask the broker about their ends.
    package var partitions: [KafkaPartition] { Array(log.next.keys) }

    /// What the broker says of a topic that is followed: its partitions, or why there are none. Waits for the broker.
    package func partitionCount(of topic: String, withinMilliseconds milliseconds: Int) throws(KafkaError) -> Int {
        try log.partitionCount(of: topic, withinMilliseconds: milliseconds)
    }

    /// As `KafkaConsumer.drain`.
    @discardableResult
    package func drain(atMost limit: Int = 1000, _ body: (borrowing Event) -> Void) -> Bool {
        unsafe handle.poll(atMost: limit) { event in
            switch unsafe rd_kafka_event_type(event) {
            case RD_KAFKA_EVENT_FETCH:
                while let message = unsafe rd_kafka_event_message_next(event) {
                    if let change = handle.connection.works() { body(.notice(change)) }
                    let record = unsafe KafkaRecord(message)
                    if log.read(record) { body(.madeAnew(topic: record.topic)) }
                    body(.record(record))
                }
            case RD_KAFKA_EVENT_ERROR where unsafe rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__PARTITION_EOF:
                if let change = handle.connection.works() { body(.notice(change)) }
                // The element is a copy that we free.
                guard let element = unsafe rd_kafka_event_topic_partition(event) else { return }
                let position = unsafe PartitionList.position(element.pointee)
                unsafe rd_kafka_topic_partition_destroy(element)
                if log.reachedEnd(position) { body(.madeAnew(topic: position.partition.topic)) }
                body(.endOfPartition(KafkaPosition(position.partition, offset: log.next[position.partition, default: 0])))
            default:
                unsafe handle.notice(event) { body(.notice($0)) }
            }
        }
    }

    /// Where the reading stands.
    @safe private final class Log {
        private let queue: OpaquePointer
        /// Each topic's own object, and whether its partitions have been counted.
        private var topics: [(handle: OpaquePointer, name: String, isCounted: Bool)] = unsafe []
        private let instance: OpaquePointer
        private let first: Int64
        private(set) var next: [KafkaPartition: Int64] = [:]
        private var ended: Set<KafkaPartition> = []

        init(_ instance: OpaquePointer, into queue: OpaquePointer, _ names: [String], from first: Int64, patience: Int) {
            unsafe self.instance = instance
            self.first = first
            unsafe self.queue = queue
            for name in names {
                guard let topic = unsafe rd_kafka_topic_new(instance, name, nil) else { continue }
                unsafe topics.append((topic, name, false))
                if patience > 0 { unsafe count(topics.count - 1, withinMilliseconds: patience) }
                unsafe start(topic, name, partition: 0)
            }
        }

        func stop() {
            for index in unsafe topics.indices {
                let topic = unsafe topics[index]
                for partition in next.keys where unsafe partition.topic == topic.name {
                    unsafe _ = rd_kafka_consume_stop(topic.handle, Int32(partition.partition))
                }
                unsafe rd_kafka_topic_destroy(topic.handle)
            }
        }

        var isCaughtUp: Bool { unsafe ended.count == next.count && topics.allSatisfy(\.isCounted) }

        /// Whether its offsets begin again.
        func read(_ record: borrowing KafkaRecord) -> Bool {
            let partition = KafkaPartition(topic: record.topic, partition: record.partition)
            defer { next[partition] = record.offset + 1 }
            return record.offset < next[partition, default: 0]
        }

        func isKnown(_ partition: KafkaPartition) -> Bool { ended.contains(partition) || next[partition, default: 0] > 0 }

        /// The broker answers, so asking it how many partitions there are costs a round trip on one machine or network, not a time-out.
        /// - Returns: whether its offsets begin again.
        func reachedEnd(_ position: KafkaPosition) -> Bool {
            let partition = position.partition
            let isAnew = position.offset >= 0 && position.offset < next[partition, default: 0]
            ended.insert(partition)
            // Behind the last record there may be offsets that compaction has emptied, or a transaction's mark: nothing comes of them any more.
            if position.offset >= 0 { next[partition] = position.offset }
            if let index = unsafe topics.firstIndex(where: { unsafe $0.name == partition.topic && !$0.isCounted }) {
                count(index, withinMilliseconds: 250)
            }
            return isAnew
        }

        func partitionCount(of name: String, withinMilliseconds milliseconds: Int) throws(KafkaError) -> Int {
            guard let topic = unsafe topics.first(where: { unsafe $0.name == name }) else {
                throw KafkaError(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
            }
            var metadata: UnsafePointer<rd_kafka_metadata>?
            try check(unsafe rd_kafka_metadata(instance, 0, topic.handle, &metadata, Int32(milliseconds)))
            guard let metadata = unsafe metadata else { return 0 }
            defer { unsafe rd_kafka_metadata_destroy(metadata) }
            guard unsafe metadata.pointee.topic_cnt == 1 else { throw KafkaError(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, name) }
            let code = unsafe metadata.pointee.topics[0].err
            if code != RD_KAFKA_RESP_ERR_NO_ERROR { throw KafkaError(code, unsafe "\(name): \(String(cString: rd_kafka_err2str(code)))") }
            return unsafe Int(metadata.pointee.topics[0].partition_cnt)
        }

        /// Asks how many partitions a topic has, and starts those behind the first. Who has asked knows their leaders, too.
        private func count(_ index: Int, withinMilliseconds milliseconds: Int) {
            let topic = unsafe topics[index]
            var metadata: UnsafePointer<rd_kafka_metadata>?
            guard unsafe rd_kafka_metadata(instance, 0, topic.handle, &metadata, Int32(milliseconds)) == RD_KAFKA_RESP_ERR_NO_ERROR,
                let metadata = unsafe metadata
            else { return }
            defer { unsafe rd_kafka_metadata_destroy(metadata) }
            // A topic that is not there yet has none.
            guard unsafe metadata.pointee.topic_cnt == 1, unsafe metadata.pointee.topics[0].partition_cnt > 0 else { return }
            unsafe topics[index].isCounted = true
            for partition in unsafe 1..<max(1, Int(metadata.pointee.topics[0].partition_cnt)) {
                unsafe start(topic.handle, topic.name, partition: partition)
            }
        }

        private func start(_ topic: OpaquePointer, _ name: String, partition: Int) {
            next[KafkaPartition(topic: name, partition: partition)] = 0
            unsafe _ = rd_kafka_consume_start_queue(topic, Int32(partition), first, queue)
        }
    }
}
