package import Units

/// One TCP connection made up around a client's first bytes: SYN, SYN-ACK, ACK, and the bytes in segments.
/// What was on the wire around them is not known.
package struct Retelling: Sendable {
    package let client: Address, server: Address
    package let clientPort: UInt16, serverPort: UInt16
    private static let synchronize: UInt8 = 2, acknowledge: UInt8 = 16, push: UInt8 = 8
    private static let clientISN: UInt32 = 1000, serverISN: UInt32 = 2000, segment = 1400

    package init(client: Address, clientPort: UInt16, server: Address, serverPort: UInt16) {
        (self.client, self.clientPort, self.server, self.serverPort) = (client, clientPort, server, serverPort)
    }

    /// A handshake message in TLS records (RFC 8446 section 5.1).
    package static func records(of message: [UInt8]) -> [UInt8] {
        stride(from: 0, to: message.count, by: 16_384).reduce(into: []) { stream, start in
            let part = message[start..<min(start + 16_384, message.count)]
            stream += [22, 3, 1, UInt8(part.count >> 8), UInt8(part.count & 255)] + part
        }
    }

    package func frames(_ stream: [UInt8]) -> [[UInt8]] {
        let next = Self.clientISN &+ 1, answer = Self.serverISN &+ 1
        return [
            frame(fromClient: true, Self.clientISN, 0, Self.synchronize, []),
            frame(fromClient: false, Self.serverISN, next, Self.synchronize | Self.acknowledge, []),
            frame(fromClient: true, next, answer, Self.acknowledge, [])
        ]
            + stride(from: 0, to: stream.count, by: Self.segment).map { at in
                frame(
                    fromClient: true, next &+ UInt32(at), answer, Self.acknowledge | Self.push,
                    stream[at..<min(at + Self.segment, stream.count)])
            }
    }

    private func frame(fromClient: Bool, _ sequence: UInt32, _ acknowledged: UInt32, _ flags: UInt8, _ payload: ArraySlice<UInt8>)
        -> [UInt8]
    {
        let (from, to) = fromClient ? (client, server) : (server, client)
        let ports = fromClient ? (clientPort, serverPort) : (serverPort, clientPort)
        let isSix = !(client.isIPv4 && server.isIPv4), size = 20 + payload.count
        func address(_ address: Address) -> [UInt8] {
            let all = Self.word64(address.high) + Self.word64(address.low)
            return isSix ? all : Array(all[12...])
        }
        var tcp =
            Self.word(ports.0) + Self.word(ports.1) + Self.long(sequence) + Self.long(acknowledged) + [
                5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0
            ]
            + payload
        let pseudo = address(from) + address(to) + (isSix ? Self.long(UInt32(size)) + [0, 0, 0, 6] : [0, 6] + Self.word(UInt16(size)))
        let sum = Self.sum(pseudo + tcp)
        (tcp[16], tcp[17]) = (UInt8(sum >> 8), UInt8(sum & 255))
        let ethernet: [UInt8] = [2, 0, 0, 0, 0, fromClient ? 2 : 1, 2, 0, 0, 0, 0, fromClient ? 1 : 2] + (isSix ? [0x86, 0xdd] : [8, 0])
        guard !isSix else {
            return ethernet + [0x60, 0, 0, 0] + Self.word(UInt16(size)) + [6, 64] + address(from) + address(to) + tcp
        }
        var header: [UInt8] = [0x45, 0] + Self.word(UInt16(20 + size)) + [0, 0, 0x40, 0, 64, 6, 0, 0] + address(from) + address(to)
        let own = Self.sum(header)
        (header[10], header[11]) = (UInt8(own >> 8), UInt8(own & 255))
        return ethernet + header + tcp
    }

    private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
    private static func long(_ value: UInt32) -> [UInt8] { word(UInt16(value >> 16)) + word(UInt16(truncatingIfNeeded: value)) }
    private static func word64(_ value: UInt64) -> [UInt8] { long(UInt32(value >> 32)) + long(UInt32(truncatingIfNeeded: value)) }

    /// RFC 1071.
    private static func sum(_ bytes: [UInt8]) -> UInt32 {
        var sum: UInt32 = 0
        for at in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[at]) << 8 | (at + 1 < bytes.count ? UInt32(bytes[at + 1]) : 0)
        }
        while sum > 0xffff { sum = (sum & 0xffff) + sum >> 16 }
        return ~sum & 0xffff
    }
}
