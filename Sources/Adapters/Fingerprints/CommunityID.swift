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

    /// Characters of `text`.
    package static let size = 30

    /// Writes `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`: `size` characters.
    package func write(to text: UnsafeMutablePointer<UInt8>) {
        unsafe text[0] = UInt8(ascii: "1")
        unsafe text[1] = UInt8(ascii: ":")
        // RFC 4648 section 4: twenty bytes are six times three, and two. Five bytes of each word are eight characters but for a rest.
        var rest = words.0, bits: UInt64 = 0, held = 0, at = 2, left = 8, next = 1
        func character(_ value: UInt64) -> UInt8 {
            let value = UInt8(truncatingIfNeeded: value & 63)
            return value < 26
                ? 65 + value : value < 52 ? 71 + value : value < 62 ? value - 4 : value == 62 ? UInt8(ascii: "+") : UInt8(ascii: "/")
        }
        for _ in 0..<20 {
            if left == 0 {
                (rest, left) = next == 1 ? (words.1, 8) : (UInt64(words.2) << 32, 4)
                next += 1
            }
            bits = bits << 8 | rest >> 56
            rest <<= 8
            left -= 1
            held += 8
            while held >= 6 {
                held -= 6
                unsafe text[at] = character(bits >> UInt64(held))
                at += 1
            }
        }
        // Four bits are left of 160.
        unsafe text[at] = character(bits << UInt64(6 - held))
        unsafe text[at + 1] = UInt8(ascii: "=")
    }

    package var text: String {
        unsafe String(unsafeUninitializedCapacity: Self.size) { bytes in
            if let base = bytes.baseAddress { unsafe write(to: base) }
            return Self.size
        }
    }
}
