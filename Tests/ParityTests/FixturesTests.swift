import Glibc
import Pcap
import Probe
import Support
import Testing
import Wire

private let folder = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Fixtures/"

private func frames(of name: String) throws -> [[UInt8]] {
    var capture = try Capture(path: folder + name)
    var frames: [[UInt8]] = []
    while try capture.next({ _, bytes in frames.append(bytes.withUnsafeBytes { Array($0) }) }) {}
    return frames
}

private let recordings = ["browser", "browser-offloads", "curl", "curl-no-name", "cut-frames", "empty-name", "flood", "garbage", "gnutls", "gnutls-no-name", "http", "lone-hello", "many-records",
                          "many-segments", "openssl-address-as-name", "openssl-nanoseconds", "openssl-tls10-no-name", "openssl-tls11", "openssl-tls12", "openssl-tls12-no-name", "openssl-tls13",
                          "openssl-tls13-no-name", "openssl-v6", "openssl-v6-no-name", "python", "python-no-name", "ssh", "truncated", "vlan-no-name"]

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

@Suite(.enabled(if: geteuid() == 0, "loading BPF needs root")) struct FixturesTests {
    @Test("The kernel and the native engine write the same bytes for every frame of every recording", arguments: recordings)
    func recording(name: String) throws {
        let frames = try frames(of: "\(name).pcap").filter { $0.count <= 3712 }
        let policy = KernelPolicy(everything)
        let here = native(frames, policy, enforcing: true)
        #expect(!here.isEmpty)
        #expect(try kernel(frames, policy, enforcing: true) == here)
    }

    @Test("They agree on 232 mutants as well", arguments: 0..<8 as Range<UInt64>)
    func mutants(round: UInt64) throws {
        let policy = KernelPolicy(everything)
        for (number, name) in recordings.enumerated() {
            let frames = mutant(try frames(of: "\(name).pcap").filter { $0.count <= 3712 }, seed: round << 32 | UInt64(number))
            #expect(try kernel(frames, policy, enforcing: true) == native(frames, policy, enforcing: true), "\(name), round \(round)")
        }
    }
}
