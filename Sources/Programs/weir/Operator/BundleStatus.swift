internal import AgentCore
internal import Arguments
internal import Detection
internal import Front
internal import Glibc
internal import HTTP
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Terminal
internal import Units
internal import WeirCommands

/// One node, and what it does with bundles.
private struct BundleRow {
    let node: String
    let mode: String
    let policyName: String
    /// `nil` where it reads none.
    let bundles: NodeStatus.Bundles?
    /// How long ago it said so; `nil` where it was asked now.
    let age: Duration?

    var isSilent: Bool { age.map { $0 > .seconds(30) } ?? false }
}

/// `weir policy status`: 0, and 1 where a node has refused a bundle or runs none.
func showBundleStatus(_ arguments: Arguments<PolicyStatusOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let rows: [BundleRow]
    if let kafka = try quickBrokersIfAny(arguments.brokers) {
        let nodes = try NodesTopic(kafka)
        try nodes.catchUp()
        let now = Instant(nanoseconds: Clock.wall)
        rows = nodes.reports.all.map { report in
            BundleRow(
                node: report.status.node, mode: report.status.mode.rawValue, policyName: report.status.policyName,
                bundles: report.status.bundles, age: max(.zero, now - report.heard))
        }
    } else {
        rows = [try ask(port: arguments.port)]
    }
    if arguments.format == .json {
        for row in rows where try !Standard.output.write(describe(row) + [10]) { break }
    } else if rows.isEmpty {
        print("no node has reported")
    } else {
        var table = Table([
            .init("node", minimum: 8), .init("mode"), .init("bundle", minimum: 8), .init("sequence", .right), .init("digest", minimum: 12),
            .init("canary"), .init("waits for"), .init("refused"), .init("heard", .right)
        ])
        for row in rows { table.append(cells(row)) }
        for line in table.lines(for: Terminal(of: 1)) { print(line) }
        print(summary(of: rows))
    }
    return rows.contains { $0.bundles?.refused != nil } ? 1 : 0
}

private func short(_ digest: String) -> String { String(digest.dropFirst("sha256:".utf8.count).prefix(12)) }

private func cells(_ row: BundleRow) -> [String] {
    let running = row.bundles?.running
    let refused = row.bundles?.refused.map { "\($0.reason)\($0.sequence.map { " \($0)" } ?? "")" }
    return [
        row.node, row.mode, running?.name ?? (row.bundles == nil ? "reads none" : "none yet"), running.map { "\($0.sequence)" } ?? "-",
        running.map { short($0.digest) } ?? "-", running.map { $0.canaryPercent < 100 ? "yes" : "-" } ?? "-",
        row.bundles?.waiting.map { "\($0.sequence)" } ?? "-", refused ?? "-", row.age.map { Figures.duration($0) } ?? "now"
    ]
}

/// Who runs what, the most first.
private func summary(of rows: [BundleRow]) -> String {
    var counts: [String: Int] = [:]
    for row in rows {
        let running = row.bundles?.running
        counts[running.map { "sequence \($0.sequence) (\(short($0.digest)))" } ?? "no bundle", default: 0] += 1
    }
    let parts = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(8).map { "\($0.key) on \($0.value)" }
    let silent = rows.count(where: \.isSilent)
    return "\(rows.count) \(rows.count == 1 ? "node" : "nodes"): \(parts.joined(separator: ", "))\(silent > 0 ? "; \(silent) silent" : "")"
}

private func describe(_ row: BundleRow) -> [UInt8] {
    var json = JSONWriter(capacity: 512)
    json.object { json in
        json.member("node", row.node)
        json.member("mode", row.mode)
        json.member("policy", row.policyName)
        if let bundles = row.bundles { bundles.write(to: &json) } else { json.null("bundles") }
        json.member("canary", (row.bundles?.running?.canaryPercent ?? 100) < 100)
        if let age = row.age { json.member("seconds_since_report", age) } else { json.null("seconds_since_report") }
    }
    return json.bytes
}

private func ask(port: UInt16) throws -> BundleRow {
    guard let bytes = fetch(port: port, path: "/status") else { throw AgentStatus.isMissing(port: port) }
    var parser = JSONParser(maximumSize: 1 << 20, maximumItems: 4096)
    do throws(JSONError) {
        return try unsafe parser.object(bytes.span.bytes) { object throws(JSONError) in
            BundleRow(
                node: try object.string("node"), mode: try object.string("mode"), policyName: try object.optionalString("policy") ?? "",
                bundles: try MessageReader.bundles(in: object), age: nil)
        }
    } catch { throw Refusal.cannot("the agent on 127.0.0.1:\(port) says what is not understood: \(error)") }
}
