internal import Glibc

/// What fingerprints and ALPN are made of, of one hello after the other: version, ciphers, extension types in order, and the bodies of
/// those that JA3 or JA4 looks into. Every hello of a capture goes through here, so it is one pass over raw bytes into memory of its own.
@safe final class HelloKey {
    private let memory: UnsafeMutableRawPointer
    private var count = 0
    /// 64 bits over the bytes collected last. Not proof against those who look for collisions: see `isMade`.
    private(set) var hash: UInt64 = 0

    /// No message is longer than its 24-bit length, and none that the probe assembles than this; longer ones are no plain ones.
    private static let capacity = 1 << 16

    init() { unsafe memory = .allocate(byteCount: Self.capacity + 8, alignment: 8) }
    deinit { unsafe memory.deallocate() }

    var bytes: [UInt8] { unsafe Array(UnsafeRawBufferPointer(start: memory, count: count)) }

    func isMade(of bytes: [UInt8]) -> Bool {
        guard bytes.count == count else { return false }
        return unsafe bytes.withUnsafeBytes { unsafe memcmp($0.baseAddress!, memory, count) } == 0
    }

    /// Collects a whole message's.
    /// - Returns: where the name lies, empty when there is none; `nil` for any hello that is not as plain as most are.
    func collect(_ message: UnsafeRawBufferPointer) -> Range<Int>? {
        let end = message.count
        count = 0
        guard end >= 44, end <= Self.capacity, let base = message.baseAddress else { return nil }
        // Every read below is of one or two bytes before `end`, which the guard before it has made sure of.
        func byte(_ at: Int) -> Int { Int(unsafe base.load(fromByteOffset: at, as: UInt8.self)) }
        func word(_ at: Int) -> Int { Int(UInt16(bigEndian: unsafe base.loadUnaligned(fromByteOffset: at, as: UInt16.self))) }
        // What is copied is parts of the message, each once: no more than it has bytes, and so than there is room.
        func copy(_ from: Int, _ size: Int) {
            unsafe (memory + count).copyMemory(from: base + from, byteCount: size)
            count += size
        }
        func copyType(_ at: Int) {
            unsafe (memory + count).storeBytes(of: base.loadUnaligned(fromByteOffset: at, as: UInt16.self), as: UInt16.self)
            count += 2
        }
        guard byte(0) == 1, byte(1) << 16 | word(2) == end - 4, byte(38) <= 32 else { return nil }
        var at = 39 + byte(38)
        guard at + 2 <= end, at + 2 + word(at) + 1 <= end else { return nil }
        copyType(4)
        copy(at, 2 + word(at))
        at += 2 + word(at)
        at += 1 + byte(at)
        guard at + 2 <= end, word(at) == end - at - 2 else { return nil }
        at += 2
        var name: Range<Int>?
        while at < end {
            guard at + 4 <= end else { return nil }
            let type = word(at), size = word(at + 2)
            guard at + 4 + size <= end else { return nil }
            switch type {
            case 0:
                // One host name and nothing else (RFC 6066 section 3).
                guard name == nil, size > 5, word(at + 4) == size - 2, byte(at + 6) == 0, word(at + 7) == size - 5 else { return nil }
                name = (at + 9)..<(at + 4 + size)
                copyType(at)
            case 10, 11, 13, 16, 43: copy(at, 4 + size)
            default: copyType(at)
            }
            at += 4 + size
        }
        mix()
        return name ?? 0..<0
    }

    /// Multiply and fold, eight bytes at a time; what lies behind the last is made zero first.
    private func mix() {
        unsafe (memory + count).storeBytes(of: 0, as: UInt64.self)
        var state = UInt64(count) &* 0x9e37_79b9_7f4a_7c15, at = 0
        while at < count {
            let word = unsafe memory.loadUnaligned(fromByteOffset: at, as: UInt64.self), product = (state ^ word).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
            state = product.high ^ product.low
            at += 8
        }
        hash = state ^ state >> 29
    }
}
