internal import AgentCore
internal import Arguments
internal import Commands
internal import Front
internal import Glibc
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Terminal
internal import WeirCommands
internal import Units
internal import Vocabulary

/// The brokers that the command line names, for a person who waits for the answer.
func quickBrokers(_ options: Arguments<BrokerOptions>) throws -> KafkaConfiguration {
    try brokers(options).with("fetch.wait.max.ms", "20")
}

/// `nil` where it names none.
func quickBrokersIfAny(_ options: Arguments<BrokerOptions>) throws -> KafkaConfiguration? {
    try brokersIfAny(options)?.with("fetch.wait.max.ms", "20")
}

/// Those of `topics` that the broker has; a follower of one that is not there would wait for it.
func topicsThere(among topics: [Topic], _ kafka: KafkaConfiguration) throws -> [Topic] {
    do {
        let there = try KafkaProducer(kafka, name: "weir").topics(withinMilliseconds: 10_000)
        return topics.filter { there[$0.name] != nil }
    } catch { throw unanswered(by: kafka) }
}

/// Why Kafka does not answer: a password that it refuses looks like a broker that is away, to whoever only waits.
func unanswered(by kafka: KafkaConfiguration) -> Refusal {
    guard let finding = KafkaExamination(kafka).findings.first(where: { $0.isGood == false }) else {
        return .cannot("Kafka at \(kafka.value(of: "bootstrap.servers") ?? "") does not answer in time")
    }
    return .cannot("\(finding.what): \(finding.more)")
}

/// Whether the broker has a topic. Makes it first, if asked to.
func hasTopic(_ topic: Topic, _ kafka: KafkaConfiguration, makingIt: Bool = false) throws -> Bool {
    do {
        let producer = try KafkaProducer(kafka, name: "weir")
        if try producer.topics(withinMilliseconds: 10_000)[topic.name] != nil { return true }
        guard makingIt else { return false }
        if case .refused(let error)? = try producer.create([topic], withinMilliseconds: 10_000)[topic.name] {
            throw Refusal.cannot("Kafka: \(topic.name): \(error)")
        }
        return true
    } catch is KafkaError { throw unanswered(by: kafka) }
}

func listLimits(_ arguments: Arguments<TopicOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let kafka = try quickBrokers(arguments.brokers), topic = try LimitsTopic(kafka)
    // Read after the limits: a node that has said more by then is not called behind.
    let nodes = try NodesTopic(kafka), now = Instant(nanoseconds: Clock.wall)
    try nodes.catchUp()
    let known = topic.entries.filter { $0.limit.until > now }, limits = known.filter { !$0.limit.isRelease }
    if arguments.format == .json {
        // Releases as well: who reads this has no other place to learn of them.
        for entry in known where try !Standard.output.write(nodes.json(of: entry, topic, at: now) + [10]) { break }
        return 0
    }
    if limits.isEmpty {
        print("nothing is limited")
    } else {
        var table = Table([
            .init("prefix", minimum: 12), .init("class"), .init("per second", .right), .init("answer"), .init("ends in", .right),
            .init("step", .right), .init("nodes", .right), .init("by"), .init("why", minimum: 8)
        ])
        for entry in limits {
            let limit = entry.limit
            table.append([
                limit.key.prefix.description, limit.key.limitClass.id, "\(limit.perSecond)", limit.answer.id,
                Figures.duration(limit.until - now), "\(limit.step)", nodes.share(of: entry, topic, at: now), limit.origin.rawValue,
                limit.anomalies.list.map(\.id).joined(separator: ",")
            ])
        }
        for line in table.lines(for: Terminal(of: 1)) { print(line) }
    }
    for line in NodesTopic.line(
        "released", known.filter(\.limit.isRelease).map { "\($0.limit.key) for \(Figures.duration($0.limit.until - now))" })
    { print(line) }
    for line in nodes.notes(on: limits, topic, at: now) { print(line) }
    return 0
}

func addLimit(_ arguments: Arguments<LimitsAddOptions>) throws -> CInt {
    let kafka = try quickBrokers(arguments.brokers), now = Instant(nanoseconds: Clock.wall)
    // With the settings that it needs, which a broker that makes topics by itself would not give it.
    _ = try hasTopic(.limits, kafka, makingIt: true)
    let key = Limit.Key(prefix: arguments.prefix, limitClass: arguments.limitClass)
    let generation = Limit.operatorsGeneration(
        after: try LimitsTopic(kafka).entries.first { $0.limit.key == key }?.limit.generation, at: now)
    var seed = SystemRandomNumberGenerator()
    let trace = [seed.next(), seed.next() | 1].map { word in
        String(repeating: "0", count: 16 - String(word, radix: 16).utf8.count) + String(word, radix: 16)
    }.joined()
    var limit = Limit(
        key: key, perSecond: arguments.perSecond, answer: .reset, until: now + arguments.duration,
        generation: generation,
        anomalies: AnomalySet(), traceID: trace)
    limit.origin = .operator
    let id = "operator:\(trace.prefix(16))"
    try produce(
        kafka, key.description, limit.encoded(),
        cloudEventHeaders(id: id, source: "weir-limits", type: Limit.type, time: now, traceID: trace))
    print(
        "\(key.prefix): \(key.limitClass.id) handshakes limited to \(limit.perSecond) in any second until \(limit.until.rfc3339.prefix(19))Z, on every node"
    )
    return try arguments.patience.map { try awaitNodes(kafka, [key], isRelease: false, within: $0) } ?? 0
}

func releaseLimits(_ arguments: Arguments<LimitsReleaseOptions>) throws -> CInt {
    let kafka = try quickBrokers(arguments.brokers), prefix = arguments.prefix, now = Instant(nanoseconds: Clock.wall)
    let found = try LimitsTopic(kafka).entries.map(\.limit).filter { $0.key.prefix == prefix && $0.until > now && !$0.isRelease }
    guard !found.isEmpty else {
        complain("weir: \(prefix) is not limited")
        return 1
    }
    for limit in found {
        let release = limit.released(at: now)
        try produce(
            kafka, limit.key.description, release.encoded(),
            cloudEventHeaders(
                id: "operator:release:\(release.generation)", source: "weir-limits", type: Limit.type, time: now, traceID: limit.traceID))
        print("\(prefix): released (\(limit.key.limitClass.id))")
    }
    return try arguments.patience.map { try awaitNodes(kafka, found.map(\.key), isRelease: true, within: $0) } ?? 0
}

/// Writes one record and waits until it is stored.
func produce(
    _ kafka: KafkaConfiguration, to topic: Topic = .limits, _ key: String, _ value: [UInt8]?, _ headers: [(name: String, value: String)]
) throws {
    do {
        let producer = try KafkaProducer(kafka, name: "weir-limits")
        _ = try producer.produce(topic: topic.name, key: key, value: value, headers: headers, token: 1)
        var refusal: KafkaError?
        let left = producer.close(withinMilliseconds: 10_000) {
            if case .delivered(_, let error?) = $0, !error.isPurged { refusal = error }
        }
        if let refusal {
            let words = [refusal.reason, refusal.advice].compactMap(\.self).joined(separator: "; ")
            throw Refusal.cannot("Kafka refuses the record: \(words)")
        }
        guard left == 0 else { throw Refusal.cannot("Kafka did not take the record within 10 s; is it running, and is --kafka right?") }
    } catch let error as KafkaError { throw Refusal.cannot("Kafka: \(error)") }
}

/// Returns when every node that reports has applied what was just written; 1 with the names of those that had not in time.
private func awaitNodes(_ kafka: KafkaConfiguration, _ keys: [Limit.Key], isRelease: Bool, within duration: Duration) throws -> CInt {
    let start = Clock.monotonic, end = start + UInt64(duration.wholeNanoseconds)
    // What was written stands before the topic's end by now.
    let topic = try LimitsTopic(kafka)
    guard topic.isOrdered else { throw Refusal.cannot(topic.disorder) }
    let nodes = try NodesTopic(kafka)
    try nodes.catchUp()
    while true {
        let now = Instant(nanoseconds: Clock.wall), late = nodes.late(for: keys, topic.end, isRelease: isRelease, at: now)
        if late.isEmpty, nodes.listening(at: now) > 0 {
            print(
                "applied on \(Figures.count(nodes.listening(at: now))) of \(Figures.count(nodes.reports.count)) nodes after \(Figures.latency(.nanoseconds(Int64(Clock.monotonic - start))))"
            )
            for line in nodes.silent(at: now) { complain("weir: \(line)") }
            return 0
        }
        guard Clock.monotonic < end else {
            complain(
                "weir: not applied within \(Figures.latency(duration)): "
                    + (late.isEmpty ? "no node reports" : late.joined(separator: ", ")))
            return 1
        }
        if !nodes.read() { usleep(5000) }
    }
}
