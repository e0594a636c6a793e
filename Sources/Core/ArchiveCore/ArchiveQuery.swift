package import Units
package import Vocabulary

/// A question to the archive: which records, counted by what.
package struct ArchiveQuery: Sendable {
    package enum Grouping: String, CaseIterable, Sendable {
        case source, hour, anomaly, ja4, workload, node, destination, severity

        /// `nil` for what is worked out of the time.
        package var column: ArchiveColumn? {
            switch self {
            case .source: .sourcePrefix
            case .hour: nil
            case .anomaly: .anomalies
            case .ja4: .ja4
            case .workload: .workload
            case .node: .node
            case .destination: .destinationAddress
            case .severity: .severity
            }
        }
    }

    package var kind = ArchiveKind.event
    /// From, and up to but not with.
    package var from: Instant
    package var until: Instant
    /// Empty for all.
    package var places: Set<String> = []
    package var source: Prefix?
    package var anomaly: Anomaly?
    /// At least.
    package var severity: Severity?
    /// Values that a column has to have.
    package var equal: [ArchiveColumn: String] = [:]
    /// Records of rehearsals count as well.
    package var heedsRehearsals = false
    package var grouping: Grouping

    package init(from: Instant, until: Instant, by grouping: Grouping) {
        self.from = from
        self.until = until
        self.grouping = grouping
    }

    /// Whether rows between these times can be asked for.
    package func concerns(times: ClosedRange<Int64>) -> Bool {
        times.upperBound >= from.microseconds && times.lowerBound < until.microseconds
    }

    /// Whether rows of sources between these numbers can be asked for. A limit's block may be wider than what is asked about, and has
    /// one number all the same.
    package func concerns(sources: ClosedRange<Int64>) -> Bool {
        guard let source, kind == .event else { return true }
        return source.archiveNumbers.overlaps(sources)
    }
}
