/// RFC 4648 section 4, with padding.
package enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func text(_ bytes: [UInt8]) -> String {
        // Every byte is looked at as one.
        unsafe text(bytes.span.bytes)
    }

    package static func text(_ bytes: RawSpan) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.byteCount + 2) / 3 * 4)
        var at = 0
        while at < bytes.byteCount {
            func byte(_ offset: Int) -> UInt32 { at + offset < bytes.byteCount ? UInt32(bytes.unsafeLoadByte(at + offset)) : 0 }
            let word = byte(0) << 16 | byte(1) << 8 | byte(2), left = bytes.byteCount - at
            for place in 0..<4 as Range<UInt32> {
                text.append(Int(place) > left ? 61 : digits[Int(word >> (18 - 6 * place) & 63)])
            }
            at += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` where it is none.
    package static func bytes(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = [], word: UInt32 = 0, count = 0
        let all = Array(text.utf8), padding = all.suffix(2).count { $0 == 61 }
        guard all.count % 4 == 0 else { return nil }
        for digit in all.dropLast(padding) {
            let value: UInt32
            switch digit {
            case 65...90: value = UInt32(digit) - 65
            case 97...122: value = UInt32(digit) - 71
            case 48...57: value = UInt32(digit) + 4
            case 43: value = 62
            case 47: value = 63
            default: return nil
            }
            word = word << 6 | value
            count += 1
            guard count == 4 else { continue }
            bytes += [UInt8(word >> 16 & 255), UInt8(word >> 8 & 255), UInt8(word & 255)]
            (word, count) = (0, 0)
        }
        if count == 2 { bytes.append(UInt8(word >> 4 & 255)) }
        if count == 3 { bytes += [UInt8(word >> 10 & 255), UInt8(word >> 2 & 255)] }
        return count == 1 ? nil : bytes
    }
}

extension RawSpan {
    fileprivate func unsafeLoadByte(_ at: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: at, as: UInt8.self) }
}
