internal import Detection

/// Names and fingerprints of many hellos. Clients are many, their TLS stacks few: what depends on the stack alone is worked out
/// once for each and looked up by the very bytes that it depends on.
package struct HelloReader {
    /// What a TLS stack sends whoever uses it.
    package final class Stack: Sendable {
        package let ja3: String
        package let ja4: String
        package let alpn: [String]

        init(ja3: String, ja4: String, alpn: [String]) {
            self.ja3 = ja3
            self.ja4 = ja4
            self.alpn = alpn
        }
    }

    package struct Reading {
        /// `nil` when the hello's bytes do not all lie here.
        package let stack: Stack?
        package let serverName: String?
    }

    /// An array would be hashed byte by byte.
    private struct Key: Hashable {
        var bytes: [UInt8] = []
        func hash(into hasher: inout Hasher) { unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) } }
    }

    private var stacks: [Key: Stack] = [:]
    private var key = Key()
    private let capacity: Int

    /// - Parameter capacity: stacks remembered; beyond it all are forgotten, since a client that makes up one after the other must not fill memory.
    package init(capacity: Int = 4096) {
        self.capacity = capacity
        key.bytes.reserveCapacity(1024)
    }

    package var count: Int { stacks.count }

    /// `nil` when the bytes start no ClientHello.
    package mutating func read(_ message: RawSpan) -> Reading? {
        let bytes = Span<UInt8>(_bytes: message)
        key.bytes.removeAll(keepingCapacity: true)
        guard let name = Self.walk(bytes, into: &key.bytes) else { return readSlowly(bytes) }
        // Decoded where it lies; the range is inside the message, as `walk` has checked.
        let serverName = name.map { range in unsafe message.extracting(range).withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) } }
        if let known = stacks[key] { return Reading(stack: known, serverName: serverName) }
        guard let hello = ClientHello(bytes) else { return nil }
        let stack = Self.stack(of: hello)
        if let stack {
            if stacks.count >= capacity { stacks.removeAll(keepingCapacity: true) }
            stacks[key] = stack
        }
        return Reading(stack: stack, serverName: serverName)
    }

    private func readSlowly(_ bytes: Span<UInt8>) -> Reading? {
        ClientHello(bytes).map { Reading(stack: Self.stack(of: $0), serverName: $0.serverName) }
    }

    private static func stack(of hello: ClientHello) -> Stack? {
        Fingerprint(hello).map { Stack(ja3: $0.ja3, ja4: $0.ja4, alpn: hello.alpnNames) }
    }

    /// Collects what fingerprints and ALPN are made of: version, ciphers, extension types in order, and the bodies of those that JA3 or
    /// JA4 looks into. Returns where the name lies (`.some(nil)`: there is none), and `nil` for any hello that is not as plain as that.
    private static func walk(_ bytes: Span<UInt8>, into key: inout [UInt8]) -> Range<Int>?? {
        let end = bytes.count
        guard end >= 44, bytes[0] == 1, Int(bytes[1]) << 16 | Int(bytes[2]) << 8 | Int(bytes[3]) == end - 4, bytes[38] <= 32 else { return nil }
        func word(_ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
        func copy(_ range: Range<Int>) { for index in range { key.append(bytes[index]) } }
        var at = 39 + Int(bytes[38])
        guard at + 2 <= end, at + 2 + word(at) + 1 <= end else { return nil }
        copy(4..<6)
        copy(at..<(at + 2 + word(at)))
        at += 2 + word(at)
        at += 1 + Int(bytes[at])
        guard at + 2 <= end, word(at) == end - at - 2 else { return nil }
        at += 2
        var name: Range<Int>?
        while at < end {
            guard at + 4 <= end, at + 4 + word(at + 2) <= end else { return nil }
            let type = word(at), size = word(at + 2)
            switch type {
            case 0:
                // One host name and nothing else (RFC 6066 section 3).
                guard name == nil, size > 5, word(at + 4) == size - 2, bytes[at + 6] == 0, word(at + 7) == size - 5 else { return nil }
                name = (at + 9)..<(at + 4 + size)
                copy(at..<(at + 2))
            case 10, 11, 13, 16, 43: copy(at..<(at + 4 + size))
            default: copy(at..<(at + 2))
            }
            at += 4 + size
        }
        return .some(name)
    }
}
