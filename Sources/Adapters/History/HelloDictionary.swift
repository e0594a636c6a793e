internal import Detection

/// Hellos that a history has, each once in a segment: by stack and protocols, and of others' names the name alone. Bounded; when it is
/// full it begins anew, which costs room in the file and nothing else.
struct HelloDictionary {
    enum Words: Equatable {
        case whole([UInt8])
        /// As that one, with another name.
        case named(of: Int, name: [UInt8])
    }

    struct Found {
        let number: Int
        let isOwn: Bool
        /// To be written before the record, in their order: the segment has none of these numbers.
        let lacking: [(number: Int, words: Words)]
    }

    private struct Known {
        /// A hello, or with a base a name.
        let bytes: [UInt8]
        let base: UInt64?
        var segment = 0, number = 0
    }

    private var known: [UInt64: Known] = [:]
    /// The latest of each stack, for records whose hello did not travel.
    private var stacks: [UInt64: UInt64] = [:]
    private var size = 0, next = 0
    /// What one takes up besides its bytes.
    private static let overhead = 96
    static let most = 32_768, mostBytes = 6 << 20, longestName = 255

    /// `nil` where no hello of the record's stack is known.
    /// - Parameter hello: its bytes, or none where they did not travel.
    mutating func find(_ words: RecordWords, _ hello: RawSpan, segment: Int) -> Found? {
        let stack = words[RecordLayout.fingerprint]
        guard stack != 0 else { return nil }
        guard hello.byteCount > 0, let glance = HelloGlance(hello) else {
            guard let key = stacks[stack] else { return nil }
            return found(key, segment, isOwn: false)
        }
        // The name apart, what a policy asks of the bytes depends on the stack and the protocols; the anomalies say the rest.
        let base = (stack ^ glance.protocolsHash(of: hello)) &* 0x9e37_79b9_7f4a_7c15 ^ words[RecordLayout.anomalies]
        let key = glance.nameRange.map { Self.hash(hello, $0) &* 0xff51_afd7_ed55_8ccd ^ base } ?? base
        if known[key] == nil { learn(hello, glance.nameRange, key, base) }
        stacks[stack] = key
        return found(key, segment, isOwn: true)
    }

    private static func hash(_ hello: RawSpan, _ range: Range<Int>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        let bytes = Span<UInt8>(_bytes: hello)
        for index in range { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01b3 }
        return hash | 1
    }

    private mutating func learn(_ hello: RawSpan, _ name: Range<Int>?, _ key: UInt64, _ base: UInt64) {
        // Read while the span lives.
        let all = unsafe hello.withUnsafeBytes { unsafe [UInt8]($0) }
        if known.count + 2 > Self.most || size + all.count + 2 * Self.overhead > Self.mostBytes {
            known.removeAll(keepingCapacity: true)
            stacks.removeAll(keepingCapacity: true)
            size = 0
        }
        if let name, name.count <= Self.longestName, key != base {
            if known[base] == nil { keep(all, base: nil, as: base) }
            let own = Array(all[name])
            if let bytes = known[base]?.bytes, RenamedHello.bytes(of: bytes, name: own) != nil { return keep(own, base: base, as: key) }
        }
        keep(all, base: nil, as: key)
    }

    private mutating func keep(_ bytes: [UInt8], base: UInt64?, as key: UInt64) {
        known[key] = Known(bytes: bytes, base: base)
        size += bytes.count + Self.overhead
    }

    private mutating func found(_ key: UInt64, _ segment: Int, isOwn: Bool) -> Found? {
        var lacking: [(number: Int, words: Words)] = []
        return place(key, segment, &lacking).map { Found(number: $0, isOwn: isOwn, lacking: lacking) }
    }

    /// Its number in this segment. A base has none itself.
    private mutating func place(_ key: UInt64, _ segment: Int, _ lacking: inout [(number: Int, words: Words)]) -> Int? {
        guard let one = known[key] else { return nil }
        guard one.segment != segment else { return one.number }
        var words = Words.whole(one.bytes)
        if let base = one.base {
            guard let number = place(base, segment, &lacking) else { return nil }
            words = .named(of: number, name: one.bytes)
        }
        next += 1
        (known[key]!.segment, known[key]!.number) = (segment, next)
        lacking.append((next, words))
        return next
    }
}
