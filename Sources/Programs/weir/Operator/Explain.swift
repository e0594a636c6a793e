internal import AgentCore
internal import Arguments
internal import Detection
internal import Front
internal import Glibc
internal import Kafka
internal import Linux
internal import Messages
internal import Terminal
internal import Vocabulary
internal import WeirCommands
internal import Units

/// `weir explain SOURCE`: is it limited, on what evidence, what was decided, when does it end. 1 when nothing is known of it.
func explainSource(_ arguments: Arguments<ExplainOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let kafka = try quickBrokers(arguments.topics.brokers), source = arguments.prefix, story = try TopicStory(kafka, about: .source(source))
    if arguments.topics.format == .json { return try printJSON(story) }
    let topic = try LimitsTopic(kafka), nodes = try NodesTopic(kafka), now = Instant(nanoseconds: Clock.wall)
    try nodes.catchUp()
    let concerned = topic.entries.filter { $0.limit.key.prefix.contains(source) || source.contains($0.limit.key.prefix) }
    let kept = try arguments.archive.map { try archived(source, in: $0, before: story.sum.first ?? now, at: now) } ?? []
    guard !story.records.isEmpty || !concerned.isEmpty || !kept.isEmpty else {
        complain("weir: nothing is known of \(source): no event, no limit, no decision")
        return 1
    }
    for line in standing(of: source, concerned, topic, nodes, at: now) + evidence(story.sum, at: now) + kept { print(line) }
    printRecords(of: story, showingAll: arguments.all)
    return 0
}

/// `weir trace ID`: one detection's way through the topics.
func traceStory(_ arguments: Arguments<TraceOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let id = arguments.id
    guard id.utf8.count == 32, id.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else {
        throw Refusal.wrong(
            "trace: `\(id)`: a trace id is 32 lowercase hexadecimal digits, as events, limits and decisions bear (trace_id)")
    }
    let kafka = try quickBrokers(arguments.topics.brokers), story = try TopicStory(kafka, about: .trace(id))
    guard !story.records.isEmpty else {
        complain("weir: no record bears the trace \(id); events are kept for days only")
        return 1
    }
    if arguments.topics.format == .json { return try printJSON(story) }
    printRecords(of: story, showingAll: true)
    return 0
}

/// What holds now.
private func standing(of source: Prefix, _ entries: [LimitsTopic.Entry], _ topic: LimitsTopic, _ nodes: NodesTopic, at now: Instant)
    -> [String]
{
    let standing = entries.filter { $0.limit.until > now }
    guard !standing.isEmpty else {
        let last = entries.map(\.limit.until).max()
        return ["\(source) is not limited" + (last.map { "; its last limit ended \(Figures.duration(now - $0)) ago" } ?? "")]
    }
    return standing.map { entry in
        let limit = entry.limit, left = Figures.duration(limit.until - now)
        if limit.isRelease {
            return
                "\(limit.key.prefix) is released by the \(limit.origin.rawValue) (\(limit.key.limitClass.id)), whatever a controller says, for another \(left)"
        }
        let what = limit.key.limitClass == .all ? "all handshakes" : "anomalous handshakes"
        let share = nodes.share(of: entry, topic, at: now)
        return
            "\(limit.key.prefix) is limited: \(what), \(limit.perSecond) in any second, answered by \(limit.answer.id), for another \(left) (by \(limit.origin.rawValue), step \(limit.step)\(share == "-" ? "" : ", on \(share) nodes"))"
    }
}

/// What was seen of it.
private func evidence(_ sum: TopicStory.Sum, at now: Instant) -> [String] {
    guard let last = sum.latest, let first = sum.first else { return ["no node has told of it"] }
    func plural(_ count: Int, _ word: String) -> String { "\(Figures.count(count)) \(word)\(count == 1 ? "" : "s")" }
    let since = first == last.time ? "" : " within \(Figures.duration(last.time - first))"
    var lines = [
        "seen: \(plural(sum.hellos, "anomalous hello")) in \(plural(sum.events, "event")) of \(plural(sum.nodes.count, "node"))\(since), the last \(Figures.duration(now - last.time)) ago: "
            + sum.anomalies.list.map(\.id).joined(separator: ", ")
            + "; \(Figures.count(sum.reset)) reset, \(Figures.count(sum.dropped)) dropped"
    ]
    let stack = [last.ja4.map { "JA4 \($0)" }, last.version.map { "TLS \($0)" }, last.serverName.map { "for \($0)" }].compactMap { $0 }
    lines.append(
        "last: " + (stack.isEmpty ? "" : stack.joined(separator: ", ") + ", ")
            + "to \(last.destinationAddress) port \(last.destinationPort)" + (last.workload.map { " (\($0))" } ?? "")
            + (last.communityID.map { ", Community ID \($0)" } ?? ""))
    if !last.groups.isEmpty || last.encryptedHello != nil {
        let shares = last.keyShares.isEmpty ? "none" : last.keyShares.joined(separator: ", ")
        let hidden = last.encryptedHello.map { "; encrypted hello (\($0.rawValue)), so the name is the outer one" } ?? ""
        lines.append("groups: \(last.groups.joined(separator: ", ")); key shares: \(shares)\(hidden)")
    }
    return lines
}

private let shown = 20

private func printRecords(of story: TopicStory, showingAll: Bool) {
    let rows = showingAll ? story.records[...] : story.records.suffix(shown), earlier = story.records.count - rows.count
    var table = Table([
        .init("time", minimum: 12), .init("what", minimum: 8), .init("who", minimum: 6), .init("why", minimum: 12),
        .init("trace", minimum: 8, weight: 0)
    ])
    for record in rows {
        let (what, who, why, trace) = cells(of: record.word)
        table.append([record.time.rfc3339.prefix(23) + (record.time.rfc3339.utf8.count > 23 ? "Z" : ""), what, who, why, trace])
    }
    print("")
    if story.leftOut > 0 {
        print("… \(Figures.count(story.leftOut)) earlier ones beyond the \(Figures.count(TopicStory.most)) that are kept")
    }
    if earlier > 0 { print("… \(Figures.count(earlier)) earlier ones (--all shows each)") }
    for line in table.lines(for: Terminal(of: 1)) { print(line) }
}

private func cells(of word: TopicStory.Word) -> (what: String, who: String, why: String, trace: String) {
    switch word {
    case .event(let event):
        let action = event.action == .none ? "event" : event.action.rawValue
        let refused = event.counts.reset + event.counts.dropped
        return (
            action, event.node,
            "\(event.anomalies.list.map(\.id).joined(separator: ",")) from \(event.sourceAddress): \(event.counts.seen) seen, \(refused) refused",
            event.traceID
        )
    case .limit(let limit):
        let rate = limit.isRelease ? "released" : "\(limit.key.limitClass.id) \(limit.perSecond)/s"
        let cause =
            limit.origin == .operator
            ? "" : ": \(limit.anomalies.list.map(\.id).joined(separator: ",")), \(limit.eventsInWindow) events in its window"
        return (
            rate, limit.origin.rawValue, "\(limit.key.prefix) until \(limit.until.rfc3339.prefix(19))Z, step \(limit.step)\(cause)",
            limit.traceID
        )
    case .forgotten(let key): return ("ended", "controller", "\(key)", "")
    case .decision(let decision):
        return (
            "scale", decision.workload,
            "\(decision.previousReplicas) → \(decision.desiredReplicas) (\(decision.mode.rawValue)): \(decision.eventsInWindow) events in \(Figures.duration(.seconds(decision.windowSeconds))), more than \(decision.moreThan)",
            decision.traceID
        )
    }
}

/// The records as they are on the topics, one a line.
private func printJSON(_ story: TopicStory) throws -> CInt {
    if story.leftOut > 0 { complain("weir: \(Figures.count(story.leftOut)) earlier ones are left out") }
    for record in story.records {
        guard let value = record.value else { continue }
        guard try Standard.output.write(value + [10]) else { break }
    }
    return story.records.isEmpty ? 1 : 0
}
