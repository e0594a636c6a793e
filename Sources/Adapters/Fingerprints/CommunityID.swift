internal import Crypto
package import Wire

/// Community ID version 1 with seed 0 (https://github.com/corelight/community-id-spec): one name for a flow in every tool that knows its
/// addresses and ports, whoever of both it names first.
package struct CommunityID: Sendable, Equatable, BitwiseCopyable {
    /// SHA-1, its first byte the highest.
    private let words: (UInt64, UInt64, UInt32)

    package static func == (left: CommunityID, right: CommunityID) -> Bool { left.words == right.words }

    /// `nil` where a proxy named the source: the flow is the proxy's, and its port is not known here. Nor has a record that names no
    /// source one.
    package init?(of handshake: Handshake) {
        guard handshake.proxy == nil, handshake.source.high | handshake.source.low != 0 else { return nil }
        self.init(
            handshake.source, handshake.sourcePort, handshake.destination, handshake.destinationPort, handshake.transport)
    }

    package init(_ one: Address, _ onePort: UInt16, _ other: Address, _ otherPort: UInt16, _ transport: Transport) {
        let isInOrder = one == other ? onePort < otherPort : one < other
        let (low, lowPort, high, highPort) = isInOrder ? (one, onePort, other, otherPort) : (other, otherPort, one, onePort)
        let isFour = low.isIPv4 && high.isIPv4
        words = unsafe withUnsafeTemporaryAllocation(byteCount: 40, alignment: 8) { bytes in
            var at = 0
            func put(_ value: UInt64, _ size: Int) {
                for index in 0..<size { unsafe bytes[at + index] = UInt8(truncatingIfNeeded: value >> UInt64((size - 1 - index) * 8)) }
                at += size
            }
            put(0, 2)
            func put(_ address: Address) {
                if !isFour { put(address.high, 8) }
                put(address.low, isFour ? 4 : 8)
            }
            put(low)
            put(high)
            put(transport == .udp ? 17 : 6, 1)
            put(0, 1)
            put(UInt64(lowPort), 2)
            put(UInt64(highPort), 2)
            return unsafe Digest.sha1(of: UnsafeRawBufferPointer(rebasing: bytes[..<at]))
        }
    }

    /// `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`, a character at a time.
    package func eachCharacter(_ body: (UInt8) -> Void) {
        body(UInt8(ascii: "1"))
        body(UInt8(ascii: ":"))
        func byte(_ index: Int) -> UInt32 {
            index < 8
                ? UInt32(truncatingIfNeeded: words.0 >> UInt64(56 - index * 8)) & 255
                : index < 16
                    ? UInt32(truncatingIfNeeded: words.1 >> UInt64(56 - (index - 8) * 8)) & 255
                    : index < 20 ? words.2 >> UInt32(24 - (index - 16) * 8) & 255 : 0
        }
        // RFC 4648 section 4: twenty bytes are six times three, and two.
        for group in 0..<7 {
            let value = byte(group * 3) << 16 | byte(group * 3 + 1) << 8 | byte(group * 3 + 2)
            for place in 0..<4 as Range<UInt32> {
                body(group == 6 && place == 3 ? UInt8(ascii: "=") : Self.character(value >> (18 - place * 6) & 63))
            }
        }
    }

    private static func character(_ value: UInt32) -> UInt8 {
        let value = UInt8(value)
        return value < 26
            ? 65 + value : value < 52 ? 71 + value : value < 62 ? value - 4 : value == 62 ? UInt8(ascii: "+") : UInt8(ascii: "/")
    }

    package var text: String {
        var bytes: [UInt8] = []
        eachCharacter { bytes.append($0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
