import Glibc
import Kafka
import Testing

@Suite struct KafkaConfigurationTests {
    private func load(_ text: String) throws -> KafkaConfiguration {
        let path = "/tmp/weir-kafka-config-\(getpid())-\(UInt64.random(in: 0 ... .max)).conf"
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
        defer { unlink(path) }
        var configuration = try KafkaConfiguration(bootstrap: "broker:9092")
        do { try configuration.load(path) } catch {
            throw KafkaConfiguration.Problem.renamed(error, path)
        }
        return configuration
    }

    @Test("Comments and empty lines are passed over, and a value may hold an equals sign")
    func reads() throws {
        let read = try load("# who we are\n\n  sasl.username = weir \nsasl.password=a=b\n\tlinger.ms=5")
        #expect(read.value(of: "sasl.username") == "weir")
        #expect(read.value(of: "sasl.password") == "a=b")
        #expect(read.value(of: "linger.ms") == "5")
    }

    @Test("The brokers of the command line win over the file's")
    func bootstrap() throws {
        #expect(try load("bootstrap.servers=other:1").value(of: "bootstrap.servers") == "broker:9092")
    }

    @Test("A mistake is named with its file, line and property", arguments: [
        ("linger.ms=1\nlinger.mss=2", "FILE:2: linger.mss: No such configuration property: \"linger.mss\""),
        ("\nsecurity.protocol=banana", "FILE:2: security.protocol: Invalid value \"banana\" for configuration property \"security.protocol\""),
        ("what is this", "FILE:1: 'what is this' is not name=value"),
        ("acks=1", "FILE:1: acks: weir sets this itself, because delivery depends on it"),
    ])
    func mistakes(text: String, message: String) throws {
        #expect(throws: KafkaConfiguration.Problem(description: message)) { try load(text) }
    }

    @Test("A file that is not there says so")
    func missing() throws {
        var configuration = try KafkaConfiguration(bootstrap: "broker:9092")
        #expect(throws: KafkaConfiguration.Problem(description: "/no/such/file: No such file or directory")) { try configuration.load("/no/such/file") }
    }

    @Test("What is no list of brokers is refused", arguments: ["", "host", "host:", ":9092", "host:0", "host:99999", "a:1,,b:2", "a:1,"])
    func refused(text: String) {
        #expect(throws: KafkaConfiguration.Problem.self) { try KafkaConfiguration(bootstrap: text) }
    }
}

extension KafkaConfiguration.Problem {
    /// The temporary file's name would differ in each run.
    fileprivate static func renamed(_ problem: KafkaConfiguration.Problem, _ path: String) -> KafkaConfiguration.Problem {
        KafkaConfiguration.Problem(description: problem.description.split(separator: path, omittingEmptySubsequences: false).joined(separator: "FILE"))
    }
}
