import Glibc
import JSON
import Linux
import Testing

@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct DemonstrationTests {
    @Test("The demonstration keeps its promises, and its summary has what scripts rely on")
    func promises() throws {
        let path = "/tmp/weir-summary-\(newMark()).json", mark = newMark()
        defer { unlink(path) }
        let (code, text) = try output(of: ["env", "WEIR_TEST=\(mark)", program("weir"), "run", "--for", "20s", "--summary", path])
        #expect(code == 0, "\(text)")
        #expect(marked(mark) == [])
        #expect(leftOutside() == [])
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
            try summary.object("slow_probe") { probe throws(JSONError) in
                #expect(try probe.integer("succeeded") == probe.integer("attempted"))
            }
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

    @Test("Ctrl-C ends it early, with a summary of what there was, and is no failure", arguments: ["hellos", "00:02 of"])
    func interrupted(after line: String) throws {
        let path = "/tmp/weir-summary-\(newMark()).json", mark = newMark()
        defer { unlink(path) }
        var run = try Child(
            "weir", ["env", "WEIR_TEST=\(mark)", program("weir"), "run", "--for", "60s", "--summary", path], output: true, errorsToo: true)
        try wait("it runs") { run.take().map { String(decoding: $0, as: UTF8.self).contains(line) } ?? false }
        kill(run.pid, SIGINT)
        let (code, text) = try end(of: &run)
        #expect(code == 0, "\(text)")
        // Not at once: where python3 is a script that looks for the real one, that search may be going on.
        try wait("its processes are gone") { marked(mark).isEmpty }
        let bytes = Array((File.read(path, limit: 65_536) ?? "").utf8)
        var parser = JSONParser()
        try parser.object(bytes.span.bytes) { summary throws(JSONError) in
            #expect(try summary.integer("seconds") < 60)
            #expect(try summary.boolean("counters_balance"))
            #expect(try summary.strings("left_behind") == [])
        }
    }

    @Test(
        "Whatever part is killed, nothing is left, and the next run works at once",
        arguments: ["weir-agent", "weir-controller", "broker", "weir"])
    func killed(part: String) throws {
        let weir = program("weir"), mark = newMark()
        var run = try Child("weir", ["env", "WEIR_TEST=\(mark)", weir, "run", "--for", "60s"], output: true, errorsToo: true)
        try wait("it runs") { run.take().map { String(decoding: $0, as: UTF8.self).contains("hellos") } ?? false }
        #expect(marked(mark).count >= 10, "weir, broker, agent, controller, server and five clients")
        let victim = part == "weir" ? run.pid : children(of: run.pid).first { commandLine($0).contains(part) } ?? 0
        try #require(victim > 0)
        kill(victim, SIGKILL)
        let (code, text) = try end(of: &run)
        #expect(code == (part == "weir" ? 137 : 1))
        if part != "weir" { #expect(text.contains("ended (137)"), "it says what ended: \(text)") }
        try wait("its processes are gone") { marked(mark).isEmpty }
        #expect(leftOutside() == [])

        let again = newMark()
        let (next, said) = try output(of: ["env", "WEIR_TEST=\(again)", weir, "run", "--for", "3s"])
        #expect(next == 0, "\(said)")
        #expect(marked(again) == [])
    }

    /// Waits for its end; the exit code and all that it said.
    private func end(of run: inout Child) throws -> (code: Int?, text: String) {
        var code: Int?, bytes: [UInt8] = []
        let take = { (run: borrowing Child) in while let more = run.take(), !more.isEmpty { bytes += more } }
        let end = Clock.monotonic + 30_000_000_000
        while code == nil, Clock.monotonic < end {
            take(run)
            code = run.poll()
            sched_yield()
        }
        take(run)
        return (code, String(decoding: bytes, as: UTF8.self))
    }

    private func wait(_ what: String, _ condition: () -> Bool) throws {
        let end = Clock.monotonic + 30_000_000_000
        while !condition() {
            guard Clock.monotonic < end else { throw Failure(description: "not within 30 s: \(what)") }
            usleep(10_000)
        }
    }

    private func children(of pid: CInt) -> [CInt] {
        (File.read("/proc/\(pid)/task/\(pid)/children", limit: 65_536) ?? "").split(separator: " ").compactMap {
            CInt($0.filter(\.isNumber))
        }
    }

    private func commandLine(_ pid: CInt) -> String { File.read("/proc/\(pid)/cmdline", limit: 65_536) ?? "" }
}
