internal import Detection
internal import Fingerprints
internal import Messages
internal import Units

/// Lines in the order of their times. A coalesced event is told a second after the hello that it is about, and still has its place before
/// what came later. Bounded: what is more than a few megabytes goes out as it came.
///
/// A million lines come through here, so their bytes are written once, where they wait, into memory that this class owns.
@safe final class TimedLines {
    private struct Mark {
        let time: Instant
        let start: Int
        let end: Int
    }

    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var count = 0
    /// Where the line at hand begins.
    private var lineStart = 0
    private var marks: [Mark] = []
    private var isSorted = true
    private var newest = Instant.distantPast
    private var threshold = TimedLines.atOnce
    /// A second's text, which many lines share.
    private var second: (number: Int64, text: [UInt8]) = (.min, [])

    /// A little more than an event waits.
    private static let patience = Duration.milliseconds(1200)
    private static let atOnce = 1 << 18, most = 1 << 23

    init() {
        capacity = Self.atOnce * 2
        unsafe base = .allocate(capacity: capacity)
    }

    deinit { unsafe base.deallocate() }

    /// Full enough that it is worth asking for what is due.
    var isDue: Bool { count >= threshold }

    // MARK: A line's pieces. Each makes its own room.

    @inline(__always) private func room(_ size: Int) -> UnsafeMutablePointer<UInt8> {
        if count + size > capacity { grow(size) }
        return unsafe base + count
    }

    @inline(never) private func grow(_ size: Int) {
        capacity = max(capacity * 2, count + size)
        let more = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        unsafe more.update(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = more
    }

    @inline(__always) func put(_ text: StaticString) {
        let size = text.utf8CodeUnitCount
        unsafe room(size).update(from: text.utf8Start, count: size)
        count += size
    }

    func put(_ bytes: [UInt8]) {
        let to = unsafe room(bytes.count)
        unsafe bytes.withUnsafeBufferPointer { bytes in if let from = bytes.baseAddress { unsafe to.update(from: from, count: bytes.count) }
        }
        count += bytes.count
    }

    /// Not negative.
    func put(_ number: Int) {
        let to = unsafe room(20)
        var digits = 1, rest = number
        while rest > 9 {
            rest /= 10
            digits += 1
        }
        rest = number
        for index in stride(from: digits - 1, through: 0, by: -1) {
            unsafe to[index] = 48 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        count += digits
    }

    /// In quotation marks, with what JSON wants escaped (RFC 8259 section 7).
    func put(text: String) {
        var text = text
        let isPlain = text.withUTF8 { bytes in
            let to = unsafe room(bytes.count + 2)
            unsafe to[0] = UInt8(ascii: "\"")
            for index in 0..<bytes.count {
                let byte = unsafe bytes[index]
                guard byte >= 0x20, byte != 0x22, byte != 0x5c else { return false }
                unsafe to[index + 1] = byte
            }
            unsafe to[bytes.count + 1] = UInt8(ascii: "\"")
            count += bytes.count + 2
            return true
        }
        guard !isPlain else { return }
        var writer = JSONWriter()
        writer.element(text)
        put(writer.bytes)
    }

    /// Bytes that are to be text, as the other one puts it.
    func put(text bytes: Span<UInt8>) {
        let to = unsafe room(bytes.count + 2)
        unsafe to[0] = UInt8(ascii: "\"")
        for index in 0..<bytes.count {
            let byte = bytes[index]
            guard byte >= 0x20, byte < 0x7f, byte != 0x22, byte != 0x5c else {
                return put(text: String(decoding: bytes.bytes(0..<bytes.count), as: UTF8.self))
            }
            unsafe to[index + 1] = byte
        }
        unsafe to[bytes.count + 1] = UInt8(ascii: "\"")
        count += bytes.count + 2
    }

    /// The last `digits` of it, in hexadecimal: a multiple of four.
    func put(_ number: UInt64, digits: Int) {
        let to = unsafe room(digits + 8)
        var at = 0
        if digits & 7 != 0 {
            // The four first ones; what is written behind them is written over.
            let first = UInt32(truncatingIfNeeded: number >> UInt64((digits - 4) * 4)) << 16
            unsafe UnsafeMutableRawPointer(to).storeBytes(of: Self.eightDigits(first), as: UInt64.self)
            at = 4
        }
        while at < digits {
            let eight = UInt32(truncatingIfNeeded: number >> UInt64((digits - at - 8) * 4))
            unsafe UnsafeMutableRawPointer(to + at).storeBytes(of: Self.eightDigits(eight), as: UInt64.self)
            at += 8
        }
        count += digits
    }

    /// As they lie in memory: a nibble to a byte, then what each byte lacks to be a digit.
    @inline(__always) private static func eightDigits(_ number: UInt32) -> UInt64 {
        var x = UInt64(number)
        x = (x & 0xffff_0000) << 16 | x & 0xffff
        x = x << 8 & 0x00ff_0000_00ff_0000 | x & 0x0000_00ff_0000_00ff
        x = x << 4 & 0x0f00_0f00_0f00_0f00 | x & 0x000f_000f_000f_000f
        let letters = (x &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (x &+ 0x3030_3030_3030_3030 &+ letters &* 39).bigEndian
    }

    /// The last `size` bytes of it as characters, the highest first.
    func put(_ characters: UInt64, size: Int) {
        let to = unsafe room(size)
        for index in 0..<size { unsafe to[index] = UInt8(truncatingIfNeeded: characters >> UInt64((size - 1 - index) * 8)) }
        count += size
    }

    func put(_ id: CommunityID) {
        unsafe id.write(to: room(CommunityID.size))
        count += CommunityID.size
    }

    func put(_ address: Address) {
        guard address.isIPv4 else {
            var bytes: [UInt8] = []
            address.append(to: &bytes)
            return put(bytes)
        }
        let value = UInt32(truncatingIfNeeded: address.low)
        for shift in [24, 16, 8, 0] as [UInt32] {
            put(Int(value >> shift & 255))
            if shift > 0 { put(".") }
        }
    }

    /// RFC 3339, UTC, without quotation marks.
    func put(_ time: Instant) {
        let whole = time.nanoseconds >= 0 ? time.nanoseconds / 1_000_000_000 : -1
        let fraction = time.nanoseconds - whole * 1_000_000_000
        guard whole >= 0, fraction > 0 else {
            var bytes: [UInt8] = []
            time.appendRFC3339(to: &bytes)
            return put(bytes)
        }
        if second.number != whole {
            var bytes: [UInt8] = []
            Instant(nanoseconds: whole * 1_000_000_000).appendRFC3339(to: &bytes)
            second = (whole, bytes.dropLast() + [UInt8(ascii: ".")])
        }
        put(second.text)
        let to = unsafe room(10)
        var rest = fraction
        for index in stride(from: 8, through: 0, by: -1) {
            unsafe to[index] = 48 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        unsafe to[9] = UInt8(ascii: "Z")
        count += 10
    }

    /// Ends the line at hand; its place is by this time.
    func end(at time: Instant) {
        put("\n")
        marks.append(Mark(time: time, start: lineStart, end: count))
        lineStart = count
        if time < newest { isSorted = false } else { newest = time }
    }

    func append(_ line: [UInt8], at time: Instant) {
        put(line)
        end(at: time)
    }

    // MARK: What is due

    /// Hands out what nothing can come before any more; everything, when `all`.
    func take(all: Bool = false, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let horizon = newest - Self.patience
        if !isSorted { marks.sort { $0.time < $1.time } }
        let due = all || count > Self.most ? marks.count : marks.firstIndex { $0.time > horizon } ?? marks.count
        if isSorted { unsafe try takeStart(due, body) } else { unsafe try gather(due, body) }
        threshold = max(Self.atOnce, count * 2)
    }

    /// Sorted as they lie: what is due is the start of the memory.
    private func takeStart(_ due: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let size = due == 0 ? 0 : marks[due - 1].end
        if size > 0 { unsafe try body(UnsafeRawBufferPointer(start: base, count: size)) }
        unsafe base.update(from: base + size, count: count - size)
        count -= size
        lineStart -= size
        if due == marks.count {
            marks.removeAll(keepingCapacity: true)
        } else {
            marks = marks[due...].map { Mark(time: $0.time, start: $0.start - size, end: $0.end - size) }
        }
    }

    /// Line by line in the order of their times, those of one time as they came. What stays moves together, so no second memory of this
    /// size is needed.
    private func gather(_ due: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        var chunk: [UInt8] = []
        chunk.reserveCapacity(Self.atOnce)
        for mark in marks[..<due] {
            unsafe chunk.append(contentsOf: UnsafeRawBufferPointer(start: base + mark.start, count: mark.end - mark.start))
            if chunk.count >= Self.atOnce {
                unsafe try chunk.withUnsafeBytes { unsafe try body($0) }
                chunk.removeAll(keepingCapacity: true)
            }
        }
        if !chunk.isEmpty { unsafe try chunk.withUnsafeBytes { unsafe try body($0) } }
        let open = count - lineStart
        // As they lie, each only moves towards the start.
        var rest = Array(marks[due...])
        rest.sort { $0.start < $1.start }
        var at = 0
        isSorted = true
        for index in rest.indices {
            let mark = rest[index], size = mark.end - mark.start
            unsafe (base + at).update(from: base + mark.start, count: size)
            rest[index] = Mark(time: mark.time, start: at, end: at + size)
            if index > 0, rest[index - 1].time > mark.time { isSorted = false }
            at += size
        }
        unsafe (base + at).update(from: base + lineStart, count: open)
        (marks, lineStart, count) = (rest, at, at + open)
    }
}
