package import Arguments
package import Commands
package import Messages
package import Units
package import Vocabulary

// What is on the topics.

/// Of whoever only reads topics.
package struct TopicOptions: OptionGroup {
    package let brokers = BrokerOptions()
    package let format = formatOption
}

package struct TailOptions: OptionGroup {
    package let fromBeginning = Option(flag: "from-beginning", "what is in it already, too")
    package let topics = TopicOptions()
    package let topic = Positional(
        "TOPIC",
        .choice(["events": Topic.events, "limits": Topic.limits, "decisions": Topic.decisions, "nodes": Topic.nodes]), "which")
}

let tail = Command<WeirRequest>(
    "tail", "a topic, readable, as it is written; ends with Ctrl-C", TailOptions(),
    examples: [
        ("weir tail events --kafka broker:9092", "what the nodes see, as it happens"),
        ("weir tail nodes --from-beginning --format json --kafka broker:9092", "every node's latest reports of itself")
    ],
    request: WeirRequest.tail)

private let source = Positional("PREFIX", .prefix, "an address or a block, such as 203.0.113.7 or 2001:db8::/64")

package struct ExplainOptions: OptionGroup {
    package let all = Option(flag: "all", "every event, limit and decision, not only the last 20")
    package let archive = Option(
        "archive", .directory, "the table that weir-archive writes: what was seen before the topics' first event, too")
    package let topics = TopicOptions()
    package let prefix = source
}

let explain = Command<WeirRequest>(
    "explain", "why a source is limited: evidence, limits, decisions, and when it ends; exit code 1 when nothing is known of it",
    ExplainOptions(),
    notes: [
        ("reads", "the events, limits and decisions topics to their ends; what they no longer keep is not told"),
        ("json", "the records as they are on the topics, by time, one a line")
    ],
    examples: [
        ("weir explain 203.0.113.7 --kafka broker:9092", "one address, and the blocks around it"),
        ("weir explain 203.0.113.0/24 --all --kafka broker:9092", "a block, and whatever is in it")
    ],
    request: WeirRequest.explain)

package struct TraceOptions: OptionGroup {
    package let topics = TopicOptions()
    package let id = Positional("ID", .text("ID"), "32 hexadecimal digits, as events, limits, decisions and log lines bear them")
}

let trace = Command<WeirRequest>(
    "trace", "one detection's way: the event, limits and decisions that bear its trace id; exit code 1 when none does", TraceOptions(),
    examples: [
        ("weir trace 4bf92f3577b34da6a3ce929d0e0e4736 --kafka broker:9092", "from the hello to the workload")
    ],
    request: WeirRequest.trace)

let limitsList = Command<WeirRequest>(
    "list", "what is limited now, and on how many nodes", TopicOptions(),
    notes: [
        ("nodes", "2/3: of three nodes that have reported within a day, the limit is known to hold on two"),
        ("behind", "a node that has not read the limits topic to its end, and by how many records"),
        ("silent", "a node that has said nothing for 30 s; a clean stop takes its report back"),
        (
            "not held",
            "a node that has read the limit and does not hold it: its own allow-list covers it (allowed), "
                + "a table is full (no_room), or it is newer than the node (not_understood)"
        )
    ],
    request: WeirRequest.limitsList)

private let wait = Option(
    "wait", .duration(.milliseconds(1)...(.seconds(3600))),
    "until every node that reports has applied it, at most so long; exit code 1 names those that have not")

package struct LimitsAddOptions: OptionGroup {
    package let perSecond = Option<Int>("per-second", .number(1...255), "what is admitted in any second", standard: "3")
    package let duration = Option("for", .duration(spans), "when it ends by itself", standard: "10m")
    package let limitClass = Option<LimitClass>(
        "class", .choice(LimitClass.allCases) { $0.id }, "only anomalous handshakes, or all of them", standard: "all")
    package let patience = wait
    package let brokers = BrokerOptions()
    package let prefix = source
}

let limitsAdd = Command<WeirRequest>(
    "add", "limit a source until a time", LimitsAddOptions(),
    examples: [
        ("weir limits add 203.0.113.7 --for 1h --wait 5s --kafka broker:9092", "and end when every node holds it")
    ],
    request: WeirRequest.limitsAdd)

package struct LimitsReleaseOptions: OptionGroup {
    package let patience = wait
    package let brokers = BrokerOptions()
    package let prefix = source
}

let limitsRelease = Command<WeirRequest>(
    "release", "end a source's limits", LimitsReleaseOptions(),
    request: WeirRequest.limitsRelease)
