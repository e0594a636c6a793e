internal import Wire

// The three programs' command lines. Exit codes: 0 well; 1 found what was asked about; 2 wrong use or input; 3 this machine cannot.

private let long = Duration.seconds(1)...(.seconds(365 * 86_400))

extension Option {
    fileprivate static let policy = Option("policy", .file, "the policy; without it the built-in one, which observes")
    static let kafka = Option("kafka", .endpoints, "the brokers")
    static let log = Option("log", .choice(["text", "json"]), "how log lines look", standard: "text")
    private static let interface = Option("interface", .text("PATTERN"), "interface to watch, such as eth0 or 'eth*'", isRepeatable: true)
    static let format = Option("format", .choice(["table", "json"]), "for people or for programs", standard: "table")

    private static let startupTrace = Option(
        "startup-trace", .file, "write there where the start-up's time went, for weir startup, Perfetto or chrome://tracing")

    static func listen(_ standard: String) -> Option {
        Option("listen", .endpoint, "where /metrics, /healthz and /readyz answer", standard: standard)
    }

    fileprivate static func common(listen standard: String) -> [Option] {
        [
            policy,
            Option(
                "mode", .choice(["observe", "enforce"]),
                "observe refuses nothing, enforce sets limits; without this option the policy decides"), kafka,
            Option("kafka-config", .file, "librdkafka properties, one name=value a line; secrets belong there"), log, listen(standard)
        ]
    }

    fileprivate static let run = [
        interface,
        Option("for", .duration(long), "how long; without it until it is stopped, the demonstration 30s"),
        policy,
        Option(flag: "enforce", "limit on a real interface too; without it that is only observed"),
        Option("kafka", .endpoints, "the brokers; without it a small one is built in"),
        Option("summary", .file, "write the figures there, as JSON")
    ]

    fileprivate static let replay = [
        policy,
        Option("engine", .choice(["native", "kernel"]), "parse in this process, or in the kernel's own program (root)", standard: "native"),
        Option(flag: "all-ports", "look for hellos on every port, not only the policy's"),
        Option(flag: "decap", "look into tunnels (GRE, VXLAN, MPLS, GTP-U and others), as a capture of a mirror needs"),
        format,
        Option(
            "report", .choice(["pqc"]),
            "instead of hellos and events: which clients use post-quantum groups, by hellos, groups and stacks; who encrypts hellos"
        ),
        Option(flag: "all", "show every hello, also the repeated ones of a source"),
        Option(flag: "summary-only", "the figures, and nothing of single hellos: several times as fast"),
        Option(
            "jobs", .number(1...64),
            "threads: several files at a time, or up to three for one; the output is the same, memory is for each file",
            standard: "1"),
        Option(flag: "ja4-raw", "with --format json: JA4 before hashing as well, as tls.client.ja4_r"),
        Option(
            "fail-on", .choice(["info", "low", "med", "high", "critical"]), "exit code 1 when an anomaly of at least this severity is found"
        ),
        Option("kafka", .endpoints, "send the events to these brokers, to rehearse an autoscaler"),
        Option("speed", .choice(["1", "max"]), "with --kafka: in the capture's own time, or as fast as it goes", standard: "max")
    ]

    fileprivate static let controller = [
        Option("grpc", .endpoint, "where Envoy (ADS, ECDS, RLS) and KEDA (external scaler) ask", standard: "127.0.0.1:9742"),
        Option(
            "external-metrics", .endpoint, "where an HPA's external metrics answer (external.metrics.k8s.io), over the TLS that is given"),
        Option(
            flag: "kubernetes", "in a pod: patch the Deployments' scale, and never limit what the API server calls nodes and their pods"),
        Option(
            flag: "rehearsals", "act on the events of rehearsals (weir replay --kafka) as well; without it they are counted and ignored"),
        Option("otlp", .url, "tell an OpenTelemetry receiver of each detection's way (OTLP by HTTP), as http://collector:4318"),
        Option("otlp-headers", .file, "with --otlp: header lines for it, such as an Authorization that nobody else may read"),
        Option("otlp-ca", .file, "with --otlp: who may have signed the receiver's certificate (PEM), instead of the system's authorities"),
        Option("tls-cert", .file, "serve gRPC and external metrics over TLS with this certificate chain (PEM)"),
        Option("tls-key", .file, "and this private key (PEM)"),
        Option("tls-client-ca", .file, "and only to clients whose certificate this authority signed (PEM)"),
        startupTrace,
        Option(
            flag: "insecure", "serve gRPC and external metrics without TLS beyond loopback, where a mesh or a NetworkPolicy protects them")
    ]

    fileprivate static let limitsAdd = [
        Option("per-second", .number(1...255), "what is admitted in any second", standard: "3"),
        Option("for", .duration(long), "when it ends by itself", standard: "10m"),
        Option("class", .choice(["anomalous", "all"]), "only anomalous handshakes, or all of them", standard: "all"),
        wait, kafka, Option("kafka-config", .file, "librdkafka properties, one name=value a line; secrets belong there")
    ]

    fileprivate static let wait = Option(
        "wait", .duration(.milliseconds(1)...(.seconds(3600))),
        "until every node that reports has applied it, at most so long; exit code 1 names those that have not")

    fileprivate static let broker = [
        kafka, Option("kafka-config", .file, "librdkafka properties, one name=value a line; secrets belong there"), format
    ]
    fileprivate static let agent = [
        Option("interface", .text("PATTERN"), "interface to watch; without it those of the default routes", isRepeatable: true),
        Option("node", .text("NAME"), "this node's name in events; without it the host's name"),
        Option(
            "hello-memory", .choice(["2", "4", "8", "16", "32", "64"]),
            "MiB of the kernel's for hellos that are not whole yet; each MiB holds 512", standard: "4"),
        startupTrace,
        Option(
            "state", .text("DIR"),
            "directory for events that Kafka does not have yet and for the topic's limits; with it both outlive the agent"),
        Option(
            "state-size", .size((64 << 10)...(1 << 40)), "what those events may take up; at the bound the oldest that wait make room",
            standard: "256M"),
        Option(
            "state-age", .duration(.seconds(1)...(.seconds(365 * 86_400))), "how long an event waits; then it is given up and counted",
            standard: "72h"),
        Option(
            "evidence-size", .size((64 << 10)...(1 << 30)), "what the hellos of events may take up there, for weir evidence",
            standard: "16M"),
        Option(
            flag: "take-over", "take the place of the agent that listens there: port and spool at once, interfaces after a second of both"),
        Option(flag: "rehearsals", "apply the limits of rehearsals (weir replay --kafka) as well; without it they are refused and counted"),
        Option(
            "user", .text("USER"), "whom an agent that root starts becomes once it is attached, by name or number; root stays root",
            standard: "nobody"),
        Option(
            "slow-turn", .duration(.milliseconds(1)...(.seconds(60))), "log turns of the loop that take as long; weir stalls shows all",
            standard: "50ms"),
        Option("attach", .choice(["tcx", "clsact"]), "how; without it TCX, or clsact where the kernel has none")
    ]
}

extension Command {
    private static let prefix = Positional("PREFIX", .prefix, "an address or a block, such as 203.0.113.7 or 2001:db8::/64")

    package static let weir = Command(
        "weir", "see and limit anomalous TLS handshakes, live or in a capture",
        subcommands: [
            Command(
                "run", "the closed loop on this machine: a demonstration, or a real interface", options: Option.run,
                examples: [
                    ("weir run", "the demonstration, in namespaces of its own"),
                    ("weir run --interface eth0", "watch a real interface, touch nothing"),
                    ("weir run --interface eth0 --enforce --for 10m", "limit there for ten minutes")
                ]),
            Command(
                "replay", "captures through detection and decision, in their own time", options: Option.replay,
                positionals: [
                    Positional("FILE", .file, "a pcap or pcapng capture; - is standard input", count: .oneOrMore)
                ],
                notes: [
                    (
                        "reads",
                        "pcap in either byte order, micro- or nanoseconds, and pcapng; Ethernet, raw IP, Linux cooked (-i any), BSD loopback; no privilege needed"
                    ),
                    (
                        "table",
                        "a row for a hello: time, source, destination, name asked for, version, JA4, anomalies; then what Weir would have done, as if the policy enforced"
                    ),
                    (
                        "json",
                        "one object a line: handshake, flow (what it did after its hello), event, decision, by time; a summary last, with losses by cause"
                    ),
                    ("anomalies", "docs/detections.md says what each is, whom it hits by mistake, and how to tune it"),
                    ("unproven", "nothing shows that the source is real (the capture lacks SYN-ACK and ACK): told, and never acted on"),
                    (
                        "incomplete",
                        "a hello that cannot be judged, and why: closed, timeout, too_long, gaps, capture (it ends or was cut), reused, no_room, evicted"
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
                ]),
            Command(
                "policy", "check and rehearse policies",
                subcommands: [
                    Command("check", "what is wrong with a policy", positionals: [Positional("FILE", .file, "the policy")]),
                    Command(
                        "rehearse", "what a policy would have done to captures, source by source; exit code 1 when that is something else",
                        options: [
                            Option("against", .file, "the policy to compare with; without it the built-in one")
                        ],
                        positionals: [
                            Positional("NEW", .file, "the policy"), Positional("FILE", .file, "captures", count: .oneOrMore)
                        ])
                ]),
            Command(
                "doctor", "what this machine can do, and what is missing",
                options: [
                    Option(
                        "interface", .text("PATTERN"), "interface that is to be watched; without it those of the default routes",
                        isRepeatable: true),
                    Option("port", .number(1...65_535), "that of the agent's --listen, where one runs", standard: "9740"),
                    Option.policy
                ] + Option.broker.dropLast()),
            Command(
                "top", "what the agent of this machine sees and limits, live; ends with Ctrl-C",
                options: [
                    Option("port", .number(1...65_535), "that of its --listen", standard: "9740"),
                    Option("for", .duration(long), "how long; without it until it is stopped")
                ] + Option.broker.dropLast(),
                examples: [
                    ("weir top", "its sources, the busiest first"),
                    ("weir top --kafka broker:9092", "and what every node and the controllers say meanwhile")
                ]),
            Command(
                "startup", "where the time of an agent's or a controller's start went, or what became slower or faster from one to another",
                options: [
                    Option("format", .choice(["table", "json"]), "for people or for programs", standard: "table")
                ],
                positionals: [
                    Positional(
                        "FILE", .file, "one or two that --startup-trace wrote: one start, or an earlier and a later one", count: .oneOrMore)
                ],
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
                ]),
            stalls,
            evidence,
            Command(
                "tail", "a topic, readable, as it is written; ends with Ctrl-C",
                options: [Option(flag: "from-beginning", "what is in it already, too")] + Option.broker,
                positionals: [
                    Positional("TOPIC", .choice(["events", "limits", "decisions", "nodes"]), "which")
                ],
                examples: [
                    ("weir tail events --kafka broker:9092", "what the nodes see, as it happens"),
                    ("weir tail nodes --from-beginning --format json --kafka broker:9092", "every node's latest reports of itself")
                ]),
            Command(
                "explain",
                "why a source is limited: evidence, limits, decisions, and when it ends; exit code 1 when nothing is known of it",
                options: [
                    Option(flag: "all", "every event, limit and decision, not only the last 20"),
                    Option("archive", .directory, "the table that weir-archive writes: what was seen before the topics' first event, too")
                ] + Option.broker, positionals: [prefix],
                notes: [
                    ("reads", "the events, limits and decisions topics to their ends; what they no longer keep is not told"),
                    ("json", "the records as they are on the topics, by time, one a line")
                ],
                examples: [
                    ("weir explain 203.0.113.7 --kafka broker:9092", "one address, and the blocks around it"),
                    ("weir explain 203.0.113.0/24 --all --kafka broker:9092", "a block, and whatever is in it")
                ]),
            query,
            Command(
                "trace", "one detection's way: the event, limits and decisions that bear its trace id; exit code 1 when none does",
                options: Option.broker,
                positionals: [
                    Positional("ID", .text("ID"), "32 hexadecimal digits, as events, limits, decisions and log lines bear them")
                ],
                examples: [
                    ("weir trace 4bf92f3577b34da6a3ce929d0e0e4736 --kafka broker:9092", "from the hello to the workload")
                ]),
            Command(
                "limits", "the operator's hand on the limits topic",
                subcommands: [
                    Command(
                        "list", "what is limited now, and on how many nodes", options: Option.broker,
                        notes: [
                            ("nodes", "2/3: of three nodes that have reported within a day, the limit is known to hold on two"),
                            ("behind", "a node that has not read the limits topic to its end, and by how many records"),
                            ("silent", "a node that has said nothing for 30 s; a clean stop takes its report back"),
                            (
                                "not held",
                                "a node that has read the limit and does not hold it: its own allow-list covers it (allowed), a table is full (no_room), or it is newer than the node (not_understood)"
                            )
                        ]),
                    Command(
                        "add", "limit a source until a time", options: Option.limitsAdd, positionals: [prefix],
                        examples: [
                            ("weir limits add 203.0.113.7 --for 1h --wait 5s --kafka broker:9092", "and end when every node holds it")
                        ]),
                    Command("release", "end a source's limits", options: [Option.wait] + Option.broker.dropLast(), positionals: [prefix])
                ], standardSubcommand: "list"),
            Command("broker", "the small built-in broker of weir run, for trying things out; ends with its standard input"),
            Command(
                "completion", "shell completion",
                positionals: [Positional("SHELL", .choice(Shell.allCases.map(\.rawValue)), "which shell")],
                examples: [
                    ("source <(weir completion bash)", "in ~/.bashrc")
                ]),
            Command(
                "manual", "the manual page of a program, for man",
                positionals: [
                    Positional("PROGRAM", .choice(["weir", "weir-agent", "weir-controller", "weir-archive"]), "whose")
                ],
                examples: [
                    (
                        "weir manual weir-agent > weir-agent.1",
                        "and man -l weir-agent.1 shows it; make install puts them all where man looks"
                    )
                ])
        ],
        examples: [
            ("weir run", "the whole loop, from nothing"),
            ("weir replay attack.pcap", "what Weir would have done")
        ])

    package static let agent = Command(
        "weir-agent", "watch this node's handshakes and limit anomalous sources",
        options: Option.agent + Option.common(listen: "127.0.0.1:9740"),
        examples: [
            ("weir-agent --interface eth0 --policy policy.yaml --kafka broker:9092", "one node")
        ])

    package static let controller = Command(
        "weir-controller", "spread limits to every node, and ask for instances",
        options: Option.controller + Option.common(listen: "127.0.0.1:9741"),
        examples: [
            ("weir-controller --policy policy.yaml --kafka broker:9092", "decide, and tell Kafka"),
            (
                "weir-controller ... --grpc 0.0.0.0:9742 --tls-cert tls.crt --tls-key tls.key --tls-client-ca ca.crt",
                "and Envoys, and KEDA, with certificates"
            )
        ])
}
