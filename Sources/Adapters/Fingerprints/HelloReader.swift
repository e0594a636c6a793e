internal import Detection

/// Names and fingerprints of many hellos. Clients are many, their TLS stacks few: what depends on the stack alone is worked out
/// once for each and looked up by the very bytes that it depends on.
package struct HelloReader {
    /// What a TLS stack sends whoever uses it.
    package final class Stack: Sendable {
        package let ja3: String
        package let ja4: String
        /// JA4 before it is hashed.
        package let ja4Raw: String
        package let alpn: [String]

        init(_ fingerprint: Fingerprint, alpn: [String]) {
            ja3 = fingerprint.ja3
            ja4 = fingerprint.ja4
            ja4Raw = fingerprint.ja4Raw
            self.alpn = alpn
        }
    }

    package struct Reading {
        /// `nil` when the hello's bytes do not all lie here.
        package let stack: Stack?
        package let serverName: String?
    }

    /// A stack and the bytes that it was worked out from: two stacks of one hash stay two.
    private struct Known {
        let bytes: [UInt8]
        let stack: Stack
    }

    private var stacks: [UInt64: Known] = [:]
    private var key: HelloKey
    private let capacity: Int

    /// - Parameter capacity: stacks remembered; beyond it all are forgotten, since a client that makes up one after the other must not fill memory.
    package init(capacity: Int = 4096) {
        self.capacity = capacity
        key = HelloKey()
    }

    package var count: Int { stacks.count }

    /// `nil` when the bytes start no ClientHello.
    package mutating func read(_ message: RawSpan) -> Reading? {
        guard let name = unsafe message.withUnsafeBytes({ unsafe key.collect($0) }) else { return readSlowly(Span<UInt8>(_bytes: message)) }
        // Decoded where it lies; the range is inside the message, as `collect` has checked.
        let serverName = name.isEmpty ? nil : unsafe message.extracting(name).withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
        let known = stacks[key.hash]
        if let known, key.isMade(of: known.bytes) { return Reading(stack: known.stack, serverName: serverName) }
        guard let hello = ClientHello(Span<UInt8>(_bytes: message)) else { return nil }
        let stack = Self.stack(of: hello)
        if let stack, known == nil {
            if stacks.count >= capacity { stacks.removeAll(keepingCapacity: true) }
            stacks[key.hash] = Known(bytes: key.bytes, stack: stack)
        }
        return Reading(stack: stack, serverName: serverName)
    }

    private func readSlowly(_ bytes: Span<UInt8>) -> Reading? {
        ClientHello(bytes).map { Reading(stack: Self.stack(of: $0), serverName: $0.serverName) }
    }

    private static func stack(of hello: ClientHello) -> Stack? {
        Fingerprint(hello).map { Stack($0, alpn: hello.alpnNames) }
    }
}
