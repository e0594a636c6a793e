package import Arguments

/// weir-archive's command line.
package struct ArchiveOptions: Service {
    package let archive = Option(
        "archive", .directory,
        "where the table is, or is to be made; a local disk or a mounted file system that keeps two writers apart")
    package let cluster = Option(
        "cluster", .text("NAME"), "whose topics these are: the place of what belongs to no node, and of nodes without one",
        standard: "cluster")
    package let places = Option(
        repeatable: "place", .text("PATTERN=PLACE"),
        "nodes whose name fits belong to that place, such as eu-*=eu; *=* is a place for each node")
    package let every = Option(
        "every", .duration(.milliseconds(100)...(.seconds(3600))), "how long a record waits at most for its commit", standard: "60s")
    package let keep = Option(
        "keep", .duration(.seconds(3600)...(.seconds(3650 * 86_400))), "what is older goes, by hours", standard: "90d")
    package let service = ServiceOptions(listen: "127.0.0.1:9743")
}

package let archiveCommand = Command(
    "weir-archive", "keep events, limits and decisions as Parquet files in a Delta table", ArchiveOptions(),
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
    ]
) { $0 }
