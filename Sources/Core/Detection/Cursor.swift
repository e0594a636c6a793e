/// A place in bytes that may end anywhere: reads big-endian numbers and length-prefixed vectors. It holds offsets only, so it may be
/// copied and returned freely; the bytes come along with each question.
struct Cursor {
    private var offset: Int
    private let end: Int

    init(_ range: Range<Int>) {
        offset = range.lowerBound
        end = range.upperBound
    }

    /// At a ClientHello's extensions (RFC 8446 section 4.1.2), at its end where it has none or is cut before them.
    /// `nil` when the bytes start no ClientHello.
    init?(extensionsOf message: Span<UInt8>) {
        guard message.count >= 4, message[0] == 1 else { return nil }
        var body = Cursor(4..<min(message.count, 4 + (Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3]))))
        guard body.number(2, of: message) != nil, body.skip(32), let session = body.number(1, of: message), body.skip(session),
            body.vector(2, of: message) != nil
        else { return nil }
        guard body.vector(1, of: message) != nil, let size = body.number(2, of: message) else {
            self.init(message.count..<message.count)
            return
        }
        self = body.take(upTo: size)
    }

    var left: Int { end - offset }
    var isAtEnd: Bool { left == 0 }
    var range: Range<Int> { offset..<end }

    mutating func number(_ width: Int, of bytes: Span<UInt8>) -> Int? {
        guard left >= width else { return nil }
        var value = 0
        for _ in 0..<width {
            value = value << 8 | Int(bytes[offset])
            offset += 1
        }
        return value
    }

    mutating func skip(_ count: Int) -> Bool {
        guard left >= count else { return false }
        offset += count
        return true
    }

    /// At most `count` bytes, as a cursor of their own.
    mutating func take(upTo count: Int) -> Cursor {
        let start = offset
        offset += min(count, left)
        return Cursor(start..<offset)
    }

    /// A vector behind its length of `width` bytes; `nil` when it is cut.
    mutating func vector(_ width: Int, of bytes: Span<UInt8>) -> Cursor? {
        guard let count = number(width, of: bytes), count <= left else { return nil }
        return take(upTo: count)
    }

    func contents(of bytes: Span<UInt8>) -> [UInt8] { (offset..<end).map { bytes[$0] } }
}
