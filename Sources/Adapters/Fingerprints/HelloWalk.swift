internal import Detection
internal import Vocabulary

/// What fingerprints are made of, out of one hello that is as plain as nearly all are: whole, each of its telling extensions there once, no
/// list longer than `most`. GREASE is left out, so two hellos of a stack that draws it anew give the same words.
///
/// One hello at a time; nothing is allocated once it stands. The bytes that are read are the caller's, each index compared with their end
/// before.
@safe final class HelloWalk {
    static let most = 64
    /// Head, then suites, extensions, groups, point formats, signature algorithms; rounded up to whole 64-bit words, which are zero
    /// behind the end.
    let words: UnsafeMutablePointer<UInt16>
    private(set) var count = 0
    static let capacity = Place.lists + 5 * most + 4

    /// Of the head.
    enum Place {
        static let legacyVersion = 0, version = 1, flags = 2, suites = 3, extensions = 4, groups = 5, formats = 6, algorithms = 7
        static let alpn = 8, lists = 9
    }

    static let hasName: UInt16 = 1, overUDP: UInt16 = 2

    init() { unsafe words = .allocate(capacity: Self.capacity) }
    deinit { unsafe words.deallocate() }

    /// Reads the hello. `nil`: it is not plain, and the words say nothing.
    func read(_ bytes: UnsafeRawBufferPointer, over transport: Transport) -> HelloPlaces? {
        let end = bytes.count
        guard end >= 44, end < 1 << 17, let from = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
            unsafe from[0] == 1 && Int(from[1]) << 16 | Int(from[2]) << 8 | Int(from[3]) == end - 4 && from[38] <= 32
        else { return nil }
        func word(_ at: Int) -> Int { unsafe Int(from[at]) << 8 | Int(from[at + 1]) }
        count = Place.lists
        var at = unsafe 39 + Int(from[38])
        guard at + 2 <= end, at + 2 + word(at) + 1 <= end, let suites = unsafe list(from, at + 2, word(at)) else { return nil }
        at += 2 + word(at)
        at += unsafe 1 + Int(from[at])
        guard at + 2 <= end, word(at) == end - at - 2 else { return nil }
        at += 2

        var places = HelloPlaces()
        var formats: Range<Int>?, algorithms: Range<Int>?, versions: Range<Int>?
        var hasShares = false
        let start = count
        while at < end {
            guard at + 4 <= end, at + 4 + word(at + 2) <= end else { return nil }
            let type = word(at), body = at + 4, size = word(at + 2)
            at = body + size
            if !Self.isGREASE(type) {
                guard count - start < Self.most else { return nil }
                unsafe words[count] = UInt16(truncatingIfNeeded: type)
                count += 1
            }
            switch type {
            case 0:
                // One host name and nothing else (RFC 6066 section 3).
                guard places.name == nil, size > 5,
                    unsafe word(body) == size - 2 && from[body + 2] == 0 && word(body + 3) == size - 5
                else { return nil }
                places.name = body + 5..<at
            case 10:
                guard places.groups == nil, size >= 2, word(body) == size - 2 else { return nil }
                places.groups = body + 2..<at
            case 11:
                guard formats == nil, size >= 1, unsafe Int(from[body]) == size - 1, size <= Self.most else { return nil }
                formats = body + 1..<at
            case 13:
                guard algorithms == nil, size >= 2, word(body) == size - 2 else { return nil }
                algorithms = body + 2..<at
            case 16:
                guard places.protocols == nil, size >= 2, word(body) == size - 2 else { return nil }
                places.protocols = body + 2..<at
            case 43:
                guard versions == nil, size >= 1, unsafe Int(from[body]) == size - 1, size & 1 == 1 else { return nil }
                versions = body + 1..<at
            case 51:
                // No fingerprint follows from them, so what is odd about them keeps nothing from being plain.
                guard !hasShares else { return nil }
                hasShares = true
                if size >= 2, word(body) <= size - 2 { places.keyShares = body + 2..<body + 2 + word(body) }
            case ClientHello.encryptedHelloType:
                guard places.encryptedHello == nil else { return nil }
                places.encryptedHello = body..<at
            default: break
            }
        }
        let extensions = count - start
        guard let groups = unsafe list(from, places.groups), let algorithmCount = unsafe listBehind(from, formats, algorithms) else {
            return nil
        }

        // Of a list that names none but GREASE, the hello's own version counts.
        var highest = -1
        if let versions {
            for at in stride(from: versions.lowerBound, to: versions.upperBound, by: 2) where !Self.isGREASE(word(at)) {
                highest = max(highest, word(at))
            }
        }
        var ends: UInt16 = 0
        if let protocols = places.protocols {
            guard let found = unsafe Self.ends(from, protocols) else { return nil }
            ends = found
        }
        unsafe words[Place.legacyVersion] = UInt16(truncatingIfNeeded: word(4))
        unsafe words[Place.version] = UInt16(truncatingIfNeeded: highest < 0 ? word(4) : highest)
        unsafe words[Place.flags] = (places.name == nil ? 0 : Self.hasName) | (transport == .udp ? Self.overUDP : 0)
        unsafe words[Place.suites] = UInt16(suites)
        unsafe words[Place.extensions] = UInt16(extensions)
        unsafe words[Place.groups] = UInt16(groups)
        unsafe words[Place.formats] = UInt16(formats?.count ?? 0)
        unsafe words[Place.algorithms] = UInt16(algorithmCount)
        unsafe words[Place.alpn] = ends
        while count & 3 != 0 {
            unsafe words[count] = 0
            count += 1
        }
        return places
    }

    private static func isGREASE(_ value: Int) -> Bool { value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff }

    /// Appends a list of numbers. `nil`: it is odd, or too long.
    private func list(_ from: UnsafePointer<UInt8>, _ start: Int, _ size: Int) -> Int? {
        guard size & 1 == 0 else { return nil }
        var found = 0
        for at in stride(from: start, to: start + size, by: 2) {
            let value = unsafe Int(from[at]) << 8 | Int(from[at + 1])
            guard !Self.isGREASE(value) else { continue }
            guard found < Self.most else { return nil }
            unsafe words[count] = UInt16(truncatingIfNeeded: value)
            count += 1
            found += 1
        }
        return found
    }

    private func list(_ from: UnsafePointer<UInt8>, _ range: Range<Int>?) -> Int? {
        guard let range else { return 0 }
        return unsafe list(from, range.lowerBound, range.count)
    }

    /// Point formats, of which none is GREASE, then the algorithms; the number of these.
    private func listBehind(_ from: UnsafePointer<UInt8>, _ formats: Range<Int>?, _ algorithms: Range<Int>?) -> Int? {
        if let formats {
            for at in formats {
                unsafe words[count] = UInt16(from[at])
                count += 1
            }
        }
        return unsafe list(from, algorithms)
    }

    /// JA4's two characters for the first protocol: its first and last, or of its hexadecimal when either is no letter or digit. `nil`:
    /// lengths disagree.
    private static func ends(_ from: UnsafePointer<UInt8>, _ range: Range<Int>) -> UInt16? {
        var at = range.lowerBound, ends: UInt16?
        while at < range.upperBound {
            let size = unsafe Int(from[at])
            guard at + 1 + size <= range.upperBound else { return nil }
            if ends == nil { ends = size == 0 ? 0 : unsafe characters(from[at + 1], from[at + size]) }
            at += 1 + size
        }
        return ends ?? 0
    }

    private static func characters(_ first: UInt8, _ last: UInt8) -> UInt16 {
        func isAlphanumeric(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) }
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
        let isPlain = isAlphanumeric(first) && isAlphanumeric(last)
        let (left, right) = isPlain ? (first, last) : (digit(first >> 4), digit(last & 15))
        return UInt16(left) << 8 | UInt16(right)
    }

    // MARK: As a key

    /// Eight bytes at a time; words are compared before they are believed.
    var hash: UInt64 {
        var hash = UInt64(count) &* 0x9e37_79b9_7f4a_7c15
        let raw = unsafe UnsafeRawPointer(words)
        for at in stride(from: 0, to: count * 2, by: 8) {
            hash = unsafe (hash ^ raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash >> 32
        }
        return hash
    }
}
