import Detection
import Glibc
import Probe
import Support
import Testing
import Wire

/// SplitMix64: the same mutants each time.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}

/// Frames that no longer are what a client sent: bytes changed, frames cut, lost, doubled, out of order.
private func mutant(_ frames: [[UInt8]], seed: UInt64) -> [[UInt8]] {
    var generator = Seeded(state: seed), frames = frames
    for _ in 0..<Int.random(in: 1...8, using: &generator) {
        let index = Int.random(in: frames.indices, using: &generator)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0, 1: frames[index][Int.random(in: frames[index].indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        // Shorter than Ethernet, IPv4 and TCP the kernel runs no frame, and there is nothing in one.
        case 2: frames[index] = Array(frames[index].prefix(max(54, Int.random(in: 0...frames[index].count, using: &generator))))
        case 3: frames.insert(frames[index], at: Int.random(in: frames.indices, using: &generator))
        case 4: frames.swapAt(index, Int.random(in: frames.indices, using: &generator))
        default: if frames.count > 1 { frames.remove(at: index) }
        }
    }
    return frames
}

/// A connection for each prefix of a client's stream, each ended by a reset.
private func prefixes(of stream: [UInt8], upTo length: Int) -> [[UInt8]] {
    (1..<max(length, 1)).flatMap { count -> [[UInt8]] in
        let c = Conversation(clientPort: UInt16(10_000 + count))
        return c.handshake + [c.data(Array(stream.prefix(count)), at: 0), c.data([], at: count, flags: Conversation.reset)]
    }
}

@Suite struct FixturesTests {
    @Test("What tshark says of each hello the probe says too: its frame, its source, its name, and whether it lacks one", arguments: Recording.all)
    func verdicts(recording: Recording) throws {
        var engine = NativeEngine(KernelPolicy(everything), enforcing: false)
        var found: [Expected] = [], claims: [Bool] = []
        for (index, frame) in recording.frames.enumerated() {
            engine.run(frame.span.bytes, wireSize: frame.count, at: 1_000_000_000 + UInt64(index) * 1000) { record in
                guard let verdict = Verdict(record), verdict.handshake.completeness != .incomplete, !verdict.handshake.anomalies.contains(.notTLS),
                      let hello = ClientHello(verdict.raw), !hello.isPartial else { return }
                found.append(Expected(frame: index + 1, source: "\(verdict.handshake.source)", name: hello.serverName ?? ""))
                claims.append(verdict.handshake.anomalies.contains(.missingSNI))
            }
        }
        let expected = Expected.byFile[recording.file] ?? []
        #expect(found == expected)
        // An empty list of names is another anomaly than none.
        #expect(claims == expected.map { $0.name.isEmpty && recording.file != "empty-name.pcap" })
    }

    @Test("No recorded client, cut anywhere, is said to lack a name", arguments: Recording.all)
    func cut(recording: Recording) {
        for stream in Set(recording.clientStreams) {
            let end = Recording.endOfHello(in: stream), frames = prefixes(of: stream, upTo: end ?? stream.count + 1)
            let verdicts = native(frames, KernelPolicy(everything))
            #expect(verdicts.allSatisfy { !$0.handshake.anomalies.contains(.missingSNI) && !$0.handshake.anomalies.contains(.emptySNI) })
            if end != nil {
                #expect(verdicts.count == stream.count - 1, "one verdict for each length")
                #expect(verdicts.allSatisfy { $0.handshake.completeness == .incomplete && $0.handshake.anomalies.isEmpty })
            }
        }
    }

    @Test("With every port watched the same hellos are found, and the servers' answers are not among them", arguments: Recording.all)
    func everyPortNative(recording: Recording) {
        func whole(_ policy: Policy) -> [[UInt8]] { native(recording.frames, KernelPolicy(policy)).filter { $0.handshake.completeness != .incomplete }.map(\.bytes) }
        #expect(whole(everyPort) == whole(everything))
    }
}

@Suite(.enabled(if: geteuid() == 0, "loading BPF needs root")) struct KernelFixturesTests {
    @Test("The kernel and the native engine write the same bytes for every frame of every recording", arguments: Recording.all)
    func recording(recording: Recording) throws {
        let policy = KernelPolicy(everything), here = native(recording.framesForKernel, policy, enforcing: true)
        #expect(!here.isEmpty)
        #expect(try kernel(recording.framesForKernel, policy, enforcing: true) == here)
    }

    @Test("With every port watched too", arguments: Recording.all)
    func everyPortKernel(recording: Recording) throws {
        let policy = KernelPolicy(everyPort)
        #expect(try kernel(recording.framesForKernel, policy, enforcing: true) == native(recording.framesForKernel, policy, enforcing: true))
    }

    @Test("And for every prefix of a recorded client", arguments: Recording.all)
    func cut(recording: Recording) throws {
        guard let stream = recording.clientStreams.first else { return }
        let frames = prefixes(of: stream, upTo: stream.count + 1)
        #expect(try kernel(frames, KernelPolicy(everything)) == native(frames, KernelPolicy(everything)))
    }

    @Test("They agree on 240 mutants as well", arguments: 0..<8 as Range<UInt64>)
    func mutants(round: UInt64) throws {
        let policy = KernelPolicy(everything)
        for (number, recording) in Recording.all.enumerated() {
            let frames = mutant(recording.framesForKernel, seed: round << 32 | UInt64(number))
            #expect(try kernel(frames, policy, enforcing: true) == native(frames, policy, enforcing: true), "\(recording.file), round \(round)")
        }
    }
}
