internal import JSON
internal import Messages
internal import Units

/// What an agent says at `/stalls`: its loop's last quarter of an hour.
struct StallsReport {
    struct Reason {
        let name: String
        /// Since the agent's start, by class.
        let counts: [Int]
        let longest: Int
    }

    struct Column {
        let began: Instant
        /// By reason, then by class. What is not there has no counts.
        let counts: [String: [Int]]
    }

    struct Turn {
        let ended: Instant
        let took: Int
        let longest: String?
        let records: Int
        let events: Int
        let reports: Int
        let parts: [String: Int]
    }

    var node = ""
    var time = Instant(nanoseconds: 0)
    var columnSeconds = 0
    var classes: [String] = []
    var reasons: [Reason] = []
    var columns: [Column] = []
    var worst: [Turn] = []

    /// The agent's names, which its page may have any of.
    private static let names: [StaticString] = [
        "ring", "events", "kafka", "limits", "tick", "http", "links", "policy", "preempted",
        "idle"
    ]
    static let idle = "idle"

    /// - Throws: `JSONError` when it is no such page.
    init(_ bytes: [UInt8]) throws(JSONError) {
        var parser = JSONParser(maximumSize: 1 << 22, maximumItems: 65_536)
        self = try unsafe parser.object(bytes.span.bytes) { page throws(JSONError) in
            var report = StallsReport()
            report.node = try page.string("node")
            report.time = try Self.instant(page, "time")
            report.columnSeconds = try page.integer("column_seconds", in: 1...3600)
            report.classes = try page.strings("classes")
            let classes = report.classes.count
            try page.objects("total") { reason throws(JSONError) in
                report.reasons.append(
                    Reason(
                        name: try reason.string("reason"), counts: try Self.counts(reason, "counts", classes),
                        longest: try reason.integer("longest_ns")))
            }
            try page.objects("columns") { column throws(JSONError) in
                var counts: [String: [Int]] = [:]
                for name in Self.names where column.has(name) { counts["\(name)"] = try Self.counts(column, name, classes) }
                report.columns.append(Column(began: try Self.instant(column, "began"), counts: counts))
            }
            try page.objects("worst") { turn throws(JSONError) in
                let parts = try turn.object("parts_ns") { parts throws(JSONError) in
                    var found: [String: Int] = [:]
                    for name in Self.names { found["\(name)"] = try parts.optionalInteger(name) }
                    return found
                }
                report.worst.append(
                    Turn(
                        ended: try Self.instant(turn, "ended"), took: try turn.integer("took_ns"),
                        longest: try turn.optionalString("longest"), records: try turn.integer("records"),
                        events: try turn.integer("events"), reports: try turn.integer("reports"), parts: parts))
            }
            return report
        }
    }

    private init() {}

    private static func instant(_ object: borrowing JSONObject, _ name: StaticString) throws(JSONError) -> Instant {
        let text = try object.string(name)
        guard let instant = Instant(rfc3339: text) else { throw JSONError("\(name)", .wrongValue(wanted: "a time")) }
        return instant
    }

    private static func counts(_ object: borrowing JSONObject, _ name: StaticString, _ classes: Int) throws(JSONError) -> [Int] {
        let counts = try object.optionalIntegers(name)
        guard counts.count == classes else { throw JSONError("\(name)", .wrongValue(wanted: "a count for each of \(classes) classes")) }
        return counts
    }
}

/// Time by duration: how often something took so long, in columns of equal time.
struct HeatMap: Equatable {
    let title: String
    /// The longest first.
    let rows: [(label: String, counts: [Int])]
    /// Seconds that a column stands for.
    let columnSeconds: Int
    let columns: Int

    static func == (one: HeatMap, other: HeatMap) -> Bool {
        one.title == other.title && one.columnSeconds == other.columnSeconds && one.columns == other.columns
            && one.rows.map(\.label) == other.rows.map(\.label) && one.rows.map(\.counts) == other.rows.map(\.counts)
    }

    var largest: Int { rows.lazy.flatMap(\.counts).max() ?? 0 }

    /// - Parameters:
    ///   - reasons: added up.
    ///   - width: columns at most; where there are more, as many are added up as it takes.
    init(_ title: String, _ report: StallsReport, of reasons: [String], width: Int) {
        let count = report.columns.count, merged = max(1, (count + max(1, width) - 1) / max(1, width))
        // From the newest on, so that the last column is the one that now is in.
        let groups = stride(from: count, to: 0, by: -merged).map { max(0, $0 - merged)..<$0 }.reversed()
        var rows: [(label: String, counts: [Int])] = []
        for (index, name) in report.classes.enumerated().reversed() {
            let counts = groups.map { group in
                report.columns[group].reduce(0) { sum, column in reasons.reduce(sum) { $0 + (column.counts[$1]?[index] ?? 0) } }
            }
            rows.append((index == report.classes.count - 1 ? "longer" : "<\(Self.spaced(name))", counts))
        }
        // Nothing above and below what there was.
        let used = rows.indices.filter { rows[$0].counts.contains { $0 > 0 } }
        self.title = title
        self.rows = used.isEmpty ? [] : Array(rows[used.first!...used.last!])
        columnSeconds = merged * report.columnSeconds
        columns = groups.count
    }

    /// One for all that keeps the loop from waiting, or one for each reason that there was.
    static func maps(_ report: StallsReport, byReason: Bool, width: Int) -> [HeatMap] {
        guard byReason else {
            return [HeatMap("all but idle", report, of: report.reasons.map(\.name).filter { $0 != StallsReport.idle }, width: width)]
        }
        return report.reasons.map { HeatMap($0.name, report, of: [$0.name], width: width) }.filter { !$0.rows.isEmpty }
    }

    /// `16us` as people write it.
    private static func spaced(_ name: String) -> String {
        let digits = name.prefix { $0.isNumber }
        return "\(digits) \(name.dropFirst(digits.count))"
    }
}
