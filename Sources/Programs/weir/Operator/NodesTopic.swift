internal import AgentCore
internal import Detection
internal import Front
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary

/// The nodes topic, and what people are told of it.
final class NodesTopic {
    private let kafka: KafkaConfiguration
    /// `nil` where no node has ever reported.
    private let follower: Follower?
    private var reader = MessageReader()
    private(set) var reports = NodeReports()
    private var unreadable = 0

    /// A follower cannot be copied into an optional that a class holds; so a class holds it.
    private final class Follower {
        let it: KafkaFollower
        init(_ it: consuming KafkaFollower) { self.it = it }
    }

    init(_ kafka: KafkaConfiguration) throws {
        self.kafka = kafka
        guard try hasTopic(.nodes, kafka) else {
            follower = nil
            return
        }
        do { follower = Follower(try KafkaFollower(kafka, topics: [Topic.nodes.name], name: "weir-limits", patience: 2000)) } catch {
            throw Refusal.cannot("Kafka: \(error)")
        }
    }

    func catchUp() throws {
        guard let follower else { return }
        try follow(follower.it, kafka) { take($0) }
        if unreadable > 0 { complain("weir: \(unreadable) records of \(Topic.nodes.name) were not understood") }
    }

    /// What has come since. True when there may be more.
    func read() -> Bool {
        follower?.it.drain { event in
            switch event {
            case .record(let record): take(record)
            default: break
            }
        } ?? false
    }

    private func take(_ record: borrowing KafkaRecord) {
        if record.isTombstone { return reports.forget(record.key) }
        guard let status = record.withValue({ bytes in try? reader.nodeStatus(bytes) }), status.node == record.key else {
            unreadable += 1
            return
        }
        reports.take(status, heard: record.timestamp.map { Instant(nanoseconds: $0.milliseconds * 1_000_000) } ?? status.time)
    }

    // MARK: Of one limit

    /// `2/3`; `-` when it cannot be told.
    func share(of entry: LimitsTopic.Entry, _ topic: LimitsTopic, at now: Instant) -> String {
        guard reports.count > 0, topic.isOrdered else { return "-" }
        return "\(reports.count - obstacles(to: entry, at: now).count)/\(reports.count)"
    }

    /// A release asks no more of a node than to have read it: there is nothing to hold, and who observes has done as much.
    private func obstacles(to entry: LimitsTopic.Entry, at now: Instant) -> [(report: NodeReports.Report, obstacle: NodeReports.Obstacle)] {
        reports.obstacles(to: entry.limit.key, at: entry.offset, at: now).filter { _, obstacle in
            switch obstacle {
            case .silent, .behind: true
            case .observes, .lacks, .unknown: !entry.limit.isRelease
            }
        }
    }

    private static let mostListed = 100

    /// The limit's own members, and what the nodes say of it.
    func json(of entry: LimitsTopic.Entry, _ topic: LimitsTopic, at now: Instant) -> [UInt8] {
        let obstacles = obstacles(to: entry, at: now)
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            entry.limit.write(to: &json)
            guard topic.isOrdered else { return json.null("nodes") }
            json.object("nodes") { json in
                json.member("known", reports.count)
                json.member("holding", reports.count - obstacles.count)
                json.array("not_holding") { json in
                    for (report, obstacle) in obstacles.prefix(Self.mostListed) {
                        json.object { json in
                            json.member("node", report.status.node)
                            json.member("why", Self.id(obstacle))
                            json.member("records_behind", max(0, Int(entry.offset + 1 - report.status.nextOffset)))
                            json.member("seconds_since_report", max(.zero, now - report.heard))
                        }
                    }
                }
            }
        }
        return json.bytes
    }

    private static func id(_ obstacle: NodeReports.Obstacle) -> String {
        switch obstacle {
        case .silent: "silent"
        case .behind: "behind"
        case .observes: "observes"
        case .lacks(let reason): reason.rawValue
        case .unknown: "not_named"
        }
    }

    // MARK: Of all of them

    /// What deserves a line below the table; nothing when every node holds everything.
    func notes(on limits: [LimitsTopic.Entry], _ topic: LimitsTopic, at now: Instant) -> [String] {
        guard topic.isOrdered else { return [topic.disorder] }
        guard reports.count > 0 else { return limits.isEmpty ? [] : ["no node has reported, so where these limits hold is not known"] }
        let listening = reports.all.filter { !reports.isSilent($0, at: now) }
        let behind = listening.filter { $0.status.nextOffset < topic.end }.map {
            "\($0.status.node) by \(records(topic.end - $0.status.nextOffset)), last heard of \(Self.ago($0, now)) ago"
        }
        let observing = limits.isEmpty ? [] : listening.filter { $0.status.mode == .observe }.map(\.status.node)
        let lacking = listening.filter { $0.status.lacking > 0 }.map { report in
            let named = report.status.lacks.prefix(3).map { "\($0.key) (\($0.reason.rawValue))" }.joined(separator: ", ")
            return
                "\(report.status.node) lacks \(named)\(report.status.lacking > 3 ? " and \(Figures.count(report.status.lacking - 3)) more" : "")"
        }
        return Self.line("behind", behind) + silent(at: now) + Self.line("observing, so limiting nobody", observing)
            + Self.line("not held", lacking)
            + (reports.unlisted > 0 ? ["\(Figures.count(reports.unlisted)) reports of further nodes were not counted"] : [])
    }

    func silent(at now: Instant) -> [String] {
        Self.line("silent", reports.all.filter { reports.isSilent($0, at: now) }.map { "\($0.status.node) for \(Self.ago($0, now))" })
    }

    func listening(at now: Instant) -> Int { reports.all.count { !reports.isSilent($0, at: now) } }

    /// Of the nodes that report, those that have not applied everything before `end`, or do not hold one of the keys; each with its reason.
    func late(for keys: [Limit.Key], _ end: Int64, isRelease: Bool, at now: Instant) -> [String] {
        reports.all.compactMap { report in
            guard !reports.isSilent(report, at: now) else { return nil }
            let name = "\(report.status.node)"
            if report.status.nextOffset < end {
                return "\(name) (\(records(end - report.status.nextOffset)) behind, last heard of \(Self.ago(report, now)) ago)"
            }
            guard !isRelease else { return nil }
            // A node that observes does what it is there for.
            for key in keys {
                switch reports.obstacle(to: key, at: end - 1, on: report, at: now) {
                case .lacks(let reason): return "\(name) (\(reason.rawValue))"
                case .unknown: return "\(name) (it lacks \(Figures.count(report.status.lacking)) limits and does not name them all)"
                default: continue
                }
            }
            return nil
        }
    }

    private func records(_ count: Int64) -> String { count == 1 ? "1 record" : "\(Figures.count(count)) records" }
    private static func ago(_ report: NodeReports.Report, _ now: Instant) -> String { Figures.duration(now - report.heard) }

    /// One line, however many nodes.
    static func line(_ heading: String, _ nodes: [String]) -> [String] {
        nodes.isEmpty
            ? []
            : [
                "\(heading): \(nodes.prefix(8).joined(separator: "; "))\(nodes.count > 8 ? "; and \(Figures.count(nodes.count - 8)) more" : "")"
            ]
    }
}
