extension Command {
    static let evidence = Command(
        "evidence", "the hellos of events, as an agent with --state keeps them: a list, or one as pcapng",
        options: [
            Option("state", .directory, "that of the agent's --state"),
            Option("output", .file, "write the capture there instead of to standard output"),
            Option("format", .choice(["table", "json"]), "of the list: for people or for programs", standard: "table")
        ],
        positionals: [Positional("TRACE", .text("TRACE"), "trace_id of an event; without it all are listed", count: .optional)],
        notes: [
            (
                "capture",
                "the hello's bytes are as they were seen; the TCP connection around them is made up, over QUIC too"
            ),
            ("bounds", "the agent's --evidence-size, where the oldest half makes room, and 32 hellos in a tenth of a second")
        ],
        examples: [
            ("weir evidence --state /var/lib/weir", "what is there, the oldest first"),
            ("weir evidence 4bf92f35... --state /var/lib/weir > hello.pcapng", "one hello, for weir replay or Wireshark")
        ])
}
