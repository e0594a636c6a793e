import BPF
import Detection
import Glibc
import Linux
import Probe
import Testing
import Wire

/// What may get better and not worse; a number here is lowered when the code allows it, and raised only with a reason.
@Suite struct RatchetTests {
    @Test("The verifier's work stays bounded, for both kinds of kernel", .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: [
        (KernelProbe.Program.observer, true, 22_500), (.observerOut, true, 10_500), (.outgoing, true, 29_500), (.limiter, true, 40_500), (.limiterOut, true, 21_500),
        (.sweep, true, 850), (.setLimit, true, 850),
        (.observer, false, 45_000), (.observerOut, false, 20_500), (.outgoing, false, 51_000), (.limiter, false, 62_000), (.limiterOut, false, 30_000),
    ])
    func verifier(program: KernelProbe.Program, mayGoto: Bool, most: Int) throws {
        var settings = ProbeSettings()
        settings.mayGoto = mayGoto
        let probe = try KernelProbe(KernelPolicy(Policy()), settings: settings)
        let verified = probe.verifiedInstructions(of: program)
        #expect((1...most).contains(verified), "\(program.rawValue): \(verified)")
    }

    @Test("All maps together stay within 18 MiB, and the room for unfinished hellos is what was asked for", .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func memory() throws {
        func bytes(_ helloMemory: Int) throws -> Int {
            var settings = ProbeSettings()
            settings.helloMemory = helloMemory
            return try KernelProbe(KernelPolicy(Policy()), settings: settings).mapBytes
        }
        let standard = try bytes(4), least = try bytes(2), large = try bytes(64)
        #expect((8 << 20...18 << 20).contains(standard), "\(standard)")
        #expect((2 << 20...3 << 20).contains(standard - least), "\(standard - least)")
        #expect((60 << 20...72 << 20).contains(large - standard), "\(large - standard)")
    }

    @Test("A record, a limit and a key keep their size")
    func sizes() {
        #expect(Handshake.size == 120)
        #expect(LimitEntry.size == 176)
        #expect(LimitKey.size == 20)
    }

    @Test("The agent links neither Foundation nor gRPC nor an HTTP client")
    func libraries() throws {
        let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
        let candidates: [String] = ["\(products)/weir-agent", ".build/debug/weir-agent"]
        let agent = try #require(candidates.first { path in access(path, X_OK) == 0 })
        var child = try Child("ldd", ["ldd", agent], output: true)
        var text = ""
        while let bytes = child.take() {
            text += String(decoding: bytes, as: UTF8.self)
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            if bytes.isEmpty { poll(&target, 1, 1000) }
        }
        while child.poll() == nil { sched_yield() }
        #expect(text.contains("libbpf") && text.contains("librdkafka") && text.contains("libsqlite3"))
        for unwanted in ["libFoundation", "libgrpc", "libcurl", "libpcap"] { #expect(!text.contains(unwanted), "\(unwanted)") }
    }
}
