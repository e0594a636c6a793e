internal import CKafka
internal import Glibc
internal import Linux

/// One librdkafka instance, the queue that everything it has to say arrives on, and the descriptor that says so.
/// The pointers are private to this module and live exactly as long as the handle.
@safe struct Handle: ~Copyable {
    let instance: OpaquePointer
    let queue: OpaquePointer
    let descriptor: FileDescriptor
    let connection = Connection()
    private let hint: String?

    /// - Parameters:
    ///   - defaults: what the configuration may overrule.
    ///   - fixed: what it may not.
    ///   - isMember: of a consumer group.
    init(
        _ type: rd_kafka_type_t, _ configuration: KafkaConfiguration, name: String, defaults: [(String, String)], fixed: [(String, String)],
        events: Int32, isMember: Bool = false
    ) throws(KafkaError) {
        let descriptor: FileDescriptor
        do { descriptor = try FileDescriptor(owning: eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))) } catch {
            throw KafkaError(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "eventfd: \(error)")
        }
        // Owned by us until rd_kafka_new succeeds, by the instance from then on.
        let conf = unsafe rd_kafka_conf_new()!
        let ours = [
            ("client.id", name), ("log.connection.close", "false"), ("reconnect.backoff.ms", "50"), ("reconnect.backoff.max.ms", "1000"),
            ("socket.nagle.disable", "true"), ("socket.keepalive.enable", "true"), ("topic.metadata.refresh.interval.ms", "10000"),
            ("topic.metadata.refresh.fast.interval.ms", "50")
        ]
        let always = [("log.queue", "true"), ("statistics.interval.ms", "1000")]
        for (name, value) in ours + defaults + configuration.properties.map({ ($0.name, $0.value) }) + fixed + always {
            if let message = unsafe KafkaConfiguration.set(conf, name, value) {
                unsafe rd_kafka_conf_destroy(conf)
                throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, message)
            }
        }
        unsafe rd_kafka_conf_set_events(conf, events | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_STATS)
        var instance: OpaquePointer?, message = ""
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            unsafe instance = rd_kafka_new(type, conf, buffer.baseAddress, buffer.count)
            if unsafe instance == nil { unsafe message = String(cString: buffer.baseAddress!) }
        }
        guard let instance = unsafe instance else {
            unsafe rd_kafka_conf_destroy(conf)
            throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, message)
        }
        // Without a queue of its own the log goes to the main queue, as events.
        unsafe rd_kafka_set_log_queue(instance, nil)
        let queue: OpaquePointer
        if isMember {
            unsafe rd_kafka_poll_set_consumer(instance)
            unsafe queue = rd_kafka_queue_get_consumer(instance)!
        } else {
            unsafe queue = rd_kafka_queue_get_main(instance)!
        }
        unsafe rd_kafka_queue_io_event_enable(queue, descriptor.rawValue, [1] as [UInt64], 8)
        let scram = (configuration.value(of: "sasl.mechanisms") ?? configuration.value(of: "sasl.mechanism") ?? "").hasPrefix("SCRAM")
        hint =
            scram && rd_kafka_version() < 0x020601ff
            ? unsafe " (librdkafka \(String(cString: rd_kafka_version_str())) cannot do SCRAM with Kafka 4, 2.6.1 can; PLAIN over TLS and mutual TLS work)"
            : nil
        unsafe self.instance = instance
        unsafe self.queue = queue
        self.descriptor = descriptor
    }

    deinit {
        // The reference to the queue goes before the instance, or destroying waits for ever.
        unsafe rd_kafka_queue_io_event_enable(queue, -1, nil, 0)
        unsafe rd_kafka_queue_destroy(queue)
        unsafe rd_kafka_destroy_flags(instance, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
    }

    /// Serves at most `limit` events without waiting (or waiting `timeout` milliseconds for the first).
    /// Returns whether there may be more: the descriptor does not fire again for what is still queued.
    func poll(atMost limit: Int, timeout: Int32 = 0, _ body: (OpaquePointer) -> Void) -> Bool {
        // The descriptor fires on empty to non-empty only, so it is emptied before the queue is.
        var count: UInt64 = 0
        _ = unsafe read(descriptor.rawValue, &count, 8)
        var timeout = timeout
        for _ in 0..<limit {
            // An event belongs to us until it is destroyed.
            guard let event = unsafe rd_kafka_queue_poll(queue, timeout) else { return false }
            unsafe body(event)
            unsafe rd_kafka_event_destroy(event)
            timeout = 0
        }
        return true
    }

    /// What the kinds of handle have in common.
    func notice(_ event: OpaquePointer, _ body: (KafkaNotice) -> Void) {
        switch unsafe rd_kafka_event_type(event) {
        case RD_KAFKA_EVENT_ERROR:
            let error = unsafe self.error(of: event)
            body(.failure(error))
            if error.isOfConnection, let change = connection.lost(error) { body(change) }
        case RD_KAFKA_EVENT_STATS:
            if unsafe weir_kafka_any_broker_up(rd_kafka_event_stats(event)) != 0, let change = connection.works() { body(change) }
        case RD_KAFKA_EVENT_LOG:
            var facility: UnsafePointer<CChar>?, text: UnsafePointer<CChar>?, level: Int32 = 0
            // Both texts live as long as the event.
            guard unsafe rd_kafka_event_log(event, &facility, &text, &level) == 0, let facility = unsafe facility, let text = unsafe text
            else { return }
            body(.log(KafkaLog(level: Int(level), facility: unsafe String(cString: facility), message: unsafe String(cString: text))))
        default: break
        }
    }

    private func error(of event: OpaquePointer) -> KafkaError {
        let code = unsafe rd_kafka_event_error(event)
        let text = unsafe rd_kafka_event_error_string(event).map { unsafe String(cString: $0) } ?? ""
        if unsafe rd_kafka_event_error_is_fatal(event) != 0 || code == RD_KAFKA_RESP_ERR__FATAL {
            return fatalError ?? KafkaError(code, text, isFatal: true)
        }
        let error = KafkaError(code, text)
        guard error.isAuthentication, text.contains("invalid credentials"), let hint else { return error }
        return KafkaError(code, error.reason + hint)
    }

    /// Why this instance is done for, if it is.
    var fatalError: KafkaError? {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            let code = unsafe rd_kafka_fatal_error(instance, buffer.baseAddress, buffer.count)
            return code == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : KafkaError(code, unsafe String(cString: buffer.baseAddress!), isFatal: true)
        }
    }
}

/// Whether a broker answers, so that its loss and its return are each told once.
final class Connection {
    private var isUp: Bool?
    private var last: KafkaError?
    /// What was told of last.
    private var outage: KafkaOutage?

    func works() -> KafkaNotice? {
        guard isUp != true else { return nil }
        isUp = true
        (last, outage) = (nil, nil)
        return .connected
    }

    /// One broker's failure is only remembered: it is the reason to give when the last one is gone. A reason that only a change of the configuration mends is
    /// told of also when there was another before.
    func lost(_ error: KafkaError) -> KafkaNotice? {
        if !error.isAllBrokersDown { last = error }
        let news = KafkaOutage(last ?? error)
        guard isUp == false ? news.isOfConfiguration && news.advice != outage?.advice : error.isAllBrokersDown else { return nil }
        isUp = false
        outage = news
        return .disconnected(news)
    }
}

/// What any handle may say at any time.
package enum KafkaNotice: Sendable, Equatable {
    /// Something went wrong; the library goes on by itself unless `isFatal`. Broker-down errors repeat with each attempt.
    case failure(KafkaError)
    /// The first broker answers, or one answers again: once for each change.
    case connected
    /// None answers any more: once for each change.
    case disconnected(KafkaOutage)
    case log(KafkaLog)
}
