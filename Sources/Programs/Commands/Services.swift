package import Arguments
package import Detection
package import Log

// What several command lines have. Exit codes: 0 well; 1 found what was asked about; 2 wrong use or input; 3 this machine cannot.

package let policyOption = Option("policy", .file, "the policy; without it the built-in one, which observes")

package let startupTraceOption = Option(
    "startup-trace", .file, "write there where the start-up's time went, for weir startup, Perfetto or chrome://tracing")

/// Where Kafka is.
package struct BrokerOptions: OptionGroup {
    package let kafka = Option("kafka", .endpoints, "the brokers")
    package let kafkaConfig = Option("kafka-config", .file, "librdkafka properties, one name=value a line; secrets belong there")

    package init() {}
}

/// The options of every program that runs until it is stopped.
package struct ServiceOptions: OptionGroup {
    package let brokers = BrokerOptions()
    package let log = Option<Log.Format>("log", .choice, "how log lines look", standard: "text")
    package let listen: Option<Endpoint>

    init(listen standard: String) {
        listen = Option("listen", .endpoint, "where /metrics, /healthz and /readyz answer", standard: standard)
    }
}

/// A command line of such a program.
package protocol Service: OptionGroup {
    var service: ServiceOptions { get }
}

/// What decides, and whether it acts.
package struct PolicyOptions: OptionGroup {
    package let policy = policyOption
    package let mode = Option<Policy.Mode?>(
        "mode", .choice, "observe refuses nothing, enforce sets limits; without this option the policy decides")
}
