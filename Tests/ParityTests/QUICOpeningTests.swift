import Detection
import Glibc
import JSON
import Linux
import Pcap
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private let python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"

/// What a script prints, and the frames of the capture that it writes.
private func run(_ script: String, _ kind: String) throws -> (said: [UInt8], frames: [[UInt8]]) {
    let path = "/tmp/weir-opening-\(getpid())-\(UInt64.random(in: 0 ... .max)).pcap"
    defer { unlink(path) }
    let child = try Child(python, [python, "\(root)/Tests/oracles/\(script)", kind, path], output: true)
    var said: [UInt8] = [], frames: [[UInt8]] = []
    while let more = child.take() {
        said += more
        var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
        if more.isEmpty { poll(&target, 1, 1000) }
    }
    var capture = try Capture(path: path)
    while try capture.next({ _, bytes in frames.append(bytes.withUnsafeBytes { Array($0) }) }) {}
    return (said, frames)
}

private func isFromClient(_ frame: [UInt8]) -> Bool {
    let ports = frame[12] == 0x86 ? 54 : 34
    return frame[ports + 2] == 1 && frame[ports + 3] == 187
}

private func policy(budget: Int = 100) -> KernelPolicy {
    var policy = Policy()
    policy.mode = .enforce
    policy.quic.inPacket = true
    policy.quic.budget = budget
    return KernelPolicy(policy, opens: true)
}

/// Initials opened in the packet, with nobody in user space: every verdict is there before the server has seen the datagram. Kernel (both
/// objects) and native engine say the same of every path, in captures of real stacks and of what only an attacker sends.
@Suite(.enabled(if: geteuid() == 0, "BPF_PROG_TEST_RUN needs root")) struct QUICOpeningTests {
    /// What is thought of each port's path in the end, by both.
    private func play(_ frames: [[UInt8]], mayGoto: Bool) throws -> (opinions: [Int: PathOpinion.Kind], heldBack: Int, pair: HookPair) {
        let pair = try HookPair(policy(), opens: true, mayGoto: mayGoto)
        var opinions: [Int: PathOpinion.Kind] = [:], heldBack = 0
        for (index, frame) in frames.enumerated() {
            let run = try pair.run(frame, fromClient: isFromClient(frame))
            #expect(run.isSame, "frame \(index): records")
            #expect(run.passes != pair.isDropped, "frame \(index): \(run.passes)")
            if !isFromClient(frame) {
                heldBack += run.passes ? 0 : 1
                continue
            }
            guard let seen = pair.told.last, seen.kind == .datagram, seen.fingerprint != 0 else { continue }
            let opinion = pair.opinion(of: seen.fingerprint)
            #expect(opinion.native == opinion.kernel, "frame \(index), port \(seen.sourcePort): \(opinion)")
            opinions[Int(seen.sourcePort)] = opinion.native
        }
        let (native, kernel) = pair.counters
        for counter in Counter.allCases where counter != .quicOpeningNanoseconds {
            #expect(native[counter] == kernel[counter], "\(counter.id): \(native[counter]) natively, \(kernel[counter]) in the kernel")
        }
        return (opinions, heldBack, pair)
    }

    private struct Expected { var port = 0, verdict = "", says = "" }

    private func expected(_ said: [UInt8]) throws -> [Expected] {
        var parser = JSONParser(), rows: [Expected] = []
        let wrapped = Array("{\"rows\":".utf8) + said + Array("}".utf8)
        try parser.object(wrapped.span.bytes) { object throws(JSONError) in
            try object.objects("rows") { row throws(JSONError) in
                rows.append(Expected(port: try row.integer("port"), verdict: try row.string("is"), says: (try? row.string("says")) ?? ""))
            }
        }
        return rows
    }

    @Test(
        "Vectors of RFC 9001 and 9369, browsers' hellos in shuffled pieces, tricks, and Initials with a byte changed",
        arguments: ["vectors", "shuffled", "tricks", "spoilt"], [true, false])
    func initials(kind: String, mayGoto: Bool) throws {
        let (said, frames) = try run("initials.py", kind)
        let rows = try expected(said)
        #expect(!rows.isEmpty && !frames.isEmpty)
        let (opinions, _, pair) = try play(frames, mayGoto: mayGoto)
        for row in rows { #expect((opinions[row.port] ?? .unjudged).rawValue == row.verdict, "\(row)") }
        let opened = pair.counters.native[.quicOpened]
        #expect(kind == "spoilt" ? opened == 0 : opened >= UInt64(rows.count) / 2)
    }

    @Test(
        "Real stacks: nobody with a name waits for user space, and three answers leave without one",
        arguments: [("plain", 0), ("resumed", 0), ("retry", 0), ("short_id", 0), ("again", 0), ("many_nameless", 3)])
    func stacks(kind: String, refused: Int) throws {
        let frames = try run("quic.py", kind).frames
        #expect(!frames.isEmpty)
        let (_, heldBack, pair) = try play(frames, mayGoto: true)
        #expect(heldBack == refused && pair.counters.native[.quicRefused] == UInt64(refused))
        #expect(pair.counters.native[.quicLeft] == 0 && pair.counters.native[.quicJudged] > 0)
    }

    @Test("Over the budget strangers' Initials are dropped; those of a prefix that was proven are left to the agent, and both are counted")
    func budget() throws {
        let frames = try run("quic.py", "many_nameless").frames
        func engine(
            after before: ArraySlice<[UInt8]>, then: ArraySlice<[UInt8]>, allowing: Prefix? = nil
        ) -> (dropped: Int, counters: Counters) {
            var engine = NativeEngine(policy(budget: 5), enforcing: true), now: UInt64 = 1_000_000_000, dropped = 0
            func play(_ frame: [UInt8]) -> Bool {
                now += 1_000_000
                let hook: NativeEngine.Hook = isFromClient(frame) ? .incoming : .outgoing
                return engine.run(frame.span.bytes, wireSize: frame.count, at: now, hook: hook) { _ in }
            }
            if let allowing {
                let isAllowed = engine.allow(allowing)
                #expect(isAllowed)
            }
            for frame in before { _ = play(frame) }
            // More than strangers may have saved, and less than all may: a tenth of a second's worth is five milliseconds.
            engine.openingCosts(3_000_000)
            for frame in then where isFromClient(frame) && !play(frame) { dropped += 1 }
            return (dropped, engine.counters)
        }
        let strangers = engine(after: [], then: frames[...])
        #expect(strangers.dropped > 0 && strangers.counters[.quicOverBudget] == UInt64(strangers.dropped))
        #expect(strangers.counters[.quicOpened] > 0 && strangers.counters[.quicOpeningNanoseconds] >= 3_000_000)
        let allowed = engine(after: [], then: frames[...], allowing: Prefix("198.51.100.0/24"))
        #expect(allowed.dropped == 0 && allowed.counters[.quicLeft] > 0)
        let known = engine(after: frames[..<6], then: frames[6...])
        #expect(known.dropped == 0 && known.counters[.quicOverBudget] == 0)
        #expect(known.counters[.quicLeft] > 0 && known.counters[.quicOpened] > strangers.counters[.quicOpened])
    }

    @Test("A policy that does not ask opens nothing, and neither does one that asks where nothing is loaded")
    func unasked() throws {
        let frames = try run("quic.py", "plain").frames
        for (asked, loaded) in [(false, true), (true, false)] {
            var policy = Policy()
            policy.mode = .enforce
            policy.quic.inPacket = asked
            let pair = try HookPair(KernelPolicy(policy, opens: loaded), opens: loaded)
            for frame in frames {
                let run = try pair.run(frame, fromClient: isFromClient(frame))
                #expect(run.isSame)
            }
            #expect(pair.counters.kernel[.quicOpened] == 0 && pair.counters.kernel[.quicTold] == pair.counters.native[.quicTold])
        }
    }

    @Test("The tables are what their script writes")
    func tables() throws {
        let child = try Child(python, [python, "\(root)/bpf/quic_tables.py", "-"], output: true)
        var said: [UInt8] = []
        while let more = child.take() {
            said += more
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            if more.isEmpty { poll(&target, 1, 1000) }
        }
        let written = try #require(File.read("\(root)/bpf/shared/include/weir/quic_tables.h", limit: 1 << 20))
        #expect(String(decoding: said, as: UTF8.self) == written)
    }
}
