/// Entries of one block, as whoever has written it said; any bytes may be given, and nothing traps.
struct BlockDecoder {
    enum Entry {
        case item(HistoryItem)
        case hello(number: Int, Range<Int>)
        case renamed(number: Int, of: Int, name: Range<Int>)
    }

    let bytes: [UInt8]
    private var at: Int
    private let end: Int
    private var last: UInt64 = 0
    private var places = [RecordWords](repeating: RecordWords(repeating: 0), count: SegmentFormat.places)
    /// It ended before its end.
    private(set) var isBroken = false

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        (at, end) = (range.lowerBound, range.upperBound)
    }

    mutating func next() -> Entry? {
        guard at < end, !isBroken else { return nil }
        guard let entry = entry() else {
            isBroken = true
            return nil
        }
        return entry
    }

    private mutating func entry() -> Entry? {
        guard let tag = byte() else { return nil }
        switch tag {
        case 64...: return record(tag)
        case 1:
            guard let number = number(), number < 1 << 32, let range = text() else { return nil }
            return .hello(number: Int(number), range)
        case 2:
            guard let cause = byte().flatMap({ HistoryGap.Cause(rawValue: $0) }), let count = number(), count < 1 << 50, let from = time(),
                let to = time()
            else { return nil }
            return .item(.gap(HistoryGap(cause, count: Int(count), from: from, to: to)))
        case 3:
            guard let mode = byte(), let name = text(), let version = text(), let body = text() else { return nil }
            let policy = HistoryPolicy(name: string(name), version: string(version), enforces: mode == 1, text: Array(bytes[body]))
            return .item(.policy(policy))
        case 4:
            guard let start = byte(), let time = time(), let node = text() else { return nil }
            return .item(.begin(HistoryBegin(node: string(node), time: time, isStart: start == 1)))
        case 5: return time().map { .item(.end($0)) }
        case 6:
            guard let number = self.number(), number < 1 << 32, let base = self.number(), base < 1 << 32, let name = text() else {
                return nil
            }
            return .renamed(number: Int(number), of: Int(base), name: name)
        default: return nil
        }
    }

    private mutating func record(_ tag: UInt8) -> Entry? {
        var hello: Int?
        if tag >= 128 {
            guard let number = number(), number < 1 << 32 else { return nil }
            hello = Int(number)
        }
        guard let passed = number(), let changed = number(), changed < 1 << UInt64(RecordLayout.words - 1) else { return nil }
        let place = Int(tag & 63)
        var words = places[place]
        last = last &+ (passed >> 1 ^ (0 &- (passed & 1)))
        words[0] = last
        for index in 1..<RecordLayout.words where changed >> UInt64(index - 1) & 1 == 1 {
            guard let mask = byte() else { return nil }
            for place in 0..<8 where mask >> UInt8(place) & 1 == 1 {
                guard let value = byte() else { return nil }
                words[index] ^= UInt64(value) << UInt64(place * 8)
            }
        }
        places[place] = words
        return .item(.record(SegmentFormat.folded(words), hello: hello, isOwn: tag < 192))
    }

    private mutating func byte() -> UInt8? {
        guard at < end else { return nil }
        defer { at += 1 }
        return bytes[at]
    }

    private mutating func number() -> UInt64? {
        var value: UInt64 = 0
        for index in 0..<10 as Range<UInt64> {
            guard let byte = byte() else { return nil }
            value |= UInt64(byte & 127) << (index * 7)
            if byte < 128 { return value }
        }
        return nil
    }

    private mutating func word() -> UInt64? {
        guard end - at >= 8 else { return nil }
        defer { at += 8 }
        return (0..<8).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64($1 * 8) }
    }

    /// Of the wall clock: nanoseconds of this century, so that whoever says it can.
    private mutating func time() -> Int64? {
        guard let time = word(), time <= 4_102_444_800_000_000_000 else { return nil }
        return Int64(time)
    }

    private mutating func text() -> Range<Int>? {
        guard let count = number(), count <= UInt64(end - at) else { return nil }
        defer { at += Int(count) }
        return at..<at + Int(count)
    }

    private func string(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
}
