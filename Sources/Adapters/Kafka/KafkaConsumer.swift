internal import CKafka
internal import Linux

/// A member of a consumer group. Which partitions it has, where it starts in them and what it commits are its owner's decisions:
/// nothing is assigned, committed or reset behind its back.
///
/// Drive it by `eventDescriptor` and `drain`, and drain at least every few seconds, or the group takes it for dead.
package struct KafkaConsumer: ~Copyable {
    package enum Event: ~Copyable {
        case record(KafkaRecord)
        /// The group gives these partitions: answer with `assign`, at once or when ready.
        case assigned([KafkaPartition])
        /// The group wants everything back: finish, commit, answer with `unassign`.
        case revoked([KafkaPartition])
        /// What became of a `commit`.
        case committed(KafkaError?)
        case notice(KafkaNotice)
    }

    private let handle: Handle

    package init(_ configuration: KafkaConfiguration, group: String, name: String) throws(KafkaError) {
        handle = try Handle(
            RD_KAFKA_CONSUMER, configuration, name: name,
            // A long poll that nothing wakes costs latency with brokers that do not wake it (the mock), nothing with those that do.
            defaults: [("group.id", group), ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "1000"), ("fetch.wait.max.ms", "20")]
                + KafkaFollower.bounds,
            fixed: [
                ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"), ("auto.offset.reset", "earliest"),
                ("isolation.level", "read_committed"), ("partition.assignment.strategy", "range,roundrobin")
            ],
            events: RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT, isMember: true)
    }

    /// As `KafkaProducer.eventDescriptor`.
    package var eventDescriptor: CInt { handle.descriptor.rawValue }

    package func subscribe(_ topics: [String]) throws(KafkaError) {
        let list = PartitionList(topics.map { KafkaPosition(topic: $0, partition: -1, offset: KafkaPosition.beginning) })
        try check(unsafe rd_kafka_subscribe(handle.instance, list.list))
    }

    /// Hands out what has arrived, at most `limit` records, without waiting.
    /// Returns `true` when there may be more: come back without waiting for the descriptor.
    @discardableResult
    package func drain(atMost limit: Int = 1000, _ body: (borrowing Event) -> Void) -> Bool {
        unsafe handle.poll(atMost: limit) { event in unsafe hand(event, body) }
    }

    /// Starts reading; offsets may be `KafkaPosition.beginning` or `.end`.
    package func assign(_ positions: [KafkaPosition]) throws(KafkaError) {
        let list = PartitionList(positions)
        try check(unsafe rd_kafka_assign(handle.instance, list.list))
    }

    package func unassign() throws(KafkaError) { try check(unsafe rd_kafka_assign(handle.instance, nil)) }

    /// Commits without waiting; `.committed` tells what became of it.
    package func commit(_ positions: [KafkaPosition]) throws(KafkaError) {
        let list = PartitionList(positions)
        try check(unsafe rd_kafka_commit(handle.instance, list.list, 1))
    }

    /// Commits and waits for the broker's word, but not longer than that: for the last commit before partitions go.
    package func commit(_ positions: [KafkaPosition], withinMilliseconds milliseconds: Int) throws(KafkaError) {
        let list = PartitionList(positions)
        // A queue of its own, so that the answer cannot hide behind records. Freed below, on every path.
        let queue = unsafe rd_kafka_queue_new(handle.instance)!
        defer { unsafe rd_kafka_queue_destroy(queue) }
        try check(unsafe rd_kafka_commit_queue(handle.instance, list.list, queue, nil, nil))
        guard let event = unsafe rd_kafka_queue_poll(queue, Int32(milliseconds)) else { throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT) }
        defer { unsafe rd_kafka_event_destroy(event) }
        try check(unsafe rd_kafka_event_error(event))
    }

    /// What the group has committed: the next offset to read, `nil` where there is none. Waits for the broker.
    package func committed(_ partitions: [KafkaPartition], withinMilliseconds milliseconds: Int) throws(KafkaError) -> [KafkaPartition:
        KafkaPosition]
    {
        let list = PartitionList(partitions.map { KafkaPosition($0, offset: Int64(RD_KAFKA_OFFSET_INVALID)) })
        try check(unsafe rd_kafka_committed(handle.instance, list.list, Int32(milliseconds)))
        return Dictionary(uniqueKeysWithValues: try list.positions().filter { $0.offset >= 0 }.map { ($0.partition, $0) })
    }

    /// The first offsets whose record is of that time (milliseconds since the Unix epoch) or later; `nil` where there is none, which is
    /// what the mock broker always says. Waits for the broker.
    package func offsets(forTimes times: [KafkaPartition: Int64], withinMilliseconds milliseconds: Int) throws(KafkaError)
        -> [KafkaPartition: Int64]
    {
        let list = PartitionList(times.map { KafkaPosition($0.key, offset: $0.value) })
        try check(unsafe rd_kafka_offsets_for_times(handle.instance, list.list, Int32(milliseconds)))
        return Dictionary(uniqueKeysWithValues: try list.positions().filter { $0.offset >= 0 }.map { ($0.partition, $0.offset) })
    }

    /// The offset that the next record of a partition will have. Waits for the broker.
    package func endOffset(of partition: KafkaPartition, withinMilliseconds milliseconds: Int) throws(KafkaError) -> Int64 {
        // ListOffsets takes the end for a time. rd_kafka_query_watermark_offsets, made for this, heeds its time-out since librdkafka 2.3 only (its issue
        // 2588): before, a broker that went away just then held the whole controller up until it came back.
        let latest = Int64(RD_KAFKA_OFFSET_END)
        guard let end = try offsets(forTimes: [partition: latest], withinMilliseconds: milliseconds)[partition] else {
            throw KafkaError(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        }
        return end
    }

    /// Leaves the group, so that others need not wait for a time-out, but waits no longer than that. Partitions are handed back on the way
    /// (`.revoked` in `body`, which the closing answers itself).
    package func close(withinMilliseconds milliseconds: Int, _ body: (borrowing Event) -> Void = { _ in }) {
        if let error = unsafe rd_kafka_consumer_close_queue(handle.instance, handle.queue) {
            unsafe rd_kafka_error_destroy(error)
            return
        }
        let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        while unsafe rd_kafka_consumer_closed(handle.instance) == 0, Clock.monotonic < end {
            _ = unsafe handle.poll(atMost: 100, timeout: 10) { event in
                unsafe hand(event, body)
                if unsafe rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE { unsafe _ = rd_kafka_assign(handle.instance, nil) }
            }
        }
    }

    // Swift 6.3.1 crashes when it inlines this into `close` (EarlyPerfInliner).
    @inline(never)
    private func hand(_ event: OpaquePointer, _ body: (borrowing Event) -> Void) {
        switch unsafe rd_kafka_event_type(event) {
        case RD_KAFKA_EVENT_FETCH:
            while let message = unsafe rd_kafka_event_message_next(event) {
                if let change = handle.connection.works() { body(.notice(change)) }
                unsafe body(.record(KafkaRecord(message)))
            }
        case RD_KAFKA_EVENT_REBALANCE:
            let partitions = unsafe PartitionList.partitions(rd_kafka_event_topic_partition_list(event))
            let isGain = unsafe rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
            body(isGain ? .assigned(partitions) : .revoked(partitions))
        case RD_KAFKA_EVENT_OFFSET_COMMIT:
            let code = unsafe rd_kafka_event_error(event)
            body(.committed(code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__NO_OFFSET ? nil : KafkaError(code)))
        default:
            unsafe handle.notice(event) { body(.notice($0)) }
        }
    }
}
