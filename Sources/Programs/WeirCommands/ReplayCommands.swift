package import Arguments
internal import Commands
package import Vocabulary

// Captures, and what policies make of them.

package struct ReplayOptions: OptionGroup {
    package let policy = policyOption
    package let engine = Option<Engine>(
        "engine", .choice, "parse in this process, or in the kernel's own program (root)", standard: "native")
    package let allPorts = Option(flag: "all-ports", "look for hellos on every port, not only the policy's")
    package let decap = Option(
        flag: "decap", "look into tunnels (GRE, VXLAN, MPLS, GTP-U and others), as a capture of a mirror needs")
    package let format = formatOption
    package let report = Option<Report?>(
        "report", .choice,
        "instead of hellos and events: which clients use post-quantum groups, by hellos, groups and stacks; who encrypts hellos")
    package let all = Option(flag: "all", "show every hello, also the repeated ones of a source")
    package let summaryOnly = Option(flag: "summary-only", "the figures, and nothing of single hellos: several times as fast")
    package let jobs = Option<Int>(
        "jobs", .number(1...64),
        "threads: several files at a time, or up to three for one; the output is the same, memory is for each file", standard: "1")
    package let ja4Raw = Option(flag: "ja4-raw", "with --format json: JA4 before hashing as well, as tls.client.ja4_r")
    package let failOn = Option<Severity?>(
        "fail-on", .choice(Severity.allCases) { $0.id }, "exit code 1 when an anomaly of at least this severity is found")
    package let kafka = Option("kafka", .endpoints, "send the events to these brokers, to rehearse an autoscaler")
    package let speed = Option<Speed>(
        "speed", .choice, "with --kafka: in the capture's own time, or as fast as it goes", standard: "max")
    package let files = Positional(oneOrMore: "FILE", .file, "a pcap or pcapng capture; - is standard input")

    package enum Engine: String, CaseIterable, Sendable { case native, kernel }
    package enum Report: String, CaseIterable, Sendable { case pqc }
    package enum Speed: String, CaseIterable, Sendable { case own = "1", max }
}

let replay = Command<WeirRequest>(
    "replay", "captures through detection and decision, in their own time", ReplayOptions(),
    notes: [
        (
            "reads",
            "pcap in either byte order, micro- or nanoseconds, and pcapng; Ethernet, raw IP, Linux cooked (-i any), BSD loopback; "
                + "no privilege needed"
        ),
        (
            "table",
            "a row for a hello: time, source, destination, name asked for, version, JA4, anomalies; "
                + "then what Weir would have done, as if the policy enforced"
        ),
        (
            "json",
            "one object a line: handshake, flow (what it did after its hello), event, decision, by time; "
                + "a summary last, with losses by cause"
        ),
        ("anomalies", "docs/detections.md says what each is, whom it hits by mistake, and how to tune it"),
        ("unproven", "nothing shows that the source is real (the capture lacks SYN-ACK and ACK): told, and never acted on"),
        (
            "incomplete",
            "a hello that cannot be judged, and why: closed, timeout, too_long, gaps, "
                + "capture (it ends or was cut), reused, no_room, evicted"
        ),
        (
            "exit code",
            "0 well; 1 --fail-on found something; 2 a file or an option is wrong, what was read is shown; 3 this machine cannot"
        )
    ],
    examples: [
        ("weir replay attack.pcap", "what is in it, and what Weir would have done"),
        ("weir replay --summary-only big.pcap", "the figures of a large one: 500 MB a second or so"),
        ("weir replay --policy next.yaml attack.pcap", "under another policy; weir policy rehearse compares two"),
        ("tcpdump -w - port 443 | weir replay -", "without a file"),
        ("weir replay --format json --fail-on high ci.pcap", "for a pipeline"),
        ("weir replay --decap --all-ports mirror.pcap", "a mirror's tunnels, and TLS on any port"),
        ("weir replay --kafka broker:9092 --speed 1 attack.pcap", "an attack again, for an autoscaler")
    ],
    request: WeirRequest.replay)

package struct PolicyCheckOptions: OptionGroup {
    package let file = Positional("FILE", .file, "the policy")
}

let policyCheck = Command<WeirRequest>(
    "check", "what is wrong with a policy", PolicyCheckOptions(),
    request: WeirRequest.policyCheck)

package struct PolicyRehearseOptions: OptionGroup {
    package let against = Option("against", .file, "the policy to compare with; without it the built-in one")
    package let policy = Positional("NEW", .file, "the policy")
    package let captures = Positional(oneOrMore: "FILE", .file, "captures")
}

let policyRehearse = Command<WeirRequest>(
    "rehearse", "what a policy would have done to captures, source by source; exit code 1 when that is something else",
    PolicyRehearseOptions(),
    request: WeirRequest.policyRehearse)
