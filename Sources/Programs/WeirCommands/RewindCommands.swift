package import Arguments
internal import Commands

// What was seen, judged again.

package struct RewindOptions: OptionGroup {
    package let policy = Option("policy", .file, "the policy that is to come")
    package let against = Option(
        "against", .file, "the policy to compare with; without it those that were in force, as the histories say")
    package let last = Option("last", .duration(.seconds(1)...(.seconds(3650 * 86_400))), "how far back", standard: "72h")
    package let until = Option("until", .text("TIME"), "not until now, but until then, such as 2026-11-24T10:00:00Z")
    package let places = Option(
        repeatable: "state", .directory, "an agent's --state directory, a copy of one, or one segment of it; of several nodes, each")
    package let good = Option(
        repeatable: "good", .text("PREFIX|FILE"), "a client that must not be limited: an address, a block, or a file of these, one a line")
    package let top = Option<Int>("top", .number(1...1_000_000), "sources to show in the table", standard: "50")
    package let format = formatOption
}

let rewind = Command<WeirRequest>(
    "rewind", "yesterday judged by tomorrow's policy: whom it would limit, let go, scale for", RewindOptions(),
    notes: [
        ("reads", "the histories that agents with --history-size keep; docs/rewind.md says what is in them and what is not"),
        ("judges", "with the production code, under both policies, as if both enforced; nothing is limited and nothing published"),
        ("json", "an object a line: source, workload, missing, and a summary last (manifests/schemas/rewind.v1.schema.json)"),
        (
            "exit code",
            "0 no client of --good would be limited; 1 one would; 2 a policy, a history or an option is wrong, or there is no record; "
                + "3 this machine cannot"
        )
    ],
    examples: [
        ("weir rewind --policy next.yaml --state /var/lib/weir", "three days of this node"),
        (
            "weir rewind --policy next.yaml --against policy.yaml --state n1/ --state n2/ --good partners.txt",
            "a pull request's check: two nodes' copies, and whom it must not hurt"
        )
    ],
    request: WeirRequest.rewind)

package struct VerifyOptions: OptionGroup {
    package let state = Option(
        "state", .directory, "that of the agent's --state, which keeps the hello; for a trace id, or an event without it")
    package let policy = Option("policy", .file, "the policy that judged; without it the built-in one's detections, and no lists")
    package let format = formatOption
    package let event = Positional(
        "EVENT", .file, "a file with an event as JSON, - for standard input, or with --state a trace id or its beginning")
}

let verify = Command<WeirRequest>(
    "verify", "an event's verdict computed again from the bytes of its hello", VerifyOptions(),
    notes: [
        ("compares", "anomalies that a hello's bytes tell, JA4, JA3, name, protocols, version, groups and key shares"),
        ("hello", "a line of the agent's evidence.*.jsonl has it as base64 (hello); events on the topic have none"),
        ("json", "one object: trace_id, agrees, and for each comparison event, evidence, agrees (null: the bytes do not tell)"),
        ("exit code", "0 the evidence says the same; 1 it says something else; 2 no event, or a wrong policy; 4 there is no evidence")
    ],
    examples: [
        ("weir verify 4bf92f3577b34da6 --state /var/lib/weir", "by its trace"),
        ("weir tail events --format json ... | head -1 | weir verify - --state /var/lib/weir", "as it is on the topic")
    ],
    request: WeirRequest.verify)
