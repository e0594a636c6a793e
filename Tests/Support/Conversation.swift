package import Units

/// One TCP connection as Ethernet frames, with whatever lies between Ethernet and TCP.
package struct Conversation: Sendable {
    package static let synchronize: UInt8 = 0x02, acknowledge: UInt8 = 0x10, push: UInt8 = 0x08, reset: UInt8 = 0x04, finish: UInt8 = 0x01

    package var client: Address
    package var server: Address
    package var clientPort: UInt16
    package var serverPort: UInt16 = 443
    package var clientISN: UInt32 = 1000
    package var serverISN: UInt32 = 0xffff_fff0
    package var vlans: [UInt16] = []
    package var tcpOptions: [UInt8] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
    package var ipv4Options: [UInt8] = []
    /// Header types and bodies between IPv6 and TCP; a body's length plus two is a multiple of eight.
    package var ipv6Extensions: [(type: UInt8, body: [UInt8])] = []

    package init(client: Address = Address("203.0.113.66")!, server: Address = Address("198.51.100.2")!, clientPort: UInt16 = 40_000) {
        self.client = client
        self.server = server
        self.clientPort = clientPort
    }

    /// SYN, SYN-ACK, ACK.
    package var handshake: [[UInt8]] { [syn, synAck, ack] }
    package var syn: [UInt8] { frame(fromClient: true, sequence: clientISN, acknowledged: 0, flags: Self.synchronize) }
    package var synAck: [UInt8] {
        frame(fromClient: false, sequence: serverISN, acknowledged: clientISN &+ 1, flags: Self.synchronize | Self.acknowledge)
    }
    package var ack: [UInt8] { data([], at: 0, flags: Self.acknowledge) }

    /// Client bytes at a stream offset.
    package func data(_ payload: [UInt8], at offset: Int, flags: UInt8 = acknowledge | push) -> [UInt8] {
        frame(
            fromClient: true, sequence: clientISN &+ 1 &+ UInt32(truncatingIfNeeded: offset), acknowledged: serverISN &+ 1, flags: flags,
            payload: payload)
    }

    /// Server bytes at a stream offset.
    package func answer(_ payload: [UInt8], at offset: Int, flags: UInt8 = acknowledge | push) -> [UInt8] {
        frame(
            fromClient: false, sequence: serverISN &+ 1 &+ UInt32(truncatingIfNeeded: offset), acknowledged: clientISN &+ 1, flags: flags,
            payload: payload)
    }

    /// `stream` in segments of at most `size` bytes, in order.
    package func segments(of stream: [UInt8], size: Int) -> [[UInt8]] {
        stride(from: 0, to: stream.count, by: size).map { data(Array(stream[$0..<min($0 + size, stream.count)]), at: $0) }
    }

    package func frame(fromClient: Bool, sequence: UInt32, acknowledged: UInt32, flags: UInt8, payload: [UInt8] = []) -> [UInt8] {
        let (from, to) = fromClient ? (client, server) : (server, client)
        let (fromPort, toPort) = fromClient ? (clientPort, serverPort) : (serverPort, clientPort)
        let options = tcpOptions + [UInt8](repeating: 0, count: (4 - tcpOptions.count % 4) % 4)
        let tcp =
            word(fromPort) + word(toPort) + long(sequence) + long(acknowledged)
            + [UInt8(5 + options.count / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0] + options + payload
        var frame: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]
        for vlan in vlans { frame += [0x81, 0x00] + word(vlan) }
        if client.isIPv4 {
            let header = 20 + ipv4Options.count
            frame += [0x08, 0x00, 0x40 | UInt8(header / 4), 0] + word(UInt16(header + tcp.count)) + [0, 0, 0x40, 0, 64, 6, 0, 0]
            frame += long(UInt32(truncatingIfNeeded: from.low)) + long(UInt32(truncatingIfNeeded: to.low)) + ipv4Options
        } else {
            var chain: [UInt8] = []
            for (index, header) in ipv6Extensions.enumerated() {
                let next = index + 1 < ipv6Extensions.count ? ipv6Extensions[index + 1].type : 6
                chain += [next, UInt8((header.body.count + 2) / 8 - 1)] + header.body
            }
            frame += [0x86, 0xdd, 0x60, 0, 0, 0] + word(UInt16(chain.count + tcp.count)) + [ipv6Extensions.first?.type ?? 6, 64]
            frame += sixteen(from) + sixteen(to) + chain
        }
        return frame + tcp
    }

    private func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
    private func long(_ value: UInt32) -> [UInt8] { word(UInt16(value >> 16)) + word(UInt16(truncatingIfNeeded: value)) }
    private func sixteen(_ address: Address) -> [UInt8] {
        [address.high, address.low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> UInt64(56 - $0 * 8)) } }
    }
}
