internal import Wire

// The archive's command lines: its writer's, and who asks it.

private let years = Duration.seconds(1)...(.seconds(3650 * 86_400))

extension Option {
    fileprivate static let archive = [
        Option(
            "archive", .directory,
            "where the table is, or is to be made; a local disk or a mounted file system that keeps two writers apart"),
        Option(
            "cluster", .text("NAME"), "whose topics these are: the place of what belongs to no node, and of nodes without one",
            standard: "cluster"),
        Option(
            "place", .text("PATTERN=PLACE"), "nodes whose name fits belong to that place, such as eu-*=eu; *=* is a place for each node",
            isRepeatable: true),
        Option(
            "every", .duration(.milliseconds(100)...(.seconds(3600))), "how long a record waits at most for its commit", standard: "60s"),
        Option(
            "keep", .duration(.seconds(3600)...(.seconds(3650 * 86_400))), "what is older goes, by hours", standard: "90d"),
        kafka, Option("kafka-config", .file, "librdkafka properties, one name=value a line; secrets belong there"), log,
        listen("127.0.0.1:9743")
    ]

    fileprivate static let query = [
        Option("archive", .directory, "the table that weir-archive writes"),
        Option("last", .duration(years), "how far back", standard: "24h"),
        Option("until", .text("TIME"), "not until now, but until then, such as 2026-11-24T10:00:00Z"),
        Option(
            "by", .choice(["source", "hour", "anomaly", "ja4", "workload", "node", "destination", "severity"]),
            "what records are counted by",
            standard: "source"),
        Option("of", .choice(["events", "limits", "decisions"]), "which records", standard: "events"),
        Option("place", .text("PLACE"), "only of that place", isRepeatable: true),
        Option("source", .prefix, "only of sources in that block"),
        Option("anomaly", .text("ANOMALY"), "only with that anomaly, such as missing_sni"),
        Option("severity", .choice(["info", "low", "med", "high", "critical"]), "only of at least that severity"),
        Option("node", .text("NAME"), "only of that node"),
        Option("workload", .text("NAME"), "only of that workload, such as shop/web"),
        Option("ja4", .text("JA4"), "only of that fingerprint"),
        Option("trace", .text("ID"), "only of that trace"),
        Option(flag: "rehearsals", "the records of rehearsals (weir replay --kafka) as well"),
        Option("top", .number(1...1_000_000), "groups to show: those with the most records, or the latest hours", standard: "20"),
        Option(flag: "plot", "bars in place of the table"),
        Option("svg", .file, "write the same there as a picture as well"),
        Option("threads", .number(1...8), "files to read at once; without it as many as there are processors"),
        format
    ]
}

extension Command {
    static let query = Command(
        "query", "what the archive's records come to, by source, hour, anomaly and more", options: Option.query,
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
        ])

    package static let archive = Command(
        "weir-archive", "keep events, limits and decisions as Parquet files in a Delta table",
        options: Option.archive,
        notes: [
            (
                "table",
                "whatever reads Delta opens it without Weir, such as delta-rs; weir query asks it; docs/archive.md has its columns"
            ),
            ("once", "killed at any moment, or with a second one beside it, no record is there twice or missing"),
            ("place", "names are cleaned: lower-case letters, digits, -, . and _; beyond 256 places a new node's events belong to `other`")
        ],
        examples: [
            ("weir-archive --archive /var/lib/weir/archive --kafka broker:9092", "one place, named cluster"),
            (
                "weir-archive --archive /srv/archive --place 'eu-*=eu' --place 'us-*=us' --keep 365d --kafka broker:9092",
                "by region, for a year"
            )
        ])
}
