import Glibc
import Testing

/// How frames lie in a file: what stands before each packet, and how the file writes its numbers.
struct Dialect: Sendable, CustomTestStringConvertible {
    enum Link: Sendable {
        case ethernet, raw(UInt32), cooked, cooked2
        /// With the number that IPv6 has on the system that recorded.
        case loopback(bigEndian: Bool, network: Bool, ipv6: UInt32)
        /// Its number, and a packet of an EtherType as it has it.
        case made(UInt32, @Sendable (_ type: [UInt8], _ packet: [UInt8]) -> [UInt8])
    }

    var name: String
    var link = Link.ethernet
    var bigEndian = false
    var nanoseconds = false
    var testDescription: String { name }

    static let pcap: [Dialect] = [
        Dialect(name: "big-endian", bigEndian: true), Dialect(name: "nanoseconds", nanoseconds: true),
        Dialect(name: "big-endian nanoseconds", bigEndian: true, nanoseconds: true),
        Dialect(name: "raw IP (12)", link: .raw(12)), Dialect(name: "raw IP (14)", link: .raw(14)),
        Dialect(name: "raw IP (101)", link: .raw(101)), Dialect(name: "raw IP, big-endian", link: .raw(101), bigEndian: true),
        Dialect(name: "Linux cooked v1", link: .cooked), Dialect(name: "Linux cooked v2", link: .cooked2),
        Dialect(name: "Linux cooked v2, big-endian", link: .cooked2, bigEndian: true),
        Dialect(name: "loopback, macOS", link: .loopback(bigEndian: false, network: false, ipv6: 30)),
        Dialect(name: "loopback, FreeBSD", link: .loopback(bigEndian: false, network: false, ipv6: 28)),
        Dialect(
            name: "loopback, a big-endian NetBSD's, in a big-endian file", link: .loopback(bigEndian: true, network: false, ipv6: 24),
            bigEndian: true),
        Dialect(
            name: "loopback, a big-endian NetBSD's, in a little-endian file", link: .loopback(bigEndian: true, network: false, ipv6: 24)),
        Dialect(name: "loopback, OpenBSD", link: .loopback(bigEndian: true, network: true, ipv6: 24), nanoseconds: true)
    ]

    var linkType: UInt32 {
        switch link {
        case .ethernet: 1
        case .raw(let type): type
        case .cooked: 113
        case .cooked2: 276
        case .loopback(_, let network, _): network ? 108 : 0
        case .made(let number, _): number
        }
    }

    /// An Ethernet frame, without VLAN tags, as this link has it.
    func frame(_ ethernet: [UInt8]) -> [UInt8] {
        let type = Array(ethernet[12..<14]), packet = ethernet[14...]
        switch link {
        case .ethernet: return ethernet
        case .raw: return Array(packet)
        case .cooked: return [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0] + type + packet
        case .cooked2: return type + [0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0] + packet
        case .made(_, let make): return make(type, Array(packet))
        case .loopback(let bigEndian, _, let ipv6): return Self.bytes(type == [0x86, 0xdd] ? ipv6 : 2, bigEndian: bigEndian) + packet
        }
    }

    func file(_ frames: [Frame]) -> [UInt8] {
        func word(_ value: Int) -> [UInt8] { Self.bytes(UInt32(truncatingIfNeeded: value), bigEndian: bigEndian) }
        var file =
            word(nanoseconds ? 0xa1b2_3c4d : 0xa1b2_c3d4) + (bigEndian ? [0, 2, 0, 4] : [2, 0, 4, 0]) + word(0) + word(0) + word(262_144)
            + word(Int(linkType))
        for recorded in frames {
            let bytes = frame(recorded.bytes)
            file +=
                word(recorded.microseconds / 1_000_000) + word(recorded.microseconds % 1_000_000 * (nanoseconds ? 1000 : 1))
                + word(bytes.count) + word(bytes.count) + bytes
        }
        return file
    }

    /// Each frame by the next of several interfaces: they differ in link type, in their clock's unit and in where it begins.
    static func pcapng(_ frames: [Frame], bigEndian: Bool) -> [UInt8] {
        func word(_ value: Int) -> [UInt8] { bytes(UInt32(truncatingIfNeeded: value), bigEndian: bigEndian) }
        func half(_ value: Int) -> [UInt8] { Array(bigEndian ? word(value).suffix(2) : word(value).prefix(2)) }
        func block(_ type: Int, _ body: [UInt8]) -> [UInt8] {
            let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4), size = word(padded.count + 12)
            return word(type) + size + padded + size
        }
        // Fine clocks leave no room for half a century: theirs begin with the first frame's second.
        let first = frames[0].microseconds / 1_000_000
        let interfaces: [(dialect: Dialect, resolution: UInt8, second: Int)] = [
            (Dialect(name: ""), 6, 0), (Dialect(name: "", link: .raw(101)), 9, 0), (Dialect(name: "", link: .cooked2), 12, first),
            (Dialect(name: "", link: .loopback(bigEndian: bigEndian, network: false, ipv6: 30)), 0x80 | 30, 1_700_000_000),
            (Dialect(name: "", link: .cooked), 0x80 | 40, first)
        ]
        var file = block(0x0a0d_0d0a, word(0x1a2b_3c4d) + half(1) + half(0) + [UInt8](repeating: 0xff, count: 8))
        for interface in interfaces {
            let high = word(interface.second >> 32), low = word(interface.second)
            file += block(
                1,
                half(Int(interface.dialect.linkType)) + half(0) + word(0) + half(9) + half(1) + [interface.resolution, 0, 0, 0] + half(14)
                    + half(8) + (bigEndian ? high + low : low + high) + half(0) + half(0))
        }
        file += block(5, word(0) + word(0) + word(0))  // statistics, which are no packet
        for (number, recorded) in frames.enumerated() {
            let index = number % interfaces.count, interface = interfaces[index]
            let since = recorded.microseconds - interface.second * 1_000_000
            let stamp: Int =
                switch interface.resolution {
                case 6: since
                case 9: since * 1000
                case 12: since * 1_000_000
                // The first tick at which that microsecond has come: a tick is less than a nanosecond, so counting back gives it again.
                case 0x80 | 30: ticks(since, 30)
                default: ticks(since, 40)
                }
            let bytes = interface.dialect.frame(recorded.bytes)
            file += block(6, word(index) + word(stamp >> 32) + word(stamp) + word(bytes.count) + word(bytes.count) + bytes)
        }
        return file
    }

    private static func ticks(_ microseconds: Int, _ power: Int) -> Int {
        ((microseconds / 1_000_000) << power) + ((microseconds % 1_000_000) << power + 999_999) / 1_000_000
    }

    private static func bytes(_ value: UInt32, bigEndian: Bool) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32((bigEndian ? 3 - $0 : $0) * 8)) }
    }
}

/// One frame of a recording: Ethernet, and when.
struct Frame: Sendable {
    let microseconds: Int
    let bytes: [UInt8]

    /// A recording's frames: the fixtures are little-endian pcap in microseconds.
    static func all(of name: String) -> [Frame] {
        guard let stream = fopen(fixture(name), "rb") else { return [] }
        defer { fclose(stream) }
        var room = [UInt8](repeating: 0, count: 1 << 20)
        let text = room[..<fread(&room, 1, room.count, stream)]
        func word(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(text[at + $1]) << ($1 * 8) } }
        var frames: [Frame] = [], at = 24
        while at + 16 <= text.count {
            frames.append(
                Frame(microseconds: word(at) * 1_000_000 + word(at + 4), bytes: Array(text[(at + 16)..<(at + 16 + word(at + 8))])))
            at += 16 + word(at + 8)
        }
        return frames
    }
}
