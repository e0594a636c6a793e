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

    @Test(
        "A mistake is named with its file, line and property",
        arguments: [
            ("linger.ms=1\nlinger.mss=2", "FILE:2: linger.mss: No such configuration property: \"linger.mss\""),
            (
                "\nsecurity.protocol=banana",
                "FILE:2: security.protocol: Invalid value \"banana\" for configuration property \"security.protocol\""
            ),
            ("what is this", "FILE:1: 'what is this' is not name=value"),
            ("acks=1", "FILE:1: acks: weir sets this itself, because delivery depends on it")
        ])
    func mistakes(text: String, message: String) throws {
        #expect(throws: KafkaConfiguration.Problem(description: message)) { try load(text) }
    }

    @Test("A file that is not there says so")
    func missing() throws {
        var configuration = try KafkaConfiguration(bootstrap: "broker:9092")
        #expect(throws: KafkaConfiguration.Problem(description: "/no/such/file: No such file or directory")) {
            try configuration.load("/no/such/file")
        }
    }

    @Test("What is no list of brokers is refused", arguments: ["", "host", "host:", ":9092", "host:0", "host:99999", "a:1,,b:2", "a:1,"])
    func refused(text: String) {
        #expect(throws: KafkaConfiguration.Problem.self) { try KafkaConfiguration(bootstrap: text) }
    }

    private func write(_ name: String, _ text: String) -> String {
        let path = "/tmp/weir-kafka-\(getpid())-\(name)"
        let file = fopen(path, "w")!
        fputs(text, file)
        fclose(file)
        return path
    }

    @Test("A secret may stand in a file of its own, whose last line's end is no part of it")
    func secrets() throws {
        let password = write("password", "a b=c\n"), empty = write("empty", "\n")
        defer { _ = (unlink(password), unlink(empty)) }
        for name in ["sasl.password", "ssl.key.password", "ssl.keystore.password"] {
            #expect(try load("\(name).file = \(password)").value(of: name) == "a b=c")
        }
        #expect(try load("sasl.password.file=\(password)").value(of: "sasl.password.file") == nil, "librdkafka knows no such property")
        for (path, reason) in [("/no/such/password", "No such file or directory"), (empty, "holds no secret: one line of text is wanted")] {
            #expect(
                performing: { try load("sasl.username=weir\nsasl.password.file=\(path)") },
                throws: { "\($0)".hasSuffix(":2: sasl.password.file: \(path): \(reason)") })
        }
        #expect(throws: KafkaConfiguration.Problem.self, "no other property has one") { try load("sasl.username.file=\(password)") }
    }

    @Test("Keys and certificates that are held in memory can be read when their files are gone, by their new names")
    func inMemory() throws {
        let key = write("key", "the key"), authority = write("authority", "the authority")
        let held = try load("ssl.key.location=\(key)\nssl.ca.location=\(authority)\nlinger.ms=7").inMemory()
        unlink(key)
        unlink(authority)
        for (name, text) in [("ssl.key.location", "the key"), ("ssl.ca.location", "the authority")] {
            let path = try #require(held.value(of: name)), file = Glibc.open(path, O_RDONLY)
            defer { close(file) }
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = Glibc.read(file, &bytes, 64)
            #expect(String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self) == text, "\(path)")
        }
        #expect(held.value(of: "linger.ms") == "7")
        // A directory of authorities stays where it is, and what is not there is an error that names it.
        #expect(try load("ssl.ca.location=/etc").inMemory().value(of: "ssl.ca.location") == "/etc")
    }
}

extension KafkaConfiguration.Problem {
    /// The temporary file's name would differ in each run.
    fileprivate static func renamed(_ problem: KafkaConfiguration.Problem, _ path: String) -> KafkaConfiguration.Problem {
        KafkaConfiguration.Problem(
            description: problem.description.split(separator: path, omittingEmptySubsequences: false).joined(separator: "FILE"))
    }
}
