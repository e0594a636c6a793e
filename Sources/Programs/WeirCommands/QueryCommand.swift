package import ArchiveCore
package import Arguments
package import Units
package import Vocabulary

/// What the archive is asked.
package struct QueryOptions: OptionGroup {
    package let archive = Option("archive", .directory, "the table that weir-archive writes")
    package let last = Option("last", .duration(.seconds(1)...(.seconds(3650 * 86_400))), "how far back", standard: "24h")
    package let until = Option("until", .text("TIME"), "not until now, but until then, such as 2026-11-24T10:00:00Z")
    package let grouping = Option<ArchiveQuery.Grouping>("by", .choice, "what records are counted by", standard: "source")
    package let kind = Option<ArchiveKind>(
        "of", .choice([.event, .limit, .decision]) { "\($0.rawValue)s" }, "which records", standard: "events")
    package let places = Option(repeatable: "place", .text("PLACE"), "only of that place")
    package let source = Option("source", .prefix, "only of sources in that block")
    package let anomaly = Option("anomaly", .text("ANOMALY"), "only with that anomaly, such as missing_sni")
    package let severity = Option<Severity?>(
        "severity", .choice(Severity.allCases) { $0.id }, "only of at least that severity")
    package let node = Option("node", .text("NAME"), "only of that node")
    package let workload = Option("workload", .text("NAME"), "only of that workload, such as shop/web")
    package let ja4 = Option("ja4", .text("JA4"), "only of that fingerprint")
    package let trace = Option("trace", .text("ID"), "only of that trace")
    package let rehearsals = Option(flag: "rehearsals", "the records of rehearsals (weir replay --kafka) as well")
    package let top = Option<Int>(
        "top", .number(1...1_000_000), "groups to show: those with the most records, or the latest hours", standard: "20")
    package let plot = Option(flag: "plot", "bars in place of the table")
    package let svg = Option("svg", .file, "write the same there as a picture as well")
    package let threads = Option<Int?>(
        "threads", .number(1...8), "files to read at once; without it as many as there are processors")
    package let format = formatOption
}

let query = Command<WeirRequest>(
    "query", "what the archive's records come to, by source, hour, anomaly and more", QueryOptions(),
    notes: [
        ("hellos", "the anomalous ones that the events tell of; refused are those of them that were reset or dropped"),
        ("anomaly", "by anomaly, a record with two of them counts in both groups"),
        ("reads", "only files and row groups that can hold an answer; standard error says how many, and how much of them"),
        ("json", "an object a line: group, records, hellos, refused, first, last")
    ],
    examples: [
        ("weir query --archive /srv/archive --last 72h", "the busiest sources of three days"),
        ("weir query --archive /srv/archive --last 7d --place eu --by hour --plot", "a region's week, as bars"),
        (
            "weir query --archive /srv/archive --source 203.0.113.0/24 --anomaly missing_sni --by ja4 --format json",
            "the stacks behind a block"
        )
    ],
    request: WeirRequest.query)
