import Glibc
import Kafka
import Messages
import Testing

/// Real writers of the archive, real brokers, kill -9 and SIGSTOP; what is in the table is counted by delta-rs and pyarrow.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ArchiveTests {
    static let missing =
        output(of: [Place.python, "-c", "import duckdb, pyarrow, deltalake"]) == nil
        ? "pyarrow, duckdb and deltalake are not installed (make deps)" : nil

    /// weir-archive as a process.
    private final class Writer {
        let process: Process
        private let port = Place.freePort()

        init(_ broker: Broker, _ folder: String, replica: Int? = nil, log: String) throws {
            let configuration = Place.temporary("kafka.conf")
            write(configuration, replica.map { broker.properties(ofReplica: $0) } ?? broker.properties)
            process = try Process(
                [
                    "\(Place.programs)/weir-archive", "--archive", folder, "--kafka", broker.bootstrap, "--kafka-config", configuration,
                    "--listen", "127.0.0.1:\(port)", "--every", "300ms", "--place", "*=*"
                ], log: log)
        }

        private var page: String {
            let file = Place.temporary("page")
            defer { unlink(file) }
            return system("curl -sf -m 2 -o \(file) http://127.0.0.1:\(port)/metrics") == 0 ? read(file) : ""
        }

        func metric(_ line: String) -> Int {
            page.split(separator: "\n").first { $0.hasPrefix("\(line) ") }.flatMap { Int($0.dropFirst(line.utf8.count + 1)) } ?? 0
        }

        var written: Int { metric("weir_archive_records_total{outcome=\"written\"}") }
    }

    /// How often the table has each record of each topic, by place in the log; and those places that the topics have.
    private func compare(_ broker: Broker, _ folder: String, _ count: Int, _ log: String) throws {
        let text = try #require(output(of: [Place.python, "\(Place.root)/Tests/oracles/archive.py", "offsets", folder]))
        var found: [String: Int] = [:]
        for pair in text.dropFirst().dropLast().split(separator: ", ") {
            let parts = pair.split(separator: ": ")
            found[String(parts[0].dropFirst().dropLast())] = Int(parts[1])
        }
        let records = try broker.records(of: [Topic.events.name]) { $0.count >= count }
        let wanted = Set(records.map { "\($0.topic)/\($0.partition)/\($0.offset)" })
        #expect(wanted.count == count)
        #expect(Set(found.keys) == wanted, "\(found.count) of \(wanted.count): \(read(log).suffix(1500))")
        #expect(found.values.allSatisfy { $0 == 1 }, "\(found.filter { $0.value != 1 }.keys.prefix(5))")
    }

    @Test(
        "A writer killed at any moment neither loses nor doubles a record", .enabled(if: missing == nil),
        arguments: BrokerKind.availableAndEmpty)
    func killed(kind: BrokerKind) throws {
        let broker = try Broker(kind), folder = Place.temporary("table"), log = Place.temporary("archive.log")
        let attack = Attack(TestPolicy(workloads: 3), each: 400),
            producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        if kind != .mock { try producer.createTopics() }
        var writer = try Writer(broker, folder, log: log), remaining = attack.events[...]
        let part = attack.events.count / 6
        for life in 0..<6 {
            #expect(try producer.deliver(remaining.prefix(part)))
            remaining = remaining.dropFirst(part)
            guard life < 5 else { break }
            // Before its first commit, right after one, and in between.
            if life % 2 == 1 { #expect(eventually { writer.written > 0 }, "life \(life): \(read(log).suffix(500))") }
            poll(nil, 0, [700, 0, 1100, 150, 20][life])
            writer.process.kill()
            writer = try Writer(broker, folder, log: log)
        }
        let group = try Group(broker, "weir-archive")
        #expect(eventually { group.hasAnsweredEverything }, "\(read(log).suffix(500))")
        #expect(writer.process.terminate().code == 0)
        try compare(broker, folder, attack.events.count, log)
    }

    /// noida-db never misses a member that says nothing any more, so nobody would take over.
    @Test(
        "A writer that stands still while a second one takes over neither loses nor doubles a record", .enabled(if: missing == nil),
        arguments: BrokerKind.availableAndEmpty.filter { $0 != .noida })
    func stopped(kind: BrokerKind) throws {
        let broker = try Broker(kind), folder = Place.temporary("table"), log = Place.temporary("archive.log")
        let attack = Attack(TestPolicy(workloads: 3), each: 400),
            producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        if kind != .mock { try producer.createTopics() }
        var remaining = attack.events[...]
        let part = attack.events.count / 4
        func deliver() throws {
            #expect(try producer.deliver(remaining.prefix(part)))
            remaining = remaining.dropFirst(part)
        }
        try deliver()
        let first = try Writer(broker, folder, replica: 1, log: log)
        #expect(eventually { first.written > 0 }, "\(read(log).suffix(500))")
        try deliver()
        // With records in its hands that are not committed yet, or nearly so.
        kill(first.process.pid, SIGSTOP)
        let second = try Writer(broker, folder, replica: 2, log: log), group = try Group(broker, "weir-archive")
        try deliver()
        #expect(eventually(within: 90) { group.hasAnsweredEverything }, "\(read(log).suffix(500))")
        #expect(second.written > 0)
        kill(first.process.pid, SIGCONT)
        try deliver()
        #expect(eventually(within: 60) { group.hasAnsweredEverything }, "\(read(log).suffix(500))")
        // It is a member again, or was told that it is none any more; either way it ends well.
        #expect(first.process.terminate().code == 0)
        #expect(second.process.terminate().code == 0)
        try compare(broker, folder, attack.events.count, log)
    }

    @Test("What cannot be written is read again until it can, and is there once", .enabled(if: missing == nil))
    func unwritable() throws {
        let broker = try Broker(.mock), folder = Place.temporary("table"), log = Place.temporary("archive.log")
        let attack = Attack(TestPolicy(workloads: 2), each: 100),
            producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        // A file where a folder has to be made: as a full disk, it is no reason to end.
        mkdir(folder, 0o700)
        let inTheWay = "\(folder)/place=node-t"
        write(inTheWay, "")
        let writer = try Writer(broker, folder, log: log), group = try Group(broker, "weir-archive")
        #expect(try producer.deliver(attack.events))
        #expect(eventually { writer.metric("weir_archive_failures_total{what=\"table\"}") > 1 }, "\(read(log).suffix(500))")
        #expect(writer.written == 0)
        #expect(read(log).contains("the batch is not in the table, and is read again: \(inTheWay)/"))
        unlink(inTheWay)
        #expect(eventually { group.hasAnsweredEverything }, "\(read(log).suffix(500))")
        #expect(writer.process.terminate().code == 0)
        try compare(broker, folder, attack.events.count, log)
    }

    @Test(
        "A topic that somebody deletes and makes anew is archived from its beginning, beside what was there",
        .enabled(if: BrokerKind.available.contains(.apache), "only Apache Kafka has a tool here that deletes topics"))
    func madeAnew() throws {
        let broker = try Broker(.apache), folder = Place.temporary("table"), log = Place.temporary("archive.log")
        let script = "\(Place.environment("WEIR_KAFKA_DISTRIBUTION")!)/kafka.sh"
        let attack = Attack(TestPolicy(workloads: 2), each: 200)
        func rows() -> Int {
            let words = ["\(Place.programs)/weir", "query", "--archive", folder, "--last", "30d", "--by", "node", "--format", "json"]
            let line = output(of: words)?.split(separator: "\n").first ?? ""
            return line.split(separator: "\"records\":").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
        }
        // The same sources, and so the same partitions.
        for (events, total) in [(attack.events[...], 400), (attack.events.prefix(40), 440)] {
            // A producer of its own: who knows the topic from before waits for it.
            let producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
            try producer.createTopics()
            #expect(try producer.deliver(events))
            let writer = try Writer(broker, folder, log: log)
            #expect(eventually(within: 60) { rows() == total }, "\(rows()): \(read(log).suffix(900))")
            #expect(writer.process.terminate().code == 0)
            system("bash \(script) topics --bootstrap-server \(broker.bootstrap) --delete --topic \(Topic.events.name) >/dev/null 2>&1")
        }
        #expect(read(log).contains("a topic was made anew topic=\(Topic.events.name)"))
    }

    @Test("A table that cannot be had is refused in one line, before any record is read")
    func refused() throws {
        let broker = try Broker(.mock), log = Place.temporary("archive.log"), file = Place.temporary("file")
        write(file, "no folder")
        for folder in [file, "/proc/none", "/sys/kernel"] {
            let writer = try Writer(broker, folder, log: log)
            #expect(writer.process.wait() == 3)
            let lines = read(log).split(separator: "\n")
            #expect(lines.count == 1 && lines[0].hasPrefix("weir-archive: --archive: \(folder)"), "\(lines)")
            unlink(log)
        }
    }
}
