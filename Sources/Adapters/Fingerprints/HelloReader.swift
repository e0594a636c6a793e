internal import Detection
internal import Glibc
package import Wire

/// Names and fingerprints of many hellos. Clients are many, their TLS stacks few: what depends on the stack alone is worked out
/// once for each and looked up by the very bytes that it depends on.
package struct HelloReader {
    /// What a TLS stack sends whoever uses it.
    package final class Stack: Sendable {
        package let ja3: String
        package let ja4: String
        /// JA4_r: the same before hashing.
        package let ja4Raw: String
        package let alpn: [String]

        init(ja3: String, ja4: String, ja4Raw: String, alpn: [String]) {
            self.ja3 = ja3
            self.ja4 = ja4
            self.ja4Raw = ja4Raw
            self.alpn = alpn
        }
    }

    package struct Reading {
        /// `nil` when the hello's bytes do not all lie here.
        package let stack: Stack?
        package let serverName: String?
    }

    /// A stack and the very bytes that it follows from.
    private struct Entry {
        let key: [UInt8]
        let stack: Stack?
    }

    /// By a hash of the key; of two that share one, the second is worked out each time.
    private var stacks: [UInt64: Entry] = [:]
    private let capacity: Int
    /// Where a key is gathered: as long as the longest hello.
    private let room: Room

    /// - Parameter capacity: stacks remembered; beyond it all are forgotten, since a client that makes up one after the other must not fill memory.
    package init(capacity: Int = 4096) {
        self.capacity = capacity
        room = Room()
    }

    package var count: Int { stacks.count }

    /// `nil` when the bytes start no ClientHello.
    /// - Parameter transport: what it came over, for JA4 says so.
    package mutating func read(_ message: RawSpan, over transport: Transport) -> Reading? {
        let bytes = Span<UInt8>(_bytes: message)
        // The bytes are read while the span lives, each index compared with its end before.
        let walked = unsafe message.withUnsafeBytes { unsafe room.walk($0) }
        guard let walked else { return readSlowly(bytes, transport) }
        let serverName = unsafe message.withUnsafeBytes { all in walked.map { unsafe String(decoding: all[$0], as: UTF8.self) } }
        room.end(with: transport.rawValue)
        let hash = room.hash
        if let known = stacks[hash] {
            guard room.holds(known.key) else { return readSlowly(bytes, transport) }
            return Reading(stack: known.stack, serverName: serverName)
        }
        guard var hello = ClientHello(bytes) else { return nil }
        hello.transport = transport
        let stack = Self.stack(of: hello)
        if stack != nil {
            if stacks.count >= capacity { stacks.removeAll(keepingCapacity: true) }
            stacks[hash] = Entry(key: room.key, stack: stack)
        }
        return Reading(stack: stack, serverName: serverName)
    }

    private func readSlowly(_ bytes: Span<UInt8>, _ transport: Transport) -> Reading? {
        guard var hello = ClientHello(bytes) else { return nil }
        hello.transport = transport
        return Reading(stack: Self.stack(of: hello), serverName: hello.serverName)
    }

    private static func stack(of hello: ClientHello) -> Stack? {
        Fingerprint(hello).map { Stack(ja3: $0.ja3, ja4: $0.ja4, ja4Raw: $0.ja4Raw, alpn: hello.alpnNames) }
    }
}

/// A key under construction.
@safe private final class Room: @unchecked Sendable {
    private let base: UnsafeMutablePointer<UInt8>
    private var count = 0
    private static let size = 1 << 17

    init() { unsafe base = .allocate(capacity: Self.size) }
    deinit { unsafe base.deallocate() }

    var key: [UInt8] { unsafe [UInt8](UnsafeBufferPointer(start: base, count: count)) }

    /// One byte more, behind what was walked: a hello leaves at least that much room.
    func end(with byte: UInt8) {
        unsafe base[count] = byte
        count += 1
    }

    func holds(_ key: [UInt8]) -> Bool {
        unsafe key.count == count && key.withUnsafeBufferPointer { unsafe memcmp($0.baseAddress!, base, count) == 0 }
    }

    /// Eight bytes at a time; a key is compared byte by byte before it is believed.
    var hash: UInt64 {
        var hash = UInt64(count) &* 0x9e37_79b9_7f4a_7c15, at = 0
        let raw = unsafe UnsafeRawPointer(base)
        while at + 8 <= count {
            hash = unsafe (hash ^ raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash >> 32
            at += 8
        }
        while at < count {
            hash = unsafe (hash ^ UInt64(base[at])) &* 0xc4ce_b9fe_1a85_ec53
            hash ^= hash >> 29
            at += 1
        }
        return hash
    }

    /// Collects what fingerprints and ALPN are made of: version, ciphers, extension types in order, and the bodies of those that JA3 or
    /// JA4 looks into. Returns where the name lies (`.some(nil)`: there is none), and `nil` for any hello that is not as plain as that.
    func walk(_ bytes: UnsafeRawBufferPointer) -> Range<Int>?? {
        let end = bytes.count
        count = 0
        guard end >= 44, end < Self.size, let from = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
            unsafe from[0] == 1 && Int(from[1]) << 16 | Int(from[2]) << 8 | Int(from[3]) == end - 4 && from[38] <= 32
        else { return nil }
        func word(_ at: Int) -> Int { unsafe Int(from[at]) << 8 | Int(from[at + 1]) }
        // A key is never longer than its hello, for each byte is taken once at most.
        func copy(_ at: Int, _ size: Int) {
            unsafe (base + count).update(from: from + at, count: size)
            count += size
        }
        var at = unsafe 39 + Int(from[38])
        guard at + 2 <= end, at + 2 + word(at) + 1 <= end else { return nil }
        copy(4, 2)
        copy(at, 2 + word(at))
        at += 2 + word(at)
        at += unsafe 1 + Int(from[at])
        guard at + 2 <= end, word(at) == end - at - 2 else { return nil }
        at += 2
        var name: Range<Int>?
        while at < end {
            guard at + 4 <= end, at + 4 + word(at + 2) <= end else { return nil }
            let type = word(at), size = word(at + 2)
            switch type {
            case 0:
                // One host name and nothing else (RFC 6066 section 3).
                guard name == nil, size > 5, unsafe word(at + 4) == size - 2 && from[at + 6] == 0 && word(at + 7) == size - 5 else {
                    return nil
                }
                name = (at + 9)..<(at + 4 + size)
                copy(at, 2)
            case 10, 11, 13, 16, 43: copy(at, 4 + size)
            default: copy(at, 2)
            }
            at += 4 + size
        }
        return .some(name)
    }
}
