internal import Crypto
internal import Detection

extension HelloReader {
    /// What a TLS stack sends whoever uses it, as the published hashes over it. Plain bytes, so that a million of them cost no allocation.
    package struct Stack: Sendable, BitwiseCopyable, Equatable {
        /// MD5 of JA3's text, its first byte the highest.
        package let ja3Words: (high: UInt64, low: UInt64)
        /// JA4's first part, ten characters: eight as a number, the first one the highest, and two.
        package let ja4Head: (start: UInt64, end: UInt16)
        /// JA4's other two, of twelve digits each: six bytes, the first one the highest.
        package let ja4Hashes: (suites: UInt64, extensions: UInt64)

        package static func == (left: Stack, right: Stack) -> Bool {
            left.ja3Words == right.ja3Words && left.ja4Head == right.ja4Head && left.ja4Hashes == right.ja4Hashes
        }

        package var ja3: String { Self.hex(ja3Words.high, 8) + Self.hex(ja3Words.low, 8) }
        package var ja4: String {
            var head: [UInt8] = []
            for shift in stride(from: UInt64(56), through: 0, by: -8) { head.append(UInt8(truncatingIfNeeded: ja4Head.start >> shift)) }
            head += [UInt8(ja4Head.end >> 8), UInt8(ja4Head.end & 255)]
            return "\(String(decoding: head, as: UTF8.self))_\(Self.hex(ja4Hashes.suites, 6))_\(Self.hex(ja4Hashes.extensions, 6))"
        }

        private static func hex(_ value: UInt64, _ bytes: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: bytes * 2 - text.utf8.count) + text
        }

        /// From the texts of the long way.
        init(_ fingerprint: Fingerprint) {
            func number(_ text: some Sequence<UInt8>) -> UInt64 {
                text.reduce(0) { $0 << 4 | UInt64($1 < 58 ? $1 - 48 : $1 - 87) }
            }
            let ja3 = Array(fingerprint.ja3.utf8), ja4 = Array(fingerprint.ja4.utf8)
            ja3Words = (number(ja3[..<16]), number(ja3[16...]))
            ja4Head = (ja4[..<8].reduce(0) { $0 << 8 | UInt64($1) }, UInt16(ja4[8]) << 8 | UInt16(ja4[9]))
            ja4Hashes = (number(ja4[11..<23]), number(ja4[24...]))
        }

        init(ja3: (high: UInt64, low: UInt64), head: (start: UInt64, end: UInt16), hashes: (suites: UInt64, extensions: UInt64)) {
            (ja3Words, ja4Head, ja4Hashes) = (ja3, head, hashes)
        }
    }
}

/// The texts of JA3 and JA4 over a plain hello's words, and their hashes. `ClientHello+Fingerprints` says the same of any hello, slowly.
@safe final class StackWriter {
    private let text: UnsafeMutablePointer<UInt8>
    private var count = 0
    /// Of a list that is put in order.
    private let ordered: UnsafeMutablePointer<UInt16>
    /// Six bytes for each number at most, and what stands between the lists.
    private static let capacity = 6 * HelloWalk.capacity + 64

    init() {
        unsafe text = .allocate(capacity: Self.capacity)
        unsafe ordered = .allocate(capacity: HelloWalk.most)
    }
    deinit {
        unsafe text.deallocate()
        unsafe ordered.deallocate()
    }

    func stack(of walk: HelloWalk) -> HelloReader.Stack {
        typealias Place = HelloWalk.Place
        let words = unsafe walk.words
        func size(_ place: Int) -> Int { unsafe Int(words[place]) }
        let suites = Place.lists, extensions = suites + size(Place.suites), groups = extensions + size(Place.extensions)
        let formats = groups + size(Place.groups), algorithms = formats + size(Place.formats)

        count = 0
        var to = unsafe text
        unsafe Self.put(number: words[Place.legacyVersion], to: &to)
        unsafe count = to - text
        unsafe put(numbers: words, suites..<extensions)
        unsafe put(numbers: words, extensions..<groups)
        unsafe put(numbers: words, groups..<formats)
        unsafe put(numbers: words, formats..<algorithms)
        let ja3 = unsafe Digest.md5(of: UnsafeRawBufferPointer(start: text, count: count))

        count = 0
        for index in suites..<extensions { unsafe insert(words[index], index - suites) }
        put(digits: size(Place.suites))
        let suiteHash = hashed()

        count = 0
        var kept = 0
        for index in extensions..<groups where unsafe words[index] != 0 && words[index] != 16 {
            unsafe insert(words[index], kept)
            kept += 1
        }
        put(digits: kept)
        if kept > 0, size(Place.algorithms) > 0 {
            put(UInt8(ascii: "_"))
            for index in 0..<size(Place.algorithms) {
                if index > 0 { put(UInt8(ascii: ",")) }
                unsafe put(digitsOf: words[algorithms + index])
            }
        }
        return HelloReader.Stack(ja3: ja3, head: unsafe head(words), hashes: (suiteHash, hashed()))
    }

    private func head(_ words: UnsafePointer<UInt16>) -> (start: UInt64, end: UInt16) {
        typealias Place = HelloWalk.Place
        func decimal(_ value: UInt16) -> UInt64 { UInt64(48 + value / 10) << 8 | UInt64(48 + value % 10) }
        let flags = unsafe words[Place.flags], ends = unsafe words[Place.alpn]
        var start = UInt64(flags & HelloWalk.overUDP != 0 ? UInt8(ascii: "q") : UInt8(ascii: "t"))
        let version: (UInt8, UInt8) =
            switch unsafe words[Place.version] {
            case 0x0304: (49, 51)
            case 0x0303: (49, 50)
            case 0x0302: (49, 49)
            case 0x0301: (49, 48)
            case 0x0300: (115, 51)
            case 0x0002: (115, 50)
            default: (48, 48)
            }
        start = start << 16 | UInt64(version.0) << 8 | UInt64(version.1)
        start = start << 8 | UInt64(flags & HelloWalk.hasName != 0 ? UInt8(ascii: "d") : UInt8(ascii: "i"))
        start = unsafe start << 32 | decimal(words[Place.suites]) << 16 | decimal(words[Place.extensions])
        return (start, ends == 0 ? 0x3030 : ends)
    }

    /// Twelve digits' worth of SHA-256, of nothing zero.
    private func hashed() -> UInt64 {
        count == 0 ? 0 : unsafe Digest.startOfSHA256(of: UnsafeRawBufferPointer(start: text, count: count)) >> 16
    }

    /// Among the `place` that are in order already.
    private func insert(_ value: UInt16, _ place: Int) {
        var place = place
        while place > 0, unsafe ordered[place - 1] > value {
            unsafe ordered[place] = ordered[place - 1]
            place -= 1
        }
        unsafe ordered[place] = value
    }

    private func put(_ byte: UInt8) {
        unsafe text[count] = byte
        count += 1
    }

    /// The ordered ones, in hexadecimal.
    private func put(digits size: Int) {
        var to = unsafe text + count
        for index in 0..<size {
            if index > 0 {
                unsafe to[0] = UInt8(ascii: ",")
                unsafe to += 1
            }
            unsafe Self.put(digitsOf: ordered[index], to: &to)
        }
        unsafe count = to - text
    }

    private func put(digitsOf value: UInt16) {
        var to = unsafe text + count
        unsafe Self.put(digitsOf: value, to: &to)
        count += 4
    }

    @inline(__always) private static func put(digitsOf value: UInt16, to: inout UnsafeMutablePointer<UInt8>) {
        for index in 0..<4 as Range<UInt16> {
            let digit = UInt8(truncatingIfNeeded: value >> (12 - index * 4) & 15)
            unsafe to[Int(index)] = digit < 10 ? 48 + digit : 87 + digit
        }
        unsafe to += 4
    }

    /// Behind a comma.
    private func put(numbers words: UnsafePointer<UInt16>, _ range: Range<Int>) {
        var to = unsafe text + count
        unsafe to[0] = UInt8(ascii: ",")
        unsafe to += 1
        for index in range {
            if index > range.lowerBound {
                unsafe to[0] = UInt8(ascii: "-")
                unsafe to += 1
            }
            unsafe Self.put(number: words[index], to: &to)
        }
        unsafe count = to - text
    }

    @inline(__always) private static func put(number: UInt16, to: inout UnsafeMutablePointer<UInt8>) {
        let size = number < 10 ? 1 : number < 100 ? 2 : number < 1000 ? 3 : number < 10_000 ? 4 : 5
        var rest = number, at = size - 1
        while at >= 0 {
            unsafe to[at] = 48 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            at -= 1
        }
        unsafe to += size
    }
}
