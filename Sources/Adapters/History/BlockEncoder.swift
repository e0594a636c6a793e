// A segment is a head and blocks. A block is a mark, its length, a checksum, and entries that can be read without any other block, but for
// hellos: these have numbers that hold for their segment. What is torn or turned into something else is a block, never the rest.
//
//   segment  "weirhist" | u32 version | u32 record size | i64 made (wall clock, ns) | block...
//   block    u32 mark | u32 length | u64 checksum | entry...
//   entry    u8 tag | ...
//     1 hello    number, size, bytes                2 gap     cause, count, i64 from, i64 to
//     3 policy   mode, name, version, text          4 begin   start, i64 time, node         5 end   i64 time
//     6 hello    number, number of another, name: as that one with this server name
//     64... record: its low six bits are a place; 128...: and its own hello's number; 192...: and a hello's number of its stack
//
// Numbers are LEB128. A record is a bit for each word that is not as in the last record of its place, then what these words are:
// the first as the time since the record before, the others as a bit for each byte that differs and these bytes, xored.

enum SegmentFormat {
    static let mark: [UInt8] = Array("weirhist".utf8)
    static let version: UInt32 = 1
    static let headSize = 24
    static let blockMark: UInt32 = 0x3142_4857
    static let blockHead = 16
    /// Where a block is closed, and more than it can have: one more record with its hello, or a policy.
    static let blockSize = 64 << 10, mostBlock = 192 << 10
    static let places = 64

    static func checksum(_ bytes: Span<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(bytes.count), at = 0
        while at < bytes.count {
            var word: UInt64 = 0
            for offset in 0..<min(8, bytes.count - at) { word |= UInt64(bytes[at + offset]) << UInt64(offset * 8) }
            hash = (hash ^ word) &* 0x100_0000_01b3
            hash ^= hash >> 29
            at += 8
        }
        return hash
    }

    /// Times are kept as how far they are from each other, so that most words are as in the record before.
    /// The client's first byte as how long before, so that most words are as in the record before. It is its own inverse.
    static func folded(_ words: RecordWords) -> RecordWords {
        var words = words
        words[RecordLayout.first] = words[RecordLayout.seen] &- words[RecordLayout.first]
        return words
    }

    static func place(_ words: RecordWords) -> Int {
        let hash = (words[RecordLayout.fingerprint] ^ words[RecordLayout.anomalies] &* 31) &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: hash >> 58)
    }
}

extension [UInt8] {
    mutating func append(number: UInt64) {
        var rest = number
        while rest > 127 {
            append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func append(word: UInt64, bytes: Int = 8) {
        for index in 0..<bytes { append(UInt8(truncatingIfNeeded: word >> UInt64(index * 8))) }
    }

    mutating func append(text: [UInt8]) {
        append(number: UInt64(text.count))
        append(contentsOf: text)
    }
}

/// Entries of one block.
struct BlockEncoder {
    private(set) var bytes: [UInt8] = []
    /// In it, for the account of what was not written.
    private(set) var records = 0
    private(set) var span: ClosedRange<Int64>?
    private var last: UInt64 = 0
    private var places = [RecordWords](repeating: RecordWords(repeating: 0), count: SegmentFormat.places)

    var isEmpty: Bool { bytes.isEmpty }
    var isFull: Bool { bytes.count >= SegmentFormat.blockSize }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        (records, span, last) = (0, nil, 0)
        for index in places.indices { places[index] = RecordWords(repeating: 0) }
    }

    /// With its head.
    func sealed() -> [UInt8] {
        var all: [UInt8] = []
        all.reserveCapacity(SegmentFormat.blockHead + bytes.count)
        all.append(word: UInt64(SegmentFormat.blockMark), bytes: 4)
        all.append(word: UInt64(bytes.count), bytes: 4)
        all.append(word: SegmentFormat.checksum(bytes.span))
        return all + bytes
    }

    static func segmentHead(made: Int64) -> [UInt8] {
        var head = SegmentFormat.mark
        head.append(word: UInt64(SegmentFormat.version), bytes: 4)
        head.append(word: UInt64(RecordLayout.size), bytes: 4)
        head.append(word: UInt64(bitPattern: made))
        return head
    }

    /// - Parameter hello: its number, and whether it is the record's own.
    mutating func add(record: RecordWords, hello: (number: Int, isOwn: Bool)?) {
        let words = SegmentFormat.folded(record), place = SegmentFormat.place(words)
        bytes.append(UInt8(place) | (hello.map { $0.isOwn ? 128 : 192 } ?? 64))
        if let hello { bytes.append(number: UInt64(hello.number)) }
        // The time always differs, so it has no bit.
        let passed = Int64(bitPattern: words[0] &- last)
        bytes.append(number: UInt64(bitPattern: passed << 1 ^ passed >> 63))
        last = words[0]
        var changed: UInt64 = 0
        for index in 1..<RecordLayout.words where words[index] != places[place][index] { changed |= 1 << UInt64(index - 1) }
        bytes.append(number: changed)
        for index in 1..<RecordLayout.words where changed >> UInt64(index - 1) & 1 == 1 {
            let difference = words[index] ^ places[place][index], at = bytes.count
            bytes.append(0)
            for byte in 0..<8 {
                let value = UInt8(truncatingIfNeeded: difference >> UInt64(byte * 8))
                guard value != 0 else { continue }
                bytes[at] |= 1 << UInt8(byte)
                bytes.append(value)
            }
        }
        places[place] = words
        let time = Int64(bitPattern: record[RecordLayout.seen])
        span = span.map { min($0.lowerBound, time)...max($0.upperBound, time) } ?? time...time
        records += 1
    }

    mutating func add(hello: HelloDictionary.Words, number: Int) {
        switch hello {
        case .whole(let hello):
            bytes.append(1)
            bytes.append(number: UInt64(number))
            bytes.append(text: hello)
        case .named(let base, let name):
            bytes.append(6)
            bytes.append(number: UInt64(number))
            bytes.append(number: UInt64(base))
            bytes.append(text: name)
        }
    }

    mutating func add(gap: HistoryGap) {
        bytes += [2, gap.cause.rawValue]
        bytes.append(number: UInt64(gap.count))
        bytes.append(word: UInt64(bitPattern: gap.from))
        bytes.append(word: UInt64(bitPattern: gap.to))
    }

    mutating func add(policy: HistoryPolicy) {
        bytes += [3, policy.enforces ? 1 : 0]
        bytes.append(text: Array(policy.name.utf8.prefix(256)))
        bytes.append(text: Array(policy.version.utf8.prefix(256)))
        bytes.append(text: policy.text)
    }

    mutating func add(begin: HistoryBegin) {
        bytes += [4, begin.isStart ? 1 : 0]
        bytes.append(word: UInt64(bitPattern: begin.time))
        bytes.append(text: Array(begin.node.utf8.prefix(256)))
    }

    mutating func add(end: Int64) {
        bytes.append(5)
        bytes.append(word: UInt64(bitPattern: end))
    }
}
