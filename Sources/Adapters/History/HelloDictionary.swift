internal import Detection

/// Hellos that a history has, each once in a segment: by stack, name and protocols. Bounded; when it is full it begins anew, which costs
/// room in the file and nothing else.
struct HelloDictionary {
    struct Found {
        let number: Int
        let isOwn: Bool
        /// To be written before the record: the segment has none of this number.
        let bytes: [UInt8]?
    }

    private struct Known {
        let bytes: [UInt8]
        var segment = 0, number = 0
    }

    private var known: [UInt64: Known] = [:]
    /// The latest of each stack, for records whose hello did not travel.
    private var stacks: [UInt64: UInt64] = [:]
    private var size = 0, next = 0
    static let most = 4096, mostBytes = 4 << 20

    /// `nil` where no hello of the record's stack is known.
    /// - Parameter hello: its bytes, or none where they did not travel.
    mutating func find(_ words: RecordWords, _ hello: RawSpan, segment: Int) -> Found? {
        let stack = words[RecordLayout.fingerprint]
        guard stack != 0 else { return nil }
        guard hello.byteCount > 0, let glance = HelloGlance(hello) else {
            guard let key = stacks[stack] else { return nil }
            return found(key, segment, isOwn: false)
        }
        let key = (stack ^ glance.hash(of: hello)) &* 0x9e37_79b9_7f4a_7c15 ^ words[RecordLayout.anomalies]
        if known[key] == nil {
            if known.count >= Self.most || size + hello.byteCount > Self.mostBytes {
                known.removeAll(keepingCapacity: true)
                stacks.removeAll(keepingCapacity: true)
                size = 0
            }
            // Read while the span lives.
            known[key] = Known(bytes: unsafe hello.withUnsafeBytes { unsafe [UInt8]($0) })
            size += hello.byteCount
        }
        stacks[stack] = key
        return found(key, segment, isOwn: true)
    }

    private mutating func found(_ key: UInt64, _ segment: Int, isOwn: Bool) -> Found? {
        guard var one = known[key] else { return nil }
        guard one.segment != segment else { return Found(number: one.number, isOwn: isOwn, bytes: nil) }
        next += 1
        (one.segment, one.number) = (segment, next)
        known[key] = one
        return Found(number: next, isOwn: isOwn, bytes: one.bytes)
    }
}
