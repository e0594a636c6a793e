/// A block of addresses. Bits beyond `length` are always zero.
package struct Prefix: Hashable, Sendable, BitwiseCopyable {
    package let address: Address
    /// Over 128 bits: an IPv4 /32 counts 128.
    package let length: UInt8

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
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = Address(parts[0]) else { return nil }
        let widest = parts[0].contains(":") ? 128 : 32
        var length = widest
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let given = Int(parts[1]), given <= widest else { return nil }
            length = given
        }
        self.init(address, length: 128 - widest + length)
        guard self.address == address else { return nil }
    }

    package static func < (left: Prefix, right: Prefix) -> Bool { (left.address, left.length) < (right.address, right.length) }
}
