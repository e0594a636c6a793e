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
    private var troubles = KafkaTroubles()
    private var advice: String?
    /// When missing topics may be made again.
    private var topicsAt: UInt64 = 0

    init(log: Log) { self.log = log }

    func up() {
        guard !isUp else { return }
        isUp = true
        advice = nil
        if hasBeenTold == false { log.write(.info, "Kafka is back") } else { log.write(.info, "Kafka answers") }
        hasBeenTold = true
    }

    func down(_ outage: KafkaOutage) {
        guard isUp || hasBeenTold == nil || outage.isOfConfiguration && outage.advice != advice else { return }
        if isUp || hasBeenTold == nil { losses += 1 }
        isUp = false
        hasBeenTold = false
        advice = outage.advice
        log.write(.warning, "Kafka does not answer; what is decided waits: \(outage)")
    }

    /// Anything else that goes wrong: counted, and each told once.
    func failed(_ error: KafkaError) {
        failures += 1
        if error.isUnknownTopic, hasTopics { lacksTopics() }
        guard troubles.isNews(error, at: Clock.monotonic) else { return }
        log.write(error.isFatal ? .error : .warning, "Kafka: \(error.reason)", error.advice.map { [("advice", $0)] } ?? [])
    }

    /// Somebody has deleted one, or has made one anew: looked for at the next tick, but not more often than every few seconds.
    private func lacksTopics() {
        guard Clock.monotonic >= topicsAt else { return }
        topicsAt = Clock.monotonic + 5_000_000_000
        hasTopics = false
    }
}
