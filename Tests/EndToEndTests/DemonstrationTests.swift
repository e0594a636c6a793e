import Glibc
import JSON
import Linux
import Testing

@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct DemonstrationTests {
    @Test("The demonstration keeps its promises, and its summary has what scripts rely on")
    func promises() throws {
        let path = "/tmp/weir-summary-\(getpid()).json"
        defer { unlink(path) }
        let (code, text) = try output(of: [program("weir"), "run", "--for", "20s", "--summary", path])
        #expect(code == 0, "\(text)")
        let bytes = Array((File.read(path, limit: 65_536) ?? "").utf8)
        var parser = JSONParser()
        try parser.object(bytes.span.bytes) { summary throws(JSONError) in
            #expect(try summary.integer("seconds") >= 19)
            #expect(try summary.string("mode") == "live")
            #expect(["tcx", "clsact"].contains(try summary.string("attach")))
            #expect(!(try summary.string("kernel").isEmpty))
            #expect(try summary.integer("handshakes") > 1000)
            try summary.object("well_behaved") { counted throws(JSONError) in
                #expect(try counted.integer("attempted") > 100)
                #expect(try counted.integer("succeeded") == counted.integer("attempted"))
            }
            var attackers = 0
            try summary.objects("attackers") { attacker throws(JSONError) in
                attackers += 1
                #expect(try attacker.integer("attempted") > 300)
                #expect(try attacker.integer("admitted") > 0)
                #expect(try attacker.integer("most_admitted_in_a_second") <= 3)
                #expect(try attacker.integer("reset") > 0)
            }
            #expect(attackers == 2)
            try summary.object("slow_probe") { probe throws(JSONError) in #expect(try probe.integer("succeeded") == probe.integer("attempted")) }
            #expect(try summary.integer("events") > 24)
            #expect(try summary.integer("limits") >= 2)
            #expect(try summary.integer("scale_decisions") >= 1)
            try summary.object("latency_us") { latency throws(JSONError) in
                try latency.object("seen_to_enforced") { enforced throws(JSONError) in #expect(try enforced.integer("count") >= 2) }
            }
            #expect(try summary.boolean("counters_balance"))
            #expect(try summary.integer("lost") == 0)
            #expect(try summary.strings("left_behind") == [])
        }
    }

    @Test("Whatever part is killed, nothing is left, and the next run works at once", arguments: ["weir-agent", "weir-controller", "broker", "weir"])
    func killed(part: String) throws {
        let weir = program("weir")
        var run = try Child("weir", [weir, "run", "--for", "30s"], output: true, errorsToo: true)
        try wait("it runs") { run.take().map { String(decoding: $0, as: UTF8.self).contains("hellos") } ?? false }
        let family = descendants(of: run.pid)
        let victim = part == "weir" ? run.pid : family.first { commandLine($0).contains(part) } ?? 0
        #expect(victim > 0)
        kill(victim, SIGKILL)
        var code: Int?
        try wait("it ends") {
            code = run.poll()
            _ = run.take()
            return code != nil
        }
        #expect(code == (part == "weir" ? 137 : 1))
        try wait("its processes are gone") { family.allSatisfy { kill($0, 0) != 0 } }

        let (again, text) = try output(of: [weir, "run", "--for", "4s"])
        #expect(again == 0, "\(text)")
    }

    private func wait(_ what: String, _ condition: () -> Bool) throws {
        let end = Clock.monotonic + 30_000_000_000
        while !condition() {
            guard Clock.monotonic < end else { throw Failure(description: "not within 30 s: \(what)") }
            sched_yield()
        }
    }

    private func descendants(of pid: CInt) -> [CInt] {
        let children = (File.read("/proc/\(pid)/task/\(pid)/children", limit: 65_536) ?? "").split(separator: " ").compactMap { CInt($0.filter(\.isNumber)) }
        return children + children.flatMap { descendants(of: $0) }
    }

    private func commandLine(_ pid: CInt) -> String { File.read("/proc/\(pid)/cmdline", limit: 65_536) ?? "" }
}
