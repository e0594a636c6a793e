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

    /// Spelt out: what the compiler makes of it is a call through a table where other modules compare.
    @inlinable package static func == (left: Address, right: Address) -> Bool { left.high == right.high && left.low == right.low }
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
        let text = String(text)
        self.init(text.utf8Span.span)
    }

    /// The same of bytes, without an allocation: every event has two, and a prefix.
    package init?(_ text: Span<UInt8>) {
        var reader = Reader(index: 0, end: text.count)
        guard let colon = reader.first(UInt8(ascii: ":"), text) else {
            guard let value = reader.quad(text), reader.index == text.count else { return nil }
            self.init(ipv4: value)
            return
        }
        var groups = InlineArray<8, UInt16>(repeating: 0), count = 0
        // Where `::` stands for as many zeros as are missing.
        var gap: Int?
        if colon == 0 {
            guard text.count >= 2, text[1] == UInt8(ascii: ":") else { return nil }
            reader.index = 2
            gap = 0
        }
        while reader.index < text.count {
            let start = reader.index
            guard count < 8 else { return nil }
            if let group = reader.group(text), reader.index == text.count || text[reader.index] == UInt8(ascii: ":") {
                groups[count] = group
                count += 1
            } else {
                reader.index = start
                guard count <= 6, let quad = reader.quad(text), reader.index == text.count else { return nil }
                groups[count] = UInt16(quad >> 16)
                groups[count + 1] = UInt16(truncatingIfNeeded: quad)
                count += 2
            }
            guard reader.index < text.count else { break }
            reader.index += 1
            if reader.index < text.count, text[reader.index] == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = count
                reader.index += 1
            } else if reader.index == text.count {
                return nil
            }
        }
        guard gap == nil ? count == 8 : count < 8 else { return nil }
        var high: UInt64 = 0, low: UInt64 = 0
        for index in 0..<8 {
            // Behind the gap everything stands as far to the right as it can.
            let from = index < gap ?? 8 ? index : index - (8 - count)
            let group = from >= gap ?? 0 || index < gap ?? 8 ? UInt64(groups[from]) : 0
            if index < 4 { high = high << 16 | group } else { low = low << 16 | group }
        }
        self.init(high: high, low: low)
    }
}

/// Where the reading of an address stands.
private struct Reader {
    var index: Int
    let end: Int

    func first(_ byte: UInt8, _ text: Span<UInt8>) -> Int? {
        for index in 0..<end where text[index] == byte { return index }
        return nil
    }

    /// Four numbers of at most three digits and 255.
    mutating func quad(_ text: Span<UInt8>) -> UInt32? {
        var value: UInt32 = 0
        for part in 0..<4 {
            if part > 0 {
                guard index < end, text[index] == UInt8(ascii: ".") else { return nil }
                index += 1
            }
            var octet: UInt32 = 0, digits = 0
            while index < end, case let digit = text[index] &- 48, digit < 10 {
                octet = octet * 10 + UInt32(digit)
                digits += 1
                index += 1
                guard digits <= 3 else { return nil }
            }
            guard digits > 0, octet <= 255 else { return nil }
            value = value << 8 | octet
        }
        return value
    }

    /// One to four hexadecimal digits.
    mutating func group(_ text: Span<UInt8>) -> UInt16? {
        var value: UInt16 = 0, digits = 0
        while index < end, let digit = text[index].hexadecimal {
            guard digits < 4 else { return nil }
            value = value << 4 | UInt16(digit)
            digits += 1
            index += 1
        }
        return digits > 0 ? value : nil
    }
}

extension UInt8 {
    fileprivate var hexadecimal: UInt8? {
        switch self {
        case 48...57: self - 48
        case 65...70: self - 55
        case 97...102: self - 87
        default: nil
        }
    }
}
