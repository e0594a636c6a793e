/// A model of a server's stack and of the TLS above it, for one connection. It knows nothing of Weir. Of two versions of a byte it
/// reads the first.
struct Server {
    /// What the client's bytes make it say.
    struct Answer {
        let bytes: [UInt8]
        /// Client bytes that it acknowledges.
        let read: Int
        /// The hello that it answers had a name.
        let isNamed: Bool
    }

    private var stream: [UInt8?] = []
    private(set) var isOpen = false
    /// Client bytes in order so far.
    private(set) var received = 0
    /// Hellos answered, and where the next one begins.
    private(set) var answers = 0
    private var at = 0
    /// The first hello is answered by a HelloRetryRequest.
    let retries: Bool

    private static let most = 8192

    init(retries: Bool) { self.retries = retries }

    mutating func open() { isOpen = true }

    /// - Parameter offset: of the bytes in the client's stream.
    mutating func take(_ bytes: [UInt8], at offset: Int) -> Answer? {
        guard isOpen, answers < (retries ? 2 : 1) else { return nil }
        for (index, byte) in bytes.enumerated() where offset + index >= 0 && offset + index < Self.most {
            while stream.count <= offset + index { stream.append(nil) }
            if stream[offset + index] == nil { stream[offset + index] = byte }
        }
        while received < stream.count, stream[received] != nil { received += 1 }
        guard let (isNamed, end) = hello() else { return nil }
        at = end
        answers += 1
        return Answer(bytes: Self.serverHello(isRetry: retries && answers == 1), read: end, isNamed: isNamed)
    }

    /// A whole ClientHello from `at` on, in one record: whether it names a server, and where it ends. A reader of its own, so that
    /// Weir's is not judge of itself.
    private func hello() -> (isNamed: Bool, end: Int)? {
        func byte(_ index: Int) -> Int { Int(stream[index] ?? 0) }
        func word(_ index: Int) -> Int { byte(index) << 8 | byte(index + 1) }
        guard received >= at + 9, byte(at) == 22 else { return nil }
        let end = at + 5 + word(at + 3)
        guard received >= end, byte(at + 5) == 1 else { return nil }
        var place = at + 9 + 34
        place += 1 + byte(place)
        place += 2 + word(place)
        place += 1 + byte(place)
        guard place + 2 <= end else { return (false, end) }
        let last = min(end, place + 2 + word(place))
        place += 2
        while place + 4 <= last {
            if word(place) == 0 { return (word(place + 2) > 5, end) }
            place += 4 + word(place + 2)
        }
        return (false, end)
    }

    private static func serverHello(isRetry: Bool) -> [UInt8] {
        let retry: [UInt8] = [
            0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
            0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c
        ]
        let random = isRetry ? retry : [UInt8](repeating: 0x5a, count: 32)
        return [22, 3, 3, 0, 86, 2, 0, 0, 82, 3, 3] + random + [UInt8](repeating: 7, count: 48) + [20, 3, 3, 0, 1, 1]
    }
}
