import Detection
import Glibc
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

@Suite struct RecordingTests {
    @Test(
        "The kernel and replay write the same bytes about every recorded frame", .enabled(if: geteuid() == 0, "loading BPF needs root"),
        arguments: Recording.all, [false, true])
    func parity(recording: Recording, enforcing: Bool) throws {
        let policy = KernelPolicy(everything)
        let ours = native(recording.short, policy, enforcing: enforcing)
        #expect(try kernel(recording.short, policy, enforcing: enforcing) == ours)
        #expect(!ours.isEmpty)
    }

    @Test("Few recorded frames are longer than the kernel runs outside a network")
    func long() {
        #expect(Recording.all.count == 56 && Recording.all.reduce(0) { $0 + $1.longFrames } == 0)
    }

    @Test("Verdicts agree with an independent dissector", arguments: Recording.truths)
    func truth(expected: Recording.Truth) throws {
        let recording = Recording(expected.file)
        var engine = NativeEngine(KernelPolicy(everything), enforcing: false)
        var verdict: Verdict?
        for (index, frame) in recording.frames.prefix(expected.frame).enumerated() {
            engine.run(frame.span.bytes, wireSize: frame.count, at: UInt64(index + 1) * 1000) { record in
                if index == expected.frame - 1 { verdict = Verdict(record) }
            }
        }
        let found = try #require(verdict), handshake = found.handshake, hello = try #require(ClientHello(found.raw))
        #expect(handshake.source.description == expected.source)
        #expect(hello.serverName ?? "" == expected.name && handshake.serverNameLength == expected.name.utf8.count)
        #expect(handshake.version == expected.version && handshake.extensionCount >= expected.extensions.count)
        var anomalies: AnomalySet = []
        if !expected.extensions.contains(0) { anomalies.insert(AnomalySet(.missingSNI)) }
        if expected.extensions.contains(0), expected.name.isEmpty { anomalies.insert(AnomalySet(.emptySNI)) }
        if expected.version < 0x0303 { anomalies.insert(AnomalySet(.obsoleteVersion)) }
        // What the dissector's fields tell; the rest of the catalogue has tests of its own.
        #expect(handshake.anomalies.intersection(AnomalySet([.missingSNI, .emptySNI, .obsoleteVersion])) == anomalies)
        #expect(
            handshake.anomalies.intersection(
                AnomalySet([.malformedHello, .badRecord, .notTLS, .invalidSNI, .duplicateExtension, .absurdCiphers, .pskNotLast])) == [])
        #expect(handshake.proof == (expected.file == "lone-hello.pcap" ? .unproven : .tracked))
        #expect(handshake.segments == segments(recording.frames.prefix(expected.frame)))
        #expect(handshake.completeness == (handshake.segments > 1 || handshake.records > 1 ? .reassembled : .complete))
        #expect((handshake.records > 1) == (expected.file == "many-records.pcap"))
    }

    /// Client segments with payload of the conversation that the last frame belongs to.
    private func segments(_ frames: ArraySlice<[UInt8]>) -> Int {
        func port(_ frame: [UInt8]) -> [UInt8]? {
            Recording.segment(frame).flatMap { $0.isFromClient && !$0.payload.isEmpty ? Array(frame[$0.at..<($0.at + 2)]) : nil }
        }
        let last = frames.last.flatMap(port)
        return frames.filter { port($0) == last && last != nil }.count
    }

    @Test("Any start of a recorded stream lacks nothing, as far as anybody says", arguments: Recording.all, [false, true])
    func prefixes(recording: Recording, closing: Bool) {
        let stream = recording.clientStream
        guard stream.count > 5, stream[0] == 22 else { return }
        let whole = 5 + Int(stream[3]) << 8 + Int(stream[4]),
            length = recording.name == "many-records.pcap" ? stream.count : min(stream.count, whole)
        let isShort = whole > stream.count
        var engine = NativeEngine(KernelPolicy(everything), enforcing: false)
        for size in 1..<(isShort ? stream.count + 1 : length) {
            var conversation = Conversation(clientPort: UInt16(10_000 + size))
            conversation.clientISN = UInt32(size) &* 7919
            // Whole, and in two parts of which the later comes first.
            let start = Array(stream[..<size]), half = size / 2
            var frames = conversation.handshake
            frames +=
                size % 2 == 0
                ? [conversation.data(start, at: 0)]
                : [conversation.data(Array(start[half...]), at: half), conversation.data(Array(start[..<half]), at: 0)]
            if closing { frames.append(conversation.data([], at: size, flags: Conversation.finish | Conversation.acknowledge)) }
            var verdicts: [Handshake] = []
            for frame in frames {
                engine.run(frame.span.bytes, wireSize: frame.count, at: UInt64(size) * 1000) { Handshake($0).map { verdicts.append($0) } }
            }
            engine.sweep(at: UInt64(size) * 1000, end: true) { Handshake($0).map { verdicts.append($0) } }
            #expect(
                verdicts.count == 1 && verdicts.allSatisfy { !$0.anomalies.contains(.missingSNI) && !$0.anomalies.contains(.emptySNI) },
                "\(size) bytes")
            #expect(verdicts.first?.completeness == .incomplete, "\(size) bytes")
        }
    }
}
