import JSON
import Testing

private let file = "privilege.py"

/// What the real agent still is once it is attached, by /proc, and that all of it goes on.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct PrivilegeTests {
    private static func nothing(user: Int, group: Int? = nil) -> String {
        let none = "0000000000000000", group = group ?? user
        func four(_ number: Int) -> String { [number, number, number, number].map { String($0) }.joined(separator: ",") }
        let capabilities = ["Inh", "Prm", "Eff", "Bnd", "Amb"].map { "Cap\($0)=\(none)" }.joined(separator: " ")
        return "Uid=\(four(user)) Gid=\(four(group)) Groups= \(capabilities) NoNewPrivs=1 Seccomp=2"
    }

    private static func files(_ history: [String] = []) -> [String] {
        let names = ["evidence.0.jsonl", "evidence.1.jsonl"] + history + ["spool.sqlite3", "spool.sqlite3-wal"]
        return ["state 65534 700"] + names.map { "state/\($0) 65534 600" }
    }

    @Test(
        "A root's agent is nobody in every thread, powerless, behind a filter; limits, events, interfaces, reloads, spool, take-over go on")
    func nobody() throws {
        try play("nobody", of: file) { seen throws(JSONError) in
            let nobody = [Self.nothing(user: 65_534)]
            #expect(try seen.strings("threads") == nobody)
            #expect(try seen.integer("count") > 3, "Kafka's threads and the attacher's are among them")
            #expect(try seen.strings("new") == nobody)
            #expect(try seen.strings("old") == nobody, "it stands by")
            // Only root can reach the policy, so a child of root's opens it, and can do nothing else.
            #expect(try seen.strings("children") == [Self.nothing(user: 0)])
            #expect(try seen.strings("files") == Self.files(["history.0000000001.seg"]))
            #expect(try seen.string("trace") == "0o640")
            #expect(try seen.integer("switch") == 1)
            #expect(try seen.integer("look") != 0, "another process of that user reads nothing of it")
            #expect(try seen.string("asked") == "also", "nor does the agent give its place to one: the first question has no answer")
            #expect(try seen.integer("most") == 3)
            #expect(try seen.boolean("failed"))
            #expect(try seen.integer("late") == 3)
            #expect(try seen.boolean("late_failed"))
            #expect(try seen.integer("again") == 3)
            #expect(try seen.strings("refused") == [], "the list has what it needs")
            #expect(try seen.boolean("unchanged"), "the switch of the grace periods is what it was")
            let said = try seen.string("said")
            #expect(said.contains("rights given up user=nobody capabilities=none"), "\(said)")
            #expect(said.contains("opened by a child"), "\(said)")
            #expect(said.contains("policy.yaml:6:3: spec.portz: no such field"), "\(said)")
            // One of its own, and one of the agent that took its place for a moment. An operator has limited somebody meanwhile.
            let after = Self.files(["history.0000000001.seg", "history.0000000002.seg"])
            #expect(try seen.strings("after") == [after[0], "state/audit.jsonl 65534 600"] + after.dropFirst())
            #expect(try seen.strings("unknown_policies") == [], "the child opens the policy for the history, too")
            #expect(try seen.integer("rewound") > 24)
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("It becomes whom --user names, stays root where asked or where it lacks capabilities, and does with the DaemonSet's")
    func others() throws {
        try play("others", of: file) { seen throws(JSONError) in
            #expect(try seen.strings("number") == [Self.nothing(user: 4711)])
            #expect(try seen.integer("children") == 0, "that user can read the policy itself")
            func isPowerless(_ thread: String) -> Bool {
                thread.contains("CapPrm=0000000000000000 CapEff=0000000000000000") && thread.hasSuffix("NoNewPrivs=1 Seccomp=2")
            }
            #expect(try seen.strings("root").allSatisfy { $0.hasPrefix("Uid=0,0,0,0") && isPowerless($0) })
            #expect(try seen.strings("bounded").allSatisfy { $0.hasPrefix("Uid=65534,") && isPowerless($0) })
            #expect(try seen.strings("files") == Self.files())
            #expect(try seen.strings("older").allSatisfy { $0.hasPrefix("Uid=0,0,0,0") && isPowerless($0) })
            let older = try seen.string("older_said")
            #expect(older.contains("this agent stays root why=CAP_SETUID and CAP_SETGID are missing"), "\(older)")
            #expect(try seen.strings("refused") == [], "a name is looked up as well")
            #expect(try !seen.string("root_said").contains("stays root"))
            for name in ["number_code", "root_code", "bounded_code", "older_code"] as [StaticString] {
                #expect(try seen.integer(name) == 0, "\(name)")
            }
            try seen.object("refusals") { refusals throws(JSONError) in
                #expect(try refusals.string("unknown") == "2 weir-agent: --user no-such-user: no such user")
                #expect(try refusals.string("incapable").hasPrefix("2 weir-agent: --user nobody: cannot be taken on here"))
                #expect(
                    try refusals.string("not root").hasPrefix(
                        "2 weir-agent: --user 4711: only an agent that root starts can become another user"))
            }
        }
    }
}
