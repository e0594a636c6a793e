package import Arguments
package import Commands

// The loop of this machine, and its agent.

package struct RunOptions: OptionGroup {
    package let interfaces = Option(repeatable: "interface", .text("PATTERN"), "interface to watch, such as eth0 or 'eth*'")
    package let duration = Option("for", .duration(spans), "how long; without it until it is stopped, the demonstration 30s")
    package let policy = policyOption
    package let enforce = Option(flag: "enforce", "limit on a real interface too; without it that is only observed")
    package let kafka = Option("kafka", .endpoints, "the brokers; without it a small one is built in")
    package let summary = Option("summary", .file, "write the figures there, as JSON")
}

let run = Command<WeirRequest>(
    "run", "the closed loop on this machine: a demonstration, or a real interface", RunOptions(),
    examples: [
        ("weir run", "the demonstration, in namespaces of its own"),
        ("weir run --interface eth0", "watch a real interface, touch nothing"),
        ("weir run --interface eth0 --enforce --for 10m", "limit there for ten minutes")
    ],
    request: WeirRequest.run)

package struct DoctorOptions: OptionGroup {
    package let interfaces = Option(
        repeatable: "interface", .text("PATTERN"), "interface that is to be watched; without it those of the default routes")
    package let port = Option<UInt16>("port", .number(1...65_535), "that of the agent's --listen, where one runs", standard: "9740")
    package let policy = policyOption
    package let brokers = BrokerOptions()
}

let doctor = Command<WeirRequest>(
    "doctor", "what this machine can do, and what is missing", DoctorOptions(),
    request: WeirRequest.doctor)

package struct TopOptions: OptionGroup {
    package let port = agentPortOption
    package let duration = Option("for", .duration(spans), "how long; without it until it is stopped")
    package let brokers = BrokerOptions()
}

let top = Command<WeirRequest>(
    "top", "what the agent of this machine sees and limits, live; ends with Ctrl-C", TopOptions(),
    examples: [
        ("weir top", "its sources, the busiest first"),
        ("weir top --kafka broker:9092", "and what every node and the controllers say meanwhile")
    ],
    request: WeirRequest.top)

package struct StartupOptions: OptionGroup {
    package let format = formatOption
    package let files = Positional(
        oneOrMore: "FILE", .file, "one or two that --startup-trace wrote: one start, or an earlier and a later one")
}

let startup = Command<WeirRequest>(
    "startup", "where the time of an agent's or a controller's start went, or what became slower or faster from one to another",
    StartupOptions(),
    notes: [
        (
            "critical path",
            "marked *: each part of it waited for the one before, so only what shortens one of these shortens the start"
        ),
        ("other viewers", "the file is Chrome's trace-event JSON: https://ui.perfetto.dev and chrome://tracing open it")
    ],
    examples: [
        ("weir startup start.json", "what was done side by side, and what the start waited for"),
        ("weir startup before.json after.json", "what became slower or faster, the largest difference first")
    ],
    request: WeirRequest.startup)

package struct StallsOptions: OptionGroup {
    package let port = agentPortOption
    package let maps = Option<Maps>("by", .choice, "one heat map for all reasons but idle, or one for each", standard: "all")
    package let svg = Option("svg", .file, "write the same there as a picture as well")
    package let format = formatOption

    package enum Maps: String, CaseIterable, Sendable { case all, reason }
}

let stalls = Command<WeirRequest>(
    "stalls", "when the loop of this machine's agent took how long and why, over the last quarter of an hour", StallsOptions(),
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
    ],
    request: WeirRequest.stalls)

package struct EvidenceOptions: OptionGroup {
    package let state = Option("state", .directory, "that of the agent's --state")
    package let output = Option("output", .file, "write the capture there instead of to standard output")
    package let format = Option<OutputFormat>("format", .choice, "of the list: for people or for programs", standard: "table")
    package let trace = Positional(optional: "TRACE", .text("TRACE"), "trace_id of an event; without it all are listed")
}

let evidence = Command<WeirRequest>(
    "evidence", "the hellos of events, as an agent with --state keeps them: a list, or one as pcapng", EvidenceOptions(),
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
    ],
    request: WeirRequest.evidence)
