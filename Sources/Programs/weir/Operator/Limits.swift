internal import Arguments
internal import Glibc
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Terminal
internal import Wire

/// The brokers that the command line names.
func brokers(_ arguments: Arguments) throws -> KafkaConfiguration {
    do {
        var configuration = try arguments.text("kafka").map { text throws(KafkaConfiguration.Problem) in try KafkaConfiguration(bootstrap: text) } ?? KafkaConfiguration()
        if let file = arguments.text("kafka-config") { try configuration.load(file) }
        guard configuration.value(of: "bootstrap.servers") != nil else { throw Ending.wrong("no broker: --kafka HOST:PORT is wanted, or bootstrap.servers in the file of --kafka-config") }
        return configuration.with("fetch.wait.max.ms", "20")
    } catch let error as KafkaConfiguration.Problem { throw Ending.wrong("\(error)") }
}

/// Whether the broker has a topic; a follower of one that is not there would wait for it. Makes it first, if asked to.
func hasTopic(_ topic: Topic, _ kafka: KafkaConfiguration, makingIt: Bool = false) throws -> Bool {
    do {
        let producer = try KafkaProducer(kafka, name: "weir")
        if try producer.topics(withinMilliseconds: 10_000)[topic.name] != nil { return true }
        guard makingIt else { return false }
        if case .refused(let error)? = try producer.create([topic], withinMilliseconds: 10_000)[topic.name] { throw Ending.cannot("Kafka: \(topic.name): \(error)") }
        return true
    } catch is KafkaError {
        throw Ending.cannot("Kafka at \(kafka.value(of: "bootstrap.servers") ?? "") does not answer; is it running, and is --kafka right?")
    }
}

/// The limits topic as it stands: the last record of each key that is not a tombstone.
private func currentLimits(_ kafka: KafkaConfiguration) throws -> [Limit] {
    guard try hasTopic(.limits, kafka) else { return [] }
    let follower: KafkaFollower
    do { follower = try KafkaFollower(kafka, topics: [Topic.limits.name], name: "weir-limits") } catch { throw Ending.cannot("Kafka: \(error)") }
    var reader = MessageReader(), limits: [String: Limit] = [:], unreadable = 0
    let end = Clock.monotonic + 10_000_000_000
    while !follower.isCaughtUp {
        guard Clock.monotonic < end else { throw Ending.cannot("Kafka at \(kafka.value(of: "bootstrap.servers") ?? "") does not answer; is it running, and is --kafka right?") }
        let more = follower.drain { event in
            switch event {
            case .record(let record):
                let parsed = record.isTombstone ? nil : record.withValue { bytes in try? reader.limit(bytes) }
                if !record.isTombstone, parsed == nil { unreadable += 1 }
                limits[record.key] = parsed
            default: break
            }
        }
        if !more { usleep(2000) }
    }
    if unreadable > 0 { complain("weir: \(unreadable) records of \(Topic.limits.name) were not understood") }
    return limits.values.sorted { ($0.key.prefix, $0.key.limitClass.rawValue) < ($1.key.prefix, $1.key.limitClass.rawValue) }
}

func listLimits(_ arguments: Arguments) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let now = Instant(nanoseconds: Clock.wall)
    let limits = try currentLimits(brokers(arguments)).filter { $0.until > now }
    if arguments.text("format") == "json" {
        for limit in limits where try !Standard.output.write(limit.encoded() + [10]) { break }
        return 0
    }
    guard !limits.isEmpty else {
        print("nothing is limited")
        return 0
    }
    var table = Table([.init("prefix", minimum: 12), .init("class"), .init("per second", .right), .init("answer"), .init("ends in", .right), .init("step", .right), .init("by"), .init("why", minimum: 8)])
    for limit in limits {
        table.append([limit.key.prefix.description, limit.key.limitClass.id, "\(limit.perSecond)", limit.answer.id, Figures.duration(limit.until - now), "\(limit.step)", limit.origin.rawValue,
                      limit.anomalies.list.map(\.id).joined(separator: ",")])
    }
    for line in table.lines(for: Terminal(of: 1)) { print(line) }
    return 0
}

func addLimit(_ arguments: Arguments) throws -> CInt {
    let kafka = try brokers(arguments), now = Instant(nanoseconds: Clock.wall)
    // With the settings that it needs, which a broker that makes topics by itself would not give it.
    _ = try hasTopic(.limits, kafka, makingIt: true)
    let key = Limit.Key(prefix: arguments.prefix(at: 0), limitClass: LimitClass(id: arguments.text("class") ?? "") ?? .all)
    let generation = (try currentLimits(kafka).filter { $0.key == key }.map(\.generation).max() ?? 0) + 1
    var seed = SystemRandomNumberGenerator()
    let trace = [seed.next(), seed.next() | 1].map { word in String(repeating: "0", count: 16 - String(word, radix: 16).utf8.count) + String(word, radix: 16) }.joined()
    var limit = Limit(key: key, perSecond: arguments.number("per-second") ?? 3, answer: .reset, until: now + (arguments.duration("for") ?? .seconds(600)), generation: generation,
                      anomalies: AnomalySet(), traceID: trace)
    limit.origin = .operator
    let id = "operator:\(trace.prefix(16))"
    try produce(kafka, key.description, limit.encoded(), cloudEventHeaders(id: id, source: "weir-limits", type: Limit.type, time: now, traceID: trace))
    print("\(key.prefix): \(key.limitClass.id) handshakes limited to \(limit.perSecond) in any second until \(limit.until.rfc3339.prefix(19))Z, on every node")
    return 0
}

func releaseLimits(_ arguments: Arguments) throws -> CInt {
    let kafka = try brokers(arguments), prefix = arguments.prefix(at: 0), now = Instant(nanoseconds: Clock.wall)
    let found = try currentLimits(kafka).filter { $0.key.prefix == prefix && $0.until > now }
    guard !found.isEmpty else {
        complain("weir: \(prefix) is not limited")
        return 1
    }
    for limit in found {
        try produce(kafka, limit.key.description, nil, cloudEventHeaders(id: "operator:release:\(limit.generation)", source: "weir-limits", type: Limit.type, time: now, traceID: limit.traceID))
        print("\(prefix): released (\(limit.key.limitClass.id))")
    }
    return 0
}

/// Writes one record and waits until it is stored.
private func produce(_ kafka: KafkaConfiguration, _ key: String, _ value: [UInt8]?, _ headers: [(name: String, value: String)]) throws {
    do {
        let producer = try KafkaProducer(kafka, name: "weir-limits")
        _ = try producer.produce(topic: Topic.limits.name, key: key, value: value, headers: headers, token: 1)
        let left = producer.close(withinMilliseconds: 10_000)
        guard left == 0 else { throw Ending.cannot("Kafka did not take the record within 10 s; is it running, and is --kafka right?") }
    } catch let error as KafkaError { throw Ending.cannot("Kafka: \(error)") }
}
