extension Command {
    static let stalls = Command(
        "stalls", "when the loop of this machine's agent took how long and why, over the last quarter of an hour",
        options: [
            Option("port", .number(1...65_535), "that of its --listen", standard: "9740"),
            Option("by", .choice(["all", "reason"]), "one heat map for all reasons but idle, or one for each", standard: "all"),
            Option("svg", .file, "write the same there as a picture as well"),
            Option("format", .choice(["table", "json"]), "for people or for programs", standard: "table")
        ],
        notes: [
            ("ring", "up to 256 verdicts read, judged and limited; while another part takes its time, they wait"),
            (
                "preempted",
                "the thread was not on a processor though it had to: stopped, throttled, preempted, or waiting inside a call"
            ),
            ("turn", "what the loop does between two waits; the 16 longest are kept, and those of --slow-turn or more are logged"),
            (
                "json",
                "the agent's page /stalls: by column, reason and class of duration; counts since the start are in /status, too"
            )
        ],
        examples: [
            ("weir stalls", "the heat map, the counts since the start and the longest turns"),
            ("weir stalls --by reason --svg stalls.svg", "a map for each reason, in a picture too")
        ])
}
