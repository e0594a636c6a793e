import BPF
import Detection
import Glibc
import Linux
import Probe
import Testing
import Wire

private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

/// What may get better and not worse; a number here is lowered when the code allows it, and raised only with a reason.
@Suite struct RatchetTests {
    /// What the verifier may go through at most. `make test-kernels` reads the same table for older kernels.
    struct Most: Sendable {
        let program: KernelProbe.Program
        let mayGoto: Bool
        let instructions: Int

        static let all: [Most] = {
            guard let text = File.read("\(root)/Tests/KernelTests/instructions.tsv", limit: 1 << 16) else { return [] }
            return text.split(separator: "\n").compactMap { line in
                let fields = line.split(separator: "\t").map(String.init)
                guard fields.count == 4, fields[0] == "6.18", let program = KernelProbe.Program(rawValue: fields[2]),
                    let most = Int(fields[3])
                else { return nil }
                return Most(program: program, mayGoto: fields[1] == "may_goto", instructions: most)
            }
        }()
    }

    @Test(
        "The verifier's work stays bounded, for both kinds of kernel", .enabled(if: geteuid() == 0, "loading BPF needs root"),
        arguments: Most.all)
    func verifier(most: Most) throws {
        var settings = ProbeSettings()
        settings.mayGoto = most.mayGoto
        settings.opens = most.program == .opener
        let probe = try KernelProbe(KernelPolicy(Policy()), settings: settings)
        let verified = probe.verifiedInstructions(of: most.program)
        #expect((1...most.instructions).contains(verified), "\(most.program.rawValue): \(verified)")
    }

    @Test("Every program that is attached has its bound, in both objects")
    func complete() {
        for mayGoto in [true, false] {
            let bounded = Set(Most.all.filter { $0.mayGoto == mayGoto }.map(\.program))
            #expect(bounded.isSuperset(of: [.observer, .observerOut, .outgoing, .limiter, .limiterOut, .opener]))
        }
    }

    @Test("README and docs/node.md say what is needed of a kernel in the words of the programs")
    func needs() throws {
        let text = try
            (#require(File.read("\(root)/README.md", limit: 1 << 20)) + #require(File.read("\(root)/docs/node.md", limit: 1 << 20))).split {
                $0 == "\n" || $0 == " "
            }.joined(separator: " ")
        #expect(text.contains("Weir needs \(KernelNeeds.floor)."))
        #expect(text.contains(KernelNeeds.withoutTCX) && text.contains(KernelNeeds.withoutMayGoto))
    }

    @Test(
        "All maps together stay within 24 MiB, and the room for unfinished hellos is what was asked for",
        .enabled(if: geteuid() == 0, "loading BPF needs root"))
    func memory() throws {
        func bytes(_ helloMemory: Int) throws -> Int {
            var settings = ProbeSettings()
            settings.helloMemory = helloMemory
            return try KernelProbe(KernelPolicy(Policy()), settings: settings).mapBytes
        }
        let standard = try bytes(4), least = try bytes(2), large = try bytes(64)
        #expect((8 << 20...24 << 20).contains(standard), "\(standard)")
        #expect((2 << 20...3 << 20).contains(standard - least), "\(standard - least)")
        #expect((60 << 20...72 << 20).contains(large - standard), "\(large - standard)")
        var settings = ProbeSettings()
        settings.opens = true
        let opening = try KernelProbe(KernelPolicy(Policy()), settings: settings).mapBytes - standard
        #expect((2 << 20...5 << 20).contains(opening), "\(opening)")
    }

    @Test("A record, a limit and a key keep their size")
    func sizes() {
        #expect(Handshake.size == 136)
        #expect(LimitEntry.size == 176)
        #expect(LimitKey.size == 36)
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
