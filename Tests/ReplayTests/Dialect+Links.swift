extension Dialect {
    private static let snap: [UInt8] = [0xaa, 0xaa, 3, 0, 0, 0]
    private static let addresses: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]

    private static func ppp(_ type: [UInt8]) -> [UInt8] { type == [0x86, 0xdd] ? [0, 0x57] : [0, 0x21] }

    /// A data frame of 802.11 from an access point.
    static func wireless(quality: Bool = false, order: Bool = false, fourth: Bool = false, padding: Int = 0, _ body: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [quality ? 0x88 : 0x08, (fourth ? 3 : 2) | (order ? 0x80 : 0), 0, 0] + addresses + [2, 0, 0, 0, 0, 3, 0x10, 0]
        if fourth { frame += [2, 0, 0, 0, 0, 4] }
        if quality { frame += [0, 0] }
        if order { frame += [0, 0, 0, 0] }
        return frame + [UInt8](repeating: 0, count: padding) + body
    }

    private static func made(
        _ name: String, _ number: UInt32, bigEndian: Bool = false, _ make: @escaping @Sendable ([UInt8], [UInt8]) -> [UInt8]
    ) -> Dialect { Dialect(name: name, link: .made(number, make), bigEndian: bigEndian) }

    private static func wireless(_ name: String, _ number: UInt32, _ header: [UInt8]) -> Dialect {
        made(name, number) { header + wireless(snap + $0 + $1) }
    }

    /// Prism's header: a message's code and length, sixteen bytes of a name, and ten items of twelve bytes.
    private static let prism: [UInt8] = [0x44, 0, 0, 0, 0x90, 0, 0, 0] + [UInt8](repeating: 0, count: 136)
    private static let avs: [UInt8] = [0x80, 0x21, 0x10, 1, 0, 0, 0, 64] + [UInt8](repeating: 0, count: 56)

    /// libpcap's descriptions, from the writer's side.
    static let links: [Dialect] = [
        made("PPP", 9) { ppp($0) + $1 }, made("PPP, in HDLC's frames", 9) { [0xff, 3] + ppp($0) + $1 },
        made("PPP, the protocol in one byte", 9) { [ppp($0)[1]] + $1 }, made("PPP, serial", 50) { [0xff, 3] + ppp($0) + $1 },
        made("Cisco's HDLC, serial", 50) { [0x0f, 0] + $0 + $1 }, made("PPP, with a direction", 204) { [1, 0xff, 3] + ppp($0) + $1 },
        made("PPP, pppd's", 166) { [1, 3] + ppp($0) + $1 },
        made("PPPoE", 51) { [0x11, 0, 0, 7, UInt8(($1.count + 2) >> 8), UInt8(($1.count + 2) & 255)] + ppp($0) + $1 },
        made("Cisco's HDLC", 104) { [0x8f, 0] + $0 + $1 }, made("Cisco's HDLC, with a direction", 205) { [0, 0x0f, 0] + $0 + $1 },
        made("FDDI", 10) { [0x50] + addresses + snap + $0 + $1 },
        made("802.11", 105) { wireless(snap + $0 + $1) },
        made("802.11, with quality of service", 105) { wireless(quality: true, snap + $0 + $1) },
        made("802.11, with four addresses and high throughput", 105) { wireless(quality: true, order: true, fourth: true, snap + $0 + $1) },
        made("802.11, by a bridge's SNAP", 105) { wireless([0xaa, 0xaa, 3, 0, 0, 0xf8] + $0 + $1) },
        made("802.11, two packets in one frame", 105) { type, packet in
            func part(_ body: [UInt8]) -> [UInt8] { addresses + [UInt8(body.count >> 8), UInt8(body.count & 255)] + body }
            // The first is an ARP's, five bytes short of a multiple of four.
            var frame = wireless(quality: true, part(snap + [8, 6] + [UInt8](repeating: 0, count: 29)) + [0] + part(snap + type + packet))
            frame[24] = 0x80
            return frame
        },
        wireless("radiotap", 127, [0, 0, 8, 0, 0, 0, 0, 0]),
        // A timer, flags (checksum at the end), rate.
        made("radiotap, with fields", 127) {
            [0, 0, 18, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 2] + wireless(snap + $0 + $1) + [1, 2, 3, 4]
        },
        made("radiotap, of several words, with a padded header", 127) {
            [0, 0, 25, 0, 3, 0, 0, 0x80, 1, 0, 0, 0] + [0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 0, 0x20]
                + wireless(quality: true, padding: 2, snap + $0 + $1)
        },
        wireless("Prism", 119, prism), wireless("Prism, in truth AVS", 119, avs), wireless("AVS", 163, avs),
        made("NFLOG", 239) { nflog($0, $1, bigEndian: false) },
        made("NFLOG, big-endian", 239, bigEndian: true) { nflog($0, $1, bigEndian: true) },
        // 802.11's common field, its twenty bytes; then nothing, then Ethernet.
        made("PPI", 192) { [0, 0, 32, 0, 105, 0, 0, 0, 2, 0, 20, 0] + [UInt8](repeating: 0, count: 20) + wireless(snap + $0 + $1) },
        made("PPI, over Ethernet", 192) { [0, 0, 8, 0, 1, 0, 0, 0] + addresses + $0 + $1 }
    ]

    /// netfilter's log: a prefix, the packet, in attributes on multiples of four bytes.
    static func nflog(_ type: [UInt8], _ packet: [UInt8], bigEndian: Bool) -> [UInt8] {
        func half(_ value: Int) -> [UInt8] { bigEndian ? [UInt8(value >> 8), UInt8(value & 255)] : [UInt8(value & 255), UInt8(value >> 8)] }
        let family: UInt8 = type == [0x86, 0xdd] ? 10 : 2, prefix = half(7) + half(10) + [0x77, 0x65, 0, 0]
        return [family, 0, 0, 30] + prefix + half(packet.count + 4) + half(9) + packet
    }
}
