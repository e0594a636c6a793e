internal import Archive
internal import ArchiveCore
internal import Front
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary

/// What the archive knows of a source that the topics have no more: a line for `weir explain`, and none when there is nothing.
func archived(_ source: Prefix, in folder: String, before: Instant, at now: Instant) throws -> [String] {
    var query = ArchiveQuery(from: Instant(nanoseconds: 0), until: before, by: .anomaly)
    query.source = source
    do throws(TableError) {
        let scan = try ArchiveScan(folder), anomalies = try scan.run(query).tally.largest(.max).map(\.key)
        // By node, for a record has one of it and may have several anomalies.
        query.grouping = .node
        let nodes = try scan.run(query).tally.groups, sum = nodes.reduce(into: Sums()) { $0.add($1.sums) }
        guard sum.records > 0 else { return [] }
        func plural(_ count: Int, _ word: String) -> String { "\(Figures.count(count)) \(word)\(count == 1 ? "" : "s")" }
        return [
            "archive: \(plural(sum.hellos, "anomalous hello")) in \(plural(sum.records, "earlier event")) of "
                + "\(plural(nodes.count, "node")), from \(Instant(microseconds: sum.first).rfc3339.prefix(19))Z to "
                + "\(Instant(microseconds: sum.last).rfc3339.prefix(19))Z: \(anomalies.joined(separator: ", ")); "
                + "\(Figures.count(sum.refused)) refused"
        ]
    } catch { throw Refusal.cannot("explain: --archive: \(error)") }
}
