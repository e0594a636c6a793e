internal import Crypto
package import Units
package import Vocabulary
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
        // RFC 4648 section 4: of 160 bits the first 60, those from 60 on, and so on; four are left for the last character.
        unsafe Self.put(words.0 >> 4, 10, at: text + 2)
        unsafe Self.put((words.0 & 0xf) << 56 | words.1 >> 8, 10, at: text + 12)
        unsafe Self.put((words.1 & 0xff) << 34 | UInt64(words.2) << 2, 7, at: text + 22)
        unsafe text[29] = UInt8(ascii: "=")
    }

    /// The last six bits for each of so many characters, the first one the highest.
    @inline(__always) private static func put(_ bits: UInt64, _ count: Int, at text: UnsafeMutablePointer<UInt8>) {
        for index in 0..<count {
            let value = UInt8(truncatingIfNeeded: bits >> UInt64((count - 1 - index) * 6) & 63)
            unsafe text[index] = unsafe digits.utf8Start[Int(value)]
        }
    }

    private static let digits: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    package var text: String {
        unsafe String(unsafeUninitializedCapacity: Self.size) { bytes in
            if let base = bytes.baseAddress { unsafe write(to: base) }
            return Self.size
        }
    }
}
