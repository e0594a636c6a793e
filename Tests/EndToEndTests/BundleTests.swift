import JSON
import Testing

private let file = "bundles.py"

/// Signed policies, the real agent, a real signer beside ours.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct BundleTests {
    @Test(
        "From a directory: what is signed runs, ours and OpenSSL's; what is not is refused by its reason; a kill goes back to nothing older"
    )
    func directory() throws {
        try play("directory", of: file) { seen throws(JSONError) in
            try seen.object("none") { none throws(JSONError) in
                #expect(!none.has("running") && !none.has("refused"))
            }
            #expect(try seen.string("none_mode") == "observe", "the built-in policy")
            let reasons = [
                "unsigned", "bad_signature", "unknown_key", "older", "below_floor", "expired", "too_large", "not_parseable"
            ]
            try seen.object("seen") { seen throws(JSONError) in
                for name in [
                    "unsigned", "bad_signature", "unknown_key", "older", "below_floor", "expired", "too_large", "not_parseable"
                ] as [StaticString] { #expect(try seen.string(name) == "6 enforce \(name)", "what runs stays") }
            }
            #expect(try seen.strings("counted") == reasons.sorted().map { "\($0) 1" }, "once each, however often the directory is read")
            let lines = try seen.strings("lines")
            #expect(lines.count == reasons.count, "\(lines)")
            for reason in reasons { #expect(lines.count { $0.contains("reason=\(reason) ") } == 1, "\(reason)") }
            let status = try seen.string("status")
            #expect(status.contains("theirs") && status.contains("sequence 6") && status.contains("not_parseable"), "\(status)")
            #expect(try seen.integer("offline") == 6)
            #expect(try seen.string("offline_mode") == "enforce")
            #expect(try seen.integer("still") == 6)
            #expect(try seen.strings("files").contains("private/state/bundles.json 65534 600"))
            #expect(try seen.strings("files").contains("private/state/audit.jsonl 65534 600"))
            #expect(try seen.integer("code") == 0)
            #expect(try seen.strings("refused") == [], "the filter has the calls that this takes")
            #expect(try seen.string("misfit") == "", "/status is what its schema says")
            #expect(try seen.string("valid") == "", "the schema describes what is signed")
            let piped = try seen.string("piped")
            #expect(piped.hasPrefix("-: policy first, observe, ") && piped.contains("signature  holds"), "\(piped)")
            try seen.object("wrong") { wrong throws(JSONError) in
                #expect(try wrong.string("no key").hasPrefix("2 weir-agent: --bundles: no bundle is believed without a key"))
                #expect(try wrong.string("no source").hasPrefix("2 weir-agent: --bundle-key: bundles come from somewhere"))
                #expect(try wrong.string("private").hasSuffix("a private key; nodes and readers need the public one"))
                #expect(try wrong.string("both").hasPrefix("2 weir-agent: --policy FILE and --bundle-key exclude each other"))
                let unreadable = try wrong.string("unreadable")
                #expect(unreadable.contains("user nobody cannot read it: Permission denied") && unreadable.hasPrefix("2 "), "\(unreadable)")
                #expect(try wrong.string("no broker").hasPrefix("2 weir-agent: --bundle-topic: from which brokers?"))
            }
        }
    }

    @Test(
        "From the topic: canaries first, then all; a stranger moves nothing, nor does a key that was replaced; alone the last good one runs"
    )
    func topic() throws {
        try play("topic", of: file) { seen throws(JSONError) in
            #expect(try seen.boolean("canary"))
            #expect(try seen.integer("canary_runs") == 2)
            #expect(try !seen.boolean("waiter"))
            #expect(try seen.integer("waiter_runs") == 1)
            #expect(try seen.boolean("digest"))
            let table = try seen.string("table")
            #expect(table.contains("2 nodes: sequence ") && table.contains("sequence 2 (") && table.contains("sequence 1 ("), "\(table)")
            #expect(try seen.strings("modes") == ["enforce"])
            #expect(try seen.strings("after") == ["3 unknown_key"])
            #expect(try seen.strings("codes") == ["0", "0"])
            let steps = [
                "bundle_taken", "bundle_taken", "bundle_taken", "bundle_refused", "key_replaced", "bundle_taken", "bundle_refused",
                "operator_limited"
            ]
            #expect(try seen.strings("steps") == steps, "what a canary's audit log says")
            #expect(try seen.integer("lonely") == 5)
            #expect(try seen.integer("lonely_code") == 0)
            #expect(try seen.strings("refused") == [])
        }
    }
}
