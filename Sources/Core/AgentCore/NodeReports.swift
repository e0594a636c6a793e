internal import Detection
package import Messages
package import Units
internal import Vocabulary

/// The nodes topic as it stands, and what follows from it: on which nodes a limit holds, and who is behind or silent.
package struct NodeReports: Sendable {
    package struct Report: Sendable, Equatable {
        package var status: NodeStatus
        /// When the broker had it.
        package var heard: Instant
    }

    /// Why a node does not hold a limit, as far as is known here.
    package enum Obstacle: Sendable, Equatable {
        /// It has not said anything for so long that nothing it said counts.
        case silent
        /// It has not read the topic that far.
        case behind(records: Int)
        /// It watches and limits nobody.
        case observes
        case lacks(NodeStatus.Reason)
        /// It lacks more limits than it names, so this may be one of them.
        case unknown
    }

    /// Three heartbeats.
    package static let silence = Duration.seconds(30)

    private var reports: [String: Report] = [:]
    private let capacity: Int
    /// Reports of nodes that did not fit.
    package private(set) var unlisted = 0

    package init(capacity: Int = 10_000) { self.capacity = capacity }

    package mutating func take(_ status: NodeStatus, heard: Instant) {
        guard reports[status.node] != nil || reports.count < capacity else {
            unlisted += 1
            return
        }
        reports[status.node] = Report(status: status, heard: heard)
    }

    /// A node's tombstone: it stopped in good order.
    package mutating func forget(_ node: String) { reports[node] = nil }

    package var count: Int { reports.count }

    /// By name.
    package var all: [Report] { reports.values.sorted { $0.status.node < $1.status.node } }

    package func isSilent(_ report: Report, at now: Instant) -> Bool { now - report.heard > Self.silence }

    /// What keeps a limit whose record has that offset from holding on that node; `nil` when it holds.
    package func obstacle(to key: Limit.Key, at offset: Int64, on report: Report, at now: Instant) -> Obstacle? {
        if isSilent(report, at: now) { return .silent }
        let status = report.status
        if status.nextOffset <= offset { return .behind(records: Int(offset + 1 - status.nextOffset)) }
        if let lack = status.lacks.first(where: { $0.key == key }) { return .lacks(lack.reason) }
        if status.lacking > status.lacks.count { return .unknown }
        return status.mode == .observe ? .observes : nil
    }

    /// The nodes on which it does not hold, by name.
    package func obstacles(to key: Limit.Key, at offset: Int64, at now: Instant) -> [(report: Report, obstacle: Obstacle)] {
        all.compactMap { report in obstacle(to: key, at: offset, on: report, at: now).map { (report, $0) } }
    }
}
