/// An IPv6 address, or an IPv4 address in its IPv4-mapped form (RFC 4291 section 2.5.5.2), as 128 bits.
package struct Address: Hashable, Comparable, Sendable, BitwiseCopyable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(ipv4: UInt32) { self.init(high: 0, low: 0xffff_0000_0000 | UInt64(ipv4)) }

    package var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }

    package static func < (left: Address, right: Address) -> Bool { (left.high, left.low) < (right.high, right.low) }

    /// The first `length` of 128 bits, the rest zero.
    package func masked(to length: Int) -> Address {
        Address(high: high & Self.mask(length), low: low & Self.mask(length - 64))
    }

    private static func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? .max : ~(.max >> UInt64(bits)) }
}

extension Address: CustomStringConvertible {
    /// Dotted quad, or RFC 5952: lower case, longest run of zero groups as `::`.
    package var description: String {
        if isIPv4 { return (0..<4).reversed().map { String(low >> UInt64($0 * 8) & 255) }.joined(separator: ".") }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64((3 - $0 % 4) * 16)) }
        var best = 0..<0, start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = end + 1
        }
        func text(_ range: Range<Int>) -> String { groups[range].map { String($0, radix: 16) }.joined(separator: ":") }
        return best.isEmpty ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
    }

    /// The same as bytes, without a string for what is written a million times.
    package func append(to bytes: inout [UInt8]) {
        guard isIPv4 else {
            bytes += description.utf8
            return
        }
        for index in 0..<4 {
            let shift = UInt64(24 - index * 8), octet = UInt8(truncatingIfNeeded: low >> shift)
            if octet >= 100 { bytes.append(48 + octet / 100) }
            if octet >= 10 { bytes.append(48 + octet / 10 % 10) }
            bytes.append(48 + octet % 10)
            if shift > 0 { bytes.append(46) }
        }
    }

    /// `nil` for anything but a complete IPv4 or IPv6 address (RFC 4291 section 2.2, all three forms).
    package init?(_ text: some StringProtocol) {
        if !text.contains(":") {
            guard let value = Self.quad(text) else { return nil }
            self.init(ipv4: value)
            return
        }
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard halves.count <= 2 else { return nil }
        var sides: [[UInt16]] = []
        for half in halves {
            guard let groups = Self.groups(half) else { return nil }
            sides.append(groups)
        }
        let count = sides.reduce(0) { $0 + $1.count }
        if sides.count == 2 {
            guard count < 8 else { return nil }
            sides.insert([UInt16](repeating: 0, count: 8 - count), at: 1)
        } else {
            guard count == 8 else { return nil }
        }
        let all = sides.flatMap(\.self)
        self.init(high: all[0..<4].reduce(0) { $0 << 16 | UInt64($1) }, low: all[4..<8].reduce(0) { $0 << 16 | UInt64($1) })
    }

    private static func quad(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }), let octet = UInt8(part) else { return nil }
            value = value << 8 | UInt32(octet)
        }
        return value
    }

    private static func groups(_ text: some StringProtocol) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(".") {
                guard let value = quad(part) else { return nil }
                groups += [UInt16(value >> 16), UInt16(truncatingIfNeeded: value)]
            } else {
                guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(\.isHexDigit), let group = UInt16(part, radix: 16) else { return nil }
                groups.append(group)
            }
        }
        return groups
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool { (48...57).contains(self) || (65...70).contains(self) || (97...102).contains(self) }
}
