internal import Kafka
internal import Linux
internal import Log

/// Whether the brokers answer. Three handles notice by themselves; the operator hears of a loss and of a return once.
final class BrokerState {
    private let log: Log
    private(set) var isUp = false
    private var hasBeenTold: Bool?
    private(set) var losses = 0
    private(set) var failures = 0
    var hasTopics = false
    private var quietUntil: UInt64 = 0

    init(log: Log) { self.log = log }

    func up() {
        guard !isUp else { return }
        isUp = true
        if hasBeenTold == false { log.write(.info, "Kafka is back") } else { log.write(.info, "Kafka answers") }
        hasBeenTold = true
    }

    func down(_ reason: String) {
        guard isUp || hasBeenTold == nil else { return }
        isUp = false
        hasBeenTold = false
        losses += 1
        log.write(.warning, "Kafka does not answer; what is decided waits: \(reason)")
    }

    /// Anything else that goes wrong: counted, and said at most every ten seconds.
    func failed(_ error: KafkaError) {
        failures += 1
        guard !error.isBrokerDown, !error.isTimeout, Clock.monotonic >= quietUntil else { return }
        quietUntil = Clock.monotonic + 10_000_000_000
        log.write(error.isFatal ? .error : .warning, "Kafka: \(error)")
    }
}
