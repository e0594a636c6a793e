/// A hello with another server name in the place of its own, so that of a stack's hellos one has to be kept.
package enum RenamedHello {
    /// `nil` where the hello's first name is not the first of its list, where lengths disagree, or where the result would be too long. Any
    /// bytes may be given.
    package static func bytes(of hello: [UInt8], name: [UInt8]) -> [UInt8]? {
        guard let old = HelloGlance(hello.span)?.nameRange, let lengths = lengths(hello, old) else { return nil }
        let more = name.count - old.count
        var renamed = hello
        for (at, size) in lengths {
            let value = (0..<size).reduce(0) { $0 << 8 | Int(hello[at + $1]) } + more
            guard value >= 0, value < 1 << (size * 8) else { return nil }
            for index in 0..<size { renamed[at + index] = UInt8(value >> ((size - 1 - index) * 8) & 255) }
        }
        renamed.replaceSubrange(old, with: name)
        // What was written is what is read.
        return HelloGlance(renamed.span)?.nameRange == old.lowerBound..<old.lowerBound + name.count ? renamed : nil
    }

    /// Where the lengths of all stand that the name is in: the message, its extensions, the extension, its list, the name (RFC 8446 section
    /// 4.1.2, RFC 6066 section 3).
    private static func lengths(_ hello: [UInt8], _ name: Range<Int>) -> [(at: Int, size: Int)]? {
        func number(_ at: Int, _ size: Int) -> Int? {
            at >= 0 && at + size <= hello.count ? (0..<size).reduce(0) { $0 << 8 | Int(hello[at + $1]) } : nil
        }
        guard let session = number(38, 1), let ciphers = number(39 + session, 2), let methods = number(41 + session + ciphers, 1) else {
            return nil
        }
        let extensions = 42 + session + ciphers + methods, content = name.lowerBound - 5
        guard number(1, 3) == hello.count - 4, number(extensions, 2) == hello.count - extensions - 2, content - 4 >= extensions + 2,
            number(content - 4, 2) == 0, let list = number(content, 2), number(content - 2, 2) == list + 2, number(content + 2, 1) == 0,
            number(content + 3, 2) == name.count
        else { return nil }
        return [(1, 3), (extensions, 2), (content - 2, 2), (content, 2), (content + 3, 2)]
    }
}
