package import Arguments
package import Commands
package import Kafka

/// The brokers of `--kafka` and `--kafka-config`; `nil` where the command line has neither.
/// - Throws: `KafkaConfiguration.Problem` for what is wrong in either, `Refusal` where they name no broker.
package func brokersIfAny(_ options: Arguments<BrokerOptions>) throws -> KafkaConfiguration? {
    guard options.kafka != nil || options.kafkaConfig != nil else { return nil }
    var configuration = KafkaConfiguration()
    if let brokers = options.kafka { configuration = try KafkaConfiguration(bootstrap: brokers.bootstrap) }
    if let file = options.kafkaConfig { try configuration.load(file) }
    guard configuration.value(of: "bootstrap.servers") != nil else { throw noBroker }
    return configuration
}

/// The same for who cannot do without.
package func brokers(_ options: Arguments<BrokerOptions>) throws -> KafkaConfiguration {
    guard let configuration = try brokersIfAny(options) else { throw noBroker }
    return configuration
}

extension [Endpoint] {
    /// As Kafka's libraries take them (`bootstrap.servers`).
    package var bootstrap: String { map(\.description).joined(separator: ",") }
}

private let noBroker = Refusal.wrong("no broker: --kafka HOST:PORT is wanted, or bootstrap.servers in the file of --kafka-config")
