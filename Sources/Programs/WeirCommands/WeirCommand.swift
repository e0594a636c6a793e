package import Arguments

/// What a command line of `weir` comes to.
package enum WeirRequest: Sendable {
    case run(Arguments<RunOptions>)
    case replay(Arguments<ReplayOptions>)
    case policyCheck(Arguments<PolicyCheckOptions>)
    case policyRehearse(Arguments<PolicyRehearseOptions>)
    case policyKeygen(Arguments<PolicyKeygenOptions>)
    case policySign(Arguments<PolicySignOptions>)
    case policyPromote(Arguments<PolicyPromoteOptions>)
    case policyShow(Arguments<PolicyShowOptions>)
    case policyPublish(Arguments<PolicyPublishOptions>)
    case policyStatus(Arguments<PolicyStatusOptions>)
    case doctor(Arguments<DoctorOptions>)
    case top(Arguments<TopOptions>)
    case startup(Arguments<StartupOptions>)
    case stalls(Arguments<StallsOptions>)
    case evidence(Arguments<EvidenceOptions>)
    case rewind(Arguments<RewindOptions>)
    case verify(Arguments<VerifyOptions>)
    case tail(Arguments<TailOptions>)
    case explain(Arguments<ExplainOptions>)
    case query(Arguments<QueryOptions>)
    case trace(Arguments<TraceOptions>)
    case limitsList(Arguments<TopicOptions>)
    case limitsAdd(Arguments<LimitsAddOptions>)
    case limitsRelease(Arguments<LimitsReleaseOptions>)
    case broker(Arguments<NoOptions>)
    case completion(Arguments<CompletionOptions>)
    case manual(Arguments<ManualOptions>)
}

package let weirCommand = Command<WeirRequest>(
    "weir", "see and limit anomalous TLS handshakes, live or in a capture",
    subcommands: [
        run, replay,
        Command(
            "policy", "check, rehearse, sign and roll out policies",
            subcommands: [
                policyCheck, policyRehearse, policyKeygen, policySign, policyPromote, policyShow, policyPublish, policyStatus
            ]),
        doctor, top, startup, stalls, evidence, rewind, verify, tail, explain, query, trace,
        Command("limits", "the operator's hand on the limits topic", subcommands: [limitsList, limitsAdd, limitsRelease], standard: "list"),
        broker, completion, manual
    ],
    examples: [
        ("weir run", "the whole loop, from nothing"),
        ("weir replay attack.pcap", "what Weir would have done")
    ])

/// How results are written.
package enum OutputFormat: String, CaseIterable, Sendable { case table, json }

let formatOption = Option<OutputFormat>("format", .choice, "for people or for programs", standard: "table")
let agentPortOption = Option<UInt16>("port", .number(1...65_535), "that of its --listen", standard: "9740")
/// Of limits, and of what is run or shown for so long.
let spans = Duration.seconds(1)...(.seconds(365 * 86_400))
