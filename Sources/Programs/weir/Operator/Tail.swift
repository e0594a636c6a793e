internal import Arguments
internal import Detection
internal import Front
internal import Glibc
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary
internal import WeirCommands

/// `weir tail TOPIC`: one line a record, until Ctrl-C or until nobody reads.
func tailTopic(_ arguments: Arguments<TailOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let signals = try endingSignals()
    let kafka = try quickBrokers(arguments.topics.brokers), topic = arguments.topic
    let isJSON = arguments.topics.format == .json
    let isThere = try hasTopic(topic, kafka)
    if !isThere { complain("weir: \(topic.name) is not there yet; the controller makes it, waiting") }
    let follower: KafkaFollower
    do {
        follower = try KafkaFollower(
            kafka, topics: [topic.name], name: "weir-tail", fromBeginning: !isThere || arguments.fromBeginning,
            patience: isThere ? 2000 : 0)
    } catch { throw Refusal.cannot("Kafka: \(error)") }
    var reader = MessageReader(), lines: [UInt8] = []
    var isMore = false
    while signals.wait(milliseconds: isMore ? 0 : 500, or: follower.eventDescriptor) == nil {
        isMore = follower.drain { event in
            switch event {
            case .record(let record):
                let line = isJSON ? record.value.map { String(decoding: $0, as: UTF8.self) } : line(of: record, topic, &reader)
                if let line { lines += Array(line.utf8) + [10] }
            case .notice(let notice):
                if case .disconnected(let outage) = notice { complain("weir: Kafka does not answer: \(outage)") }
            default: break
            }
        }
        guard try lines.isEmpty || Standard.output.write(lines) else { return 0 }
        lines.removeAll(keepingCapacity: true)
    }
    return 0
}

private func line(of record: borrowing KafkaRecord, _ topic: Topic, _ reader: inout MessageReader) -> String? {
    if record.isTombstone { return "\(record.key)  \(topic == .nodes ? "stopped" : "released")" }
    let text: String? = record.withValue { bytes in
        switch topic {
        case .events where record.isLossNotice:
            guard let notice = try? reader.lossNotice(bytes) else { return nil }
            let losses = notice.losses.map { "\($0.count) \($0.what.rawValue) (\($0.cause))" }.joined(separator: ", ")
            return "\(notice.time.rfc3339)  \(notice.node)  lost \(losses)  since \(notice.since.rfc3339)"
        case .events:
            guard let event = try? reader.throttleEvent(bytes) else { return nil }
            let more = event.counts.suppressed > 0 ? "  \(event.counts.suppressed) more" : ""
            let who = event.counts.sources > 0 ? "\(event.counts.sources) sources" : "\(event.sourcePrefix)"
            return
                "\(event.time.rfc3339)  \(who)  \(event.action.rawValue)  \(event.anomalies.list.map(\.id).joined(separator: ","))  \(event.workload ?? "-")  \(event.node)\(more)  \(event.traceID)"
        case .limits:
            guard let limit = try? reader.limit(bytes) else { return nil }
            let what = limit.isRelease ? "released" : "\(limit.perSecond)/s  \(limit.answer.id)"
            return
                "\(limit.key.prefix)  \(limit.key.limitClass.id)  \(what)  until \(limit.until.rfc3339)  \(limit.origin.rawValue)  generation \(limit.generation)"
        case .nodes:
            guard let status = try? reader.nodeStatus(bytes) else { return nil }
            let lacks =
                status.lacking > 0
                ? "  lacks \(status.lacking): \(status.lacks.map { "\($0.key) (\($0.reason.rawValue))" }.joined(separator: ", "))" : ""
            return
                "\(status.time.rfc3339)  \(status.node)  \(status.mode.rawValue)  next offset \(status.nextOffset)  holds \(status.held)  refused \(status.refused)\(lacks)  policy \(status.policyName) \(status.policyVersion)"
        default:
            guard let decision = try? reader.scaleDecision(bytes) else { return nil }
            return
                "\(decision.workload)  \(decision.previousReplicas) → \(decision.desiredReplicas)  \(decision.mode.rawValue)  \(decision.sourcePrefix) sent \(decision.eventsInWindow) events in \(Figures.duration(.seconds(decision.windowSeconds)))  until \(decision.until.rfc3339)"
        }
    }
    return text ?? "\(record.key)  not understood (partition \(record.partition), offset \(record.offset))"
}
