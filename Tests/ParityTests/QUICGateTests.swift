import Detection
import Glibc
import Probe
import Support
import Testing

/// First answers of QUIC servers, by their headers alone: what the probe counts where nobody has opened a hello. Native engine and
/// kernel say the same, and no answer is free because of the ids that it bears.
@Suite(.enabled(if: geteuid() == 0, "BPF_PROG_TEST_RUN needs root")) struct QUICGateTests {
    private static let initial: UInt8 = 0xc0, handshake: UInt8 = 0xe0, retry: UInt8 = 0xf0

    /// A long header of version 1 (RFC 9000 section 17.2), padded to what a server takes.
    private func packet(_ type: UInt8, to: [UInt8], from: [UInt8]) -> [UInt8] {
        let head = [type, 0, 0, 0, 1, UInt8(to.count)] + to + [UInt8(from.count)] + from
        return head + [UInt8](repeating: 0, count: 1200 - head.count)
    }

    /// The datagram between 203.0.113.66 and 198.51.100.2, port 443 there.
    private func frame(_ payload: [UInt8], port: UInt16, fromClient: Bool) -> [UInt8] {
        func word(_ value: Int) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
        let client: [UInt8] = [203, 0, 113, 66], server: [UInt8] = [198, 51, 100, 2]
        let ends = fromClient ? client + server : server + client
        let ports = fromClient ? word(Int(port)) + word(443) : word(443) + word(Int(port))
        return [UInt8](repeating: 2, count: 12) + [8, 0, 0x45, 0] + word(28 + payload.count) + [0, 0, 0, 0, 64, 17, 0, 0] + ends + ports
            + word(8 + payload.count) + [0, 0] + payload
    }

    private func pair() throws -> HookPair {
        var policy = Policy()
        policy.mode = .enforce
        return try HookPair(KernelPolicy(policy))
    }

    private func id(_ number: UInt8, _ size: Int = 8) -> [UInt8] { [UInt8](repeating: number, count: size) }

    /// Whether the server's answer leaves, after its client's hello.
    private func answer(_ pair: HookPair, _ port: UInt16, client: [UInt8], original: [UInt8], server: [UInt8]) throws -> Bool {
        let hello = try pair.run(frame(packet(Self.initial, to: original, from: client), port: port, fromClient: true), fromClient: true)
        let said = try pair.run(frame(packet(Self.initial, to: client, from: server), port: port, fromClient: false), fromClient: false)
        #expect(hello.isSame && said.isSame && hello.passes)
        return said.passes
    }

    @Test("Three answers leave within a second, whatever path they take; what has left goes on")
    func counted() throws {
        let pair = try pair()
        let left = try (0..<6).map { try answer(pair, 50_000 + UInt16($0), client: id(1), original: id(2), server: id(10 + UInt8($0))) }
        #expect(left == [true, true, true, false, false, false])
        let more = try pair.run(frame(packet(Self.handshake, to: id(1), from: id(10)), port: 50_000, fromClient: false), fromClient: false)
        #expect(more.passes && more.isSame, "the same connection's next packet")
    }

    @Test("A server that answers with the id of its Retry is counted as any other")
    func retried() throws {
        let pair = try pair()
        let left = try (0..<6).map { number in
            let port = 50_000 + UInt16(number), chosen = id(10 + UInt8(number))
            for (packet, fromClient) in [
                (packet(Self.initial, to: id(2), from: id(1)), true), (packet(Self.retry, to: id(1), from: chosen), false)
            ] {
                let run = try pair.run(frame(packet, port: port, fromClient: fromClient), fromClient: fromClient)
                #expect(run.passes && run.isSame, "a Retry is no answer")
            }
            return try answer(pair, port, client: id(1), original: chosen, server: chosen)
        }
        #expect(left == [true, true, true, false, false, false])
    }

    @Test("So is one whose ids are too short to be told apart, also where one path has several connections", arguments: [0, 3])
    func short(size: Int) throws {
        let pair = try pair()
        let paths = try (0..<6).map {
            try answer(pair, 50_000 + UInt16($0), client: id(1), original: id(2), server: id(10 + UInt8($0), size))
        }
        #expect(paths == [true, true, true, false, false, false])
        pair.now += 2_000_000_000
        let one = try (0..<6).map { try answer(pair, 51_000, client: id(1), original: id(20 + UInt8($0)), server: id(9, size)) }
        #expect(one == [true, true, true, false, false, false])
    }
}
