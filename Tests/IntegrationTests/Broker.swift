import Glibc
import Kafka
import Messages

/// The brokers that the same tests run against.
enum BrokerKind: String, CaseIterable, CustomStringConvertible {
    /// librdkafka's mock cluster, always there.
    case mock
    /// PyPI `noida-db`, in the virtual environment of `make deps`.
    case noida
    /// Apache Kafka, from the directory in WEIR_KAFKA_DISTRIBUTION.
    case apache
    /// Whatever KAFKA_BOOTSTRAP names.
    case external

    var description: String { rawValue }

    /// The broker itself, inside its package. The launcher in `bin` would only wait for it, and whoever has reaped a killed launcher does not know whether the
    /// broker is gone, with its port and its files.
    static let noidaProgram =
        output(of: [Place.python, "-c", "import noida_db; print(noida_db.__path__[0])"]).map { "\($0)/noida-db" } ?? ""

    /// Why it cannot be had here; `nil` when it can.
    var missing: String? {
        switch self {
        case .mock: nil
        case .noida: access(Self.noidaProgram, X_OK) == 0 ? nil : "noida-db is not installed (make deps)"
        case .apache:
            Place.environment("WEIR_KAFKA_DISTRIBUTION").map { access("\($0)/kafka.sh", R_OK) == 0 } == true
                ? nil : "WEIR_KAFKA_DISTRIBUTION names no directory with kafka.sh"
        case .external: Place.environment("KAFKA_BOOTSTRAP") == nil ? "KAFKA_BOOTSTRAP is not set" : nil
        }
    }

    /// WEIR_TEST_BROKERS=mock,apache chooses among those that can be had.
    static let available = allCases.filter { kind in
        kind.missing == nil
            && Place.environment("WEIR_TEST_BROKERS").map { $0.split(separator: ",").contains { $0 == kind.rawValue } } ?? true
    }
}

extension BrokerKind {
    /// Those that know nothing but what a test has told them: no earlier records, no members of a group that are not this test's.
    static let availableAndEmpty = available.filter { $0 != .external }
}

/// A running broker, gone with this object.
final class Broker {
    let kind: BrokerKind
    private(set) var bootstrap = ""
    private var mock: MockBroker?
    private var process: Process?
    private let directory = Place.temporary("broker")
    /// Apache's controller listens on the next one.
    private let port = Place.freePorts(2)

    init(_ kind: BrokerKind) throws {
        self.kind = kind
        try start()
    }

    deinit {
        mock = nil
        if kind == .apache { kafka("kill \(directory)") }
        process = nil
        system("rm -rf \(directory)")
    }

    private func start() throws {
        switch kind {
        case .mock:
            let broker = try MockBroker()
            bootstrap = broker.bootstrap
            mock = consume broker
        case .external: bootstrap = Place.environment("KAFKA_BOOTSTRAP")!
        case .noida:
            mkdir(directory, 0o700)
            process = try Process(
                [BrokerKind.noidaProgram, "start", "--only", "kafka", "--kafka-port", "\(port)", "--data-dir", directory],
                log: "\(directory)/log")
            bootstrap = "127.0.0.1:\(port)"
        case .apache:
            mkdir(directory, 0o700)
            // It waits for a line in this file, and would find the one of the start before.
            unlink("\(directory)/broker.log")
            guard kafka("start \(directory) \(port)") == 0 else {
                throw Failure("Apache Kafka does not start: \(read("\(directory)/broker.log").suffix(500))")
            }
            bootstrap = "127.0.0.1:\(port)"
        }
    }

    @discardableResult
    private func kafka(_ command: String) -> CInt {
        system("bash \(Place.environment("WEIR_KAFKA_DISTRIBUTION")!)/kafka.sh \(command) >/dev/null 2>&1")
    }

    /// Off the network and back; a broker that is a process is killed and started on what it has stored.
    func set(isDown: Bool) throws {
        switch kind {
        case .mock: mock!.set(isDown: isDown)
        case .apache where isDown: kafka("kill \(directory)")
        case .apache, .noida: if isDown { process = nil } else { try start() }
        case .external: break
        }
    }

    /// What a client of this broker needs beyond its address. Each broker has its own way to let a killed member's successor in at once.
    var properties: String {
        switch kind {
        case .mock: "session.timeout.ms=4000\nheartbeat.interval.ms=500\nfetch.wait.max.ms=10\n"
        case .noida, .apache, .external: "group.instance.id=weir-controller-test-\(getpid())\n"
        }
    }

    /// noida-db never misses a member that says nothing any more; there, a killed one's partitions wait for its successor.
    var missesMembers: Bool { kind != .noida }

    /// Of one among several in a group.
    func properties(ofReplica number: Int) -> String {
        switch kind {
        case .mock: properties
        case .noida: "group.instance.id=weir-controller-test-\(getpid())-\(number)\n"
        case .apache, .external: ""
        }
    }

    func configuration() throws -> KafkaConfiguration { try KafkaConfiguration(bootstrap: bootstrap) }

    /// Everything that stands in some topics.
    func records(of topics: [String], enough: ([StoredRecord]) -> Bool = { _ in true }, within seconds: Int = 30) throws -> [StoredRecord] {
        let follower = try KafkaFollower(try configuration(), topics: topics, name: "weir-test")
        var records: [StoredRecord] = []
        _ = eventually(within: seconds) {
            follower.drain { event in
                switch event {
                case .record(let record): records.append(StoredRecord(record))
                default: break
                }
            }
            return follower.isCaughtUp && enough(records)
        }
        return records
    }
}

extension Broker {
    /// Another one, whose limits topic holds what compaction leaves of this one's: the last record of each key.
    func compacted() throws -> Broker {
        let broker = try Broker(kind), producer = try KafkaProducer(try broker.configuration(), name: "weir-test")
        // The mock broker has them, and makes none.
        if kind != .mock { try producer.createTopics() }
        var last: [String: StoredRecord] = [:]
        for record in try records(of: [Topic.limits.name]) { last[record.key] = record }
        for record in last.values.sorted(by: { $0.offset < $1.offset }) {
            guard try producer.deliver(.limits, key: record.key, value: record.value, id: record.id) else {
                throw Failure("\(record.key) was not stored")
            }
        }
        return broker
    }
}

struct StoredRecord {
    let topic: String
    let partition: Int
    let offset: Int64
    let milliseconds: Int64?
    let key: String
    let value: [UInt8]?
    let headers: [String: String]

    init(_ record: borrowing KafkaRecord) {
        topic = record.topic
        partition = record.partition
        offset = record.offset
        milliseconds = record.timestamp?.milliseconds
        key = record.key
        value = record.value
        var headers: [String: String] = [:]
        for name in ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent"] {
            headers[name] = record.header(name)
        }
        self.headers = headers
    }

    var id: String { headers["ce_id"] ?? "" }
}
