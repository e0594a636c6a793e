package import Arguments

/// weir-agent's command line.
package struct AgentOptions: Service {
    package let interfaces = Option(
        repeatable: "interface", .text("PATTERN"), "interface to watch; without it those of the default routes")
    package let node = Option("node", .text("NAME"), "this node's name in events; without it the host's name")
    package let helloMemory = Option<Int>(
        "hello-memory", .choice([2, 4, 8, 16, 32, 64]) { "\($0)" },
        "MiB of the kernel's for hellos that are not whole yet; each MiB holds 512", standard: "4")
    package let startupTrace = startupTraceOption
    package let state = Option(
        "state", .text("DIR"),
        "directory for events that Kafka does not have yet and for the topic's limits; with it both outlive the agent")
    package let stateSize = Option(
        "state-size", .size((64 << 10)...(1 << 40)), "what those events may take up; at the bound the oldest that wait make room",
        standard: "256M")
    package let stateAge = Option(
        "state-age", .duration(.seconds(1)...(.seconds(365 * 86_400))), "how long an event waits; then it is given up and counted",
        standard: "72h")
    package let evidenceSize = Option(
        "evidence-size", .size((64 << 10)...(1 << 30)), "what the hellos of events may take up there, for weir evidence",
        standard: "16M")
    package let historySize = Option(
        "history-size", .size((4 << 20)...(64 << 30)),
        "keep each verdict there, for weir rewind, in so much room; without it none, for it has every client's address")
    package let historyAge = Option(
        "history-age", .duration(.seconds(60)...(.seconds(365 * 86_400))), "how long of that is kept", standard: "7d")
    package let takeOver = Option(
        flag: "take-over", "take the place of the agent that listens there: port and spool at once, interfaces after a second of both")
    package let rehearsals = Option(
        flag: "rehearsals", "apply the limits of rehearsals (weir replay --kafka) as well; without it they are refused and counted")
    package let user = Option(
        "user", .text("USER"), "whom an agent that root starts becomes once it is attached, by name or number; root stays root",
        standard: "nobody")
    package let slowTurn = Option(
        "slow-turn", .duration(.milliseconds(1)...(.seconds(60))), "log turns of the loop that take as long; weir stalls shows all",
        standard: "50ms")
    package let attach = Option<AttachMethod?>("attach", .choice, "how; without it TCX, or clsact where the kernel has none")
    package let bundleKeys = Option(
        repeatable: "bundle-key", .file, "public key by which signed policies are believed; the policy then is what a bundle says")
    package let bundles = Option("bundles", .directory, "directory of such bundles, asked once a second: its *.json")
    package let bundleTopic = Option(flag: "bundle-topic", "take them from the topic security-throttle-policies as well")
    package let bundleFloor = Option<Int>(
        "bundle-floor", .number(0...Int(Int32.max)), "take no bundle with a lower sequence number, whoever signed it", standard: "0")
    package let policy = PolicyOptions()
    package let service = ServiceOptions(listen: "127.0.0.1:9740")

    /// A hook of the kernel's, by the name of what attaches there.
    package enum AttachMethod: String, CaseIterable, Sendable { case tcx, clsact }
}

package let agentCommand = Command(
    "weir-agent", "watch this node's handshakes and limit anomalous sources", AgentOptions(),
    examples: [
        ("weir-agent --interface eth0 --policy policy.yaml --kafka broker:9092", "one node")
    ]
) { $0 }
