/// A block of addresses. Bits beyond `length` are always zero.
package struct Prefix: Hashable, Sendable, BitwiseCopyable {
    package let address: Address
    /// Over 128 bits: an IPv4 /32 counts 128.
    package let length: UInt8

    @inlinable package static func == (left: Prefix, right: Prefix) -> Bool { left.address == right.address && left.length == right.length }

    package init(_ address: Address, length: Int) {
        precondition((0...128).contains(length), "a prefix has at most 128 bits")
        self.address = address.masked(to: length)
        self.length = UInt8(length)
    }

    package func contains(_ other: Address) -> Bool { other.masked(to: Int(length)) == address }
    package func contains(_ other: Prefix) -> Bool { other.length >= length && contains(other.address) }
}

extension Prefix: CustomStringConvertible, Comparable {
    private var isIPv4: Bool { address.isIPv4 && length >= 96 }

    package var description: String { "\(address)/\(isIPv4 ? length - 96 : length)" }

    /// `203.0.113.0/24`, `2001:db8::/64`, or an address alone, which is a prefix of one. `nil` when malformed or when
    /// bits beyond the length are set.
    package init?(_ text: some StringProtocol) {
        let text = String(text)
        self.init(text.utf8Span.span)
    }

    package init?(_ text: Span<UInt8>) {
        var slash = 0, hasColon = false
        while slash < text.count, text[slash] != UInt8(ascii: "/") {
            if text[slash] == UInt8(ascii: ":") { hasColon = true }
            slash += 1
        }
        guard let address = Address(text.extracting(0..<slash)) else { return nil }
        let widest = hasColon ? 128 : 32
        var length = widest
        if slash < text.count {
            guard slash + 1 < text.count else { return nil }
            length = 0
            for index in slash + 1..<text.count {
                let digit = text[index] &- 48
                guard digit < 10 else { return nil }
                length = length * 10 + Int(digit)
                guard length <= widest else { return nil }
            }
        }
        self.init(address, length: 128 - widest + length)
        guard self.address == address else { return nil }
    }

    package static func < (left: Prefix, right: Prefix) -> Bool { (left.address, left.length) < (right.address, right.length) }
}
