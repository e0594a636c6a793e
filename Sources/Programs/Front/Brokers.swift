package import Arguments
package import Kafka

/// The brokers of `--kafka` and `--kafka-config`; `nil` where the command line has neither.
/// - Throws: `KafkaConfiguration.Problem` for what is wrong in either, `Refusal` where they name no broker.
package func brokersIfAny(_ arguments: Arguments) throws -> KafkaConfiguration? {
    guard arguments.has("kafka") || arguments.has("kafka-config") else { return nil }
    var configuration = KafkaConfiguration()
    if let text = arguments.text("kafka") { configuration = try KafkaConfiguration(bootstrap: text) }
    if let file = arguments.text("kafka-config") { try configuration.load(file) }
    guard configuration.value(of: "bootstrap.servers") != nil else { throw noBroker }
    return configuration
}

/// The same for who cannot do without.
package func brokers(_ arguments: Arguments) throws -> KafkaConfiguration {
    guard let configuration = try brokersIfAny(arguments) else { throw noBroker }
    return configuration
}

private let noBroker = Refusal.wrong("no broker: --kafka HOST:PORT is wanted, or bootstrap.servers in the file of --kafka-config")
