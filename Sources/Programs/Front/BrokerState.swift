package import Kafka
internal import Linux
package import Log

/// Whether the brokers answer. Several handles notice by themselves; the operator hears of a loss and of a return once.
package final class BrokerState {
    private let log: Log
    private let meanwhile: String
    package private(set) var isUp = false
    private var hasBeenTold: Bool?
    package private(set) var losses = 0
    package private(set) var failures = 0
    /// Whoever makes topics has made them.
    package var hasTopics = false
    private var troubles = KafkaTroubles()
    private var advice: String?
    /// When missing topics may be made again.
    private var topicsAt: UInt64 = 0

    /// - Parameter meanwhile: what becomes of the program's work while no broker answers, for the log.
    package init(_ log: Log, meanwhile: String) {
        self.log = log
        self.meanwhile = meanwhile
    }

    /// What any Kafka handle may say.
    package func hear(_ notice: KafkaNotice) {
        switch notice {
        case .connected: up()
        case .disconnected(let outage): down(outage)
        case .failure(let error): failed(error)
        case .log(let line):
            // The library says these again as errors, which are told above.
            guard line.level <= 3, !["FAIL", "ERROR", "FATAL"].contains(line.facility) else { return }
            log.write(.warning, "librdkafka: \(line.message)", [("facility", line.facility)])
        }
    }

    private func up() {
        guard !isUp else { return }
        isUp = true
        advice = nil
        if hasBeenTold == false { log.write(.info, "Kafka is back") } else { log.write(.info, "Kafka answers") }
        hasBeenTold = true
    }

    private func down(_ outage: KafkaOutage) {
        guard isUp || hasBeenTold == nil || outage.isOfConfiguration && outage.advice != advice else { return }
        if isUp || hasBeenTold == nil { losses += 1 }
        isUp = false
        hasBeenTold = false
        advice = outage.advice
        log.write(.warning, "Kafka does not answer; \(meanwhile): \(outage)")
    }

    /// Anything else that goes wrong: counted, and each told once.
    package func failed(_ error: KafkaError) {
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
