internal import CKafka
internal import Linux
package import Messages

/// Owner of a producing librdkafka instance: keyed records, acknowledged by all replicas, each at least once and in order.
///
/// Nothing here waits: records go into a bounded queue, what becomes of them comes back through `eventDescriptor` and `drain`.
/// A record is kept and tried until it is delivered, for as long as the brokers are away.
///
/// A broker that lost its state makes the instance fatally useless (`.notice(.failure)` with `isFatal`). Then: `purge()`,
/// `drain` until `inFlight` is zero (each record comes back as undelivered), let this value go, make another, produce again.
@safe package struct KafkaProducer: ~Copyable {
    package enum Event {
        /// The delivery report of the record with that token; an error means that it was not stored.
        case delivered(token: UInt64, KafkaError?)
        case notice(KafkaNotice)
    }

    package enum Acceptance: Sendable {
        case accepted
        /// As many records wait as may. Nothing was taken; drain, and try again or drop on purpose.
        case queueFull
    }

    private let handle: Handle
    private let count = Count()
    /// What was opened, one reference each.
    private var topics: [OpaquePointer] = unsafe []

    /// - Parameters:
    ///   - name: the `client.id` that brokers log and meter.
    ///   - maximumQueued: records that may wait for delivery; more are refused.
    ///   - singly: each record travels in a batch of its own, so that none is refused for another's sake. Brokers refuse whole batches.
    package init(_ configuration: KafkaConfiguration, name: String, maximumQueued: Int = 100_000, singly: Bool = false) throws(KafkaError) {
        handle = try Handle(
            RD_KAFKA_PRODUCER, configuration, name: name,
            // LZ4 rather than zstd: the node pays with its own cores, and a turn's records are few.
            defaults: [
                ("linger.ms", "0"), ("compression.codec", "lz4"), ("queue.buffering.max.kbytes", "262144"),
                ("queue.buffering.max.messages", "\(maximumQueued)")
            ],
            fixed: [("acks", "all"), ("enable.idempotence", "true"), ("message.timeout.ms", "0")]
                + (singly ? [("batch.num.messages", "1")] : []), events: RD_KAFKA_EVENT_DR)
    }

    // Topics go before the instance does.
    deinit { unsafe topics.forEach { unsafe rd_kafka_topic_destroy($0) } }

    var instance: OpaquePointer { unsafe handle.instance }

    /// Has the library look up topics before there is a record for them. The first record of a topic that it does not know waits for a look that it takes
    /// once a second (librdkafka's issue 3202). Does not wait. Brokers that make topics on demand may make these.
    package mutating func open(_ names: [Topic]) {
        for name in names {
            guard let topic = unsafe rd_kafka_topic_new(handle.instance, name.name, nil) else { continue }
            unsafe topics.append(topic)
        }
    }

    /// Readable when `drain` has something. For the caller's epoll; it stays ours. It fires only when the queue was empty before,
    /// so a slow timer should call `drain` too.
    package var eventDescriptor: CInt { handle.descriptor.rawValue }

    /// Records accepted whose delivery report has not been drained.
    package var inFlight: Int { count.inFlight }
    /// Times that `produce` answered `.queueFull`.
    package var refused: Int { count.refused }

    /// Queues one record; the bytes are copied.
    /// - Parameters:
    ///   - value: `nil` writes a tombstone.
    ///   - token: comes back in the delivery report; any number.
    package func produce(topic: String, key: String, value: [UInt8]?, headers: [(name: String, value: String)] = [], token: UInt64)
        throws(KafkaError) -> Acceptance
    {
        let list = unsafe headers.isEmpty ? nil : rd_kafka_headers_new(headers.count)
        for (name, value) in headers {
            var value = value
            // Copied into the list before the call returns.
            value.withUTF8 { unsafe _ = rd_kafka_header_add(list, name, -1, $0.baseAddress, $0.count) }
        }
        var key = key
        // RD_KAFKA_MSG_F_COPY: no pointer is kept.
        let result = key.withUTF8 { key in
            unsafe value.withBytes { unsafe weir_kafka_produce(handle.instance, topic, key.baseAddress, key.count, $0, $1, list, token) }
        }
        if result == RD_KAFKA_RESP_ERR_NO_ERROR {
            count.inFlight += 1
            return .accepted
        }
        if let list = unsafe list { unsafe rd_kafka_headers_destroy(list) }
        guard result == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
            throw handle.fatalError ?? KafkaError(result)
        }
        count.refused += 1
        return .queueFull
    }

    /// Hands out what has happened, at most `limit` batches of it, without waiting.
    /// Returns `true` when there may be more: come back without waiting for the descriptor.
    @discardableResult
    package func drain(atMost limit: Int = 256, _ body: (Event) -> Void) -> Bool { serve(atMost: limit, timeout: 0, body) }

    /// Gives up on everything queued or on its way; each record comes back as undelivered (`isPurged`).
    package func purge() {
        unsafe rd_kafka_purge(handle.instance, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
    }

    /// Waits for what is in flight, but not longer than that, and gives up the rest: nothing more can be produced then. Returns how many
    /// records were given up.
    package func close(withinMilliseconds milliseconds: Int, _ body: (Event) -> Void = { _ in }) -> Int {
        let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        while inFlight > 0 {
            let now = Clock.monotonic
            guard now < end else { break }
            serve(atMost: 256, timeout: Int32((end - now) / 1_000_000) + 1, body)
        }
        let left = inFlight
        if left > 0 {
            purge()
            while inFlight > 0, serve(atMost: 256, timeout: 100, body) {}
        }
        return left
    }

    @discardableResult
    private func serve(atMost limit: Int, timeout: Int32, _ body: (Event) -> Void) -> Bool {
        unsafe handle.poll(atMost: limit, timeout: timeout) { event in
            guard unsafe rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR else {
                unsafe handle.notice(event) { body(.notice($0)) }
                return
            }
            // A batch of reports; each message lives as long as the event.
            while let message = unsafe rd_kafka_event_message_next(event) {
                let code = unsafe message.pointee.err, token = unsafe UInt64(UInt(bitPattern: message.pointee._private))
                count.inFlight -= 1
                if code == RD_KAFKA_RESP_ERR_NO_ERROR {
                    if let change = handle.connection.works() { body(.notice(change)) }
                    body(.delivered(token: token, nil))
                } else {
                    let topic = unsafe message.pointee.rkt.map { unsafe "\(String(cString: rd_kafka_topic_name($0))): " } ?? ""
                    body(.delivered(token: token, KafkaError(code, unsafe topic + String(cString: rd_kafka_err2str(code)))))
                }
            }
        }
    }

    /// Apart from the producer, so that a body running inside `drain` may produce.
    private final class Count {
        var inFlight = 0
        var refused = 0
    }
}

extension [UInt8]? {
    fileprivate func withBytes<Result>(_ body: (UnsafeRawPointer?, Int) -> Result) -> Result {
        guard let self else { return body(nil, 0) }
        // An empty value is not a tombstone: it needs an address.
        return unsafe self.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return unsafe withUnsafePointer(to: UInt8(0)) { unsafe body($0, 0) } }
            return unsafe body(start, bytes.count)
        }
    }
}
