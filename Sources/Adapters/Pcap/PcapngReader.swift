internal import Glibc
internal import Units

/// pcapng, block by block (draft-ietf-opsawg-pcapng). libpcap refuses a file whose interfaces differ in their link type, which
/// is what `tcpdump -i any` beside a tunnel, or mergecap, writes; so this is read by us, and pcap by libpcap.
@safe final class PcapngReader {
    /// What went wrong, without the file's name.
    enum Failure: Error {
        /// The file ends so many bytes into a block of `wanted`; into its header when that is `nil`.
        case cut(got: Int, wanted: Int?)
        case corrupt(String)
    }

    struct Packet {
        let linkType: CInt
        let nanoseconds: Int64
        let originalLength: Int
        /// Where its bytes lie in the block at hand.
        let range: Range<Int>
    }

    private struct Interface {
        let linkType: CInt
        let snapLength: Int
        let clock: PcapngClock
    }

    // The capture owns and closes it.
    private let stream: UnsafeMutablePointer<FILE>
    private var block: UnsafeMutableRawPointer
    private var capacity = 1 << 16
    private var interfaces: [Interface] = []
    private(set) var isBigEndian = false
    private var latest: Int64 = 0
    /// A frame of a jumbo GRO packet and its options are far below; more is a length that was corrupted.
    private static let most = 1 << 24
    private static let sectionHeader: UInt32 = 0x0a0d_0d0a, magic: UInt32 = 0x1a2b_3c4d

    init(_ stream: UnsafeMutablePointer<FILE>) {
        unsafe self.stream = stream
        unsafe block = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { unsafe block.deallocate() }

    /// Link type of the first interface that the section names, once it has.
    var firstLinkType: CInt? { interfaces.first?.linkType }

    /// The bytes of the packet read last, until the next call.
    func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: block + range.lowerBound, count: range.count)
    }

    /// Reads up to the section's first interface, so that a file's link type is known before its frames are; false where it has none.
    func open() throws(Failure) -> Bool {
        while interfaces.isEmpty {
            guard let (type, size) = try nextBlock() else { return false }
            if try packet(type, size) != nil { throw .corrupt("a packet comes before any interface") }
        }
        return true
    }

    /// `nil` at the end.
    func next() throws(Failure) -> Packet? {
        while let (type, size) = try nextBlock() {
            if let packet = try packet(type, size) { return packet }
        }
        return nil
    }

    /// The next block's type and the size of its body, which lies in `block`; `nil` at the end of the file.
    private func nextBlock() throws(Failure) -> (UInt32, Int)? {
        let got = unsafe fread(block, 1, 8, stream)
        if got == 0 { return nil }
        guard got == 8 else { throw .cut(got: got, wanted: nil) }
        let type = word(0)
        if type == Self.sectionHeader {
            // The byte order of its length is told by what follows.
            let got = unsafe fread(block + 8, 1, 4, stream)
            guard got == 4 else { throw .cut(got: 8 + got, wanted: nil) }
            isBigEndian = unsafe UInt32(bigEndian: block.loadUnaligned(fromByteOffset: 8, as: UInt32.self)) == Self.magic
            guard word(8) == Self.magic else { throw .corrupt("a section starts without its byte-order magic") }
            let size = try bodySize(word(4), least: 28)
            try read(size - 4)
            guard half(0) == 1 else { throw .corrupt("pcapng version \(half(0))") }
            interfaces.removeAll()
            return (type, 0)
        }
        let size = try bodySize(word(4), least: 12)
        try read(size)
        return (type, size)
    }

    private func bodySize(_ length: UInt32, least: Int) throws(Failure) -> Int {
        guard length >= least, length <= Self.most, length % 4 == 0 else { throw .corrupt("block length \(length)") }
        return Int(length) - 12
    }

    /// The rest of a block: so much body, and its length again.
    private func read(_ size: Int) throws(Failure) {
        if size + 4 > capacity {
            unsafe block.deallocate()
            capacity = size + 4
            unsafe block = .allocate(byteCount: capacity, alignment: 8)
        }
        let got = unsafe fread(block, 1, size + 4, stream)
        guard got == size + 4 else { throw .cut(got: got, wanted: size + 4) }
    }

    private func packet(_ type: UInt32, _ size: Int) throws(Failure) -> Packet? {
        switch type {
        case 1: try noteInterface(size)
        case 2 where size >= 20: return try packet(of: Int(half(0)), stamped: 4, 20, size)
        case 6 where size >= 20: return try packet(of: Int(word(0)), stamped: 4, 20, size)
        case 3 where size >= 4:
            // A simple packet bears neither interface nor time: it is of the first, and as old as the one before.
            guard let first = interfaces.first else { throw .corrupt("a packet of no interface") }
            let original = Int(word(0)), kept = min(original, first.snapLength, size - 4)
            return Packet(linkType: first.linkType, nanoseconds: latest, originalLength: original, range: 4..<(4 + kept))
        case 2, 3, 6: throw .corrupt("packet block of \(size) bytes")
        default: break
        }
        return nil
    }

    private func packet(of interface: Int, stamped: Int, _ start: Int, _ size: Int) throws(Failure) -> Packet {
        guard interface < interfaces.count else { throw .corrupt("a packet of interface \(interface), which is not described") }
        let kept = Int(word(12)), original = Int(word(16))
        guard kept <= size - start else { throw .corrupt("captured length \(kept)") }
        latest = interfaces[interface].clock.nanoseconds(UInt64(word(stamped)) << 32 | UInt64(word(stamped + 4)))
        return Packet(
            linkType: interfaces[interface].linkType, nanoseconds: latest, originalLength: original, range: start..<(start + kept))
    }

    private func noteInterface(_ size: Int) throws(Failure) {
        guard size >= 8 else { throw .corrupt("interface block of \(size) bytes") }
        guard interfaces.count < 65_536 else { throw .corrupt("more than 65,536 interfaces") }
        var clock = PcapngClock(), at = 8
        while at + 4 <= size {
            let code = half(at), length = Int(half(at + 2))
            guard code != 0, at + 4 + length <= size else { break }
            if code == 9, length == 1 { clock.resolution = unsafe block.load(fromByteOffset: at + 4, as: UInt8.self) }
            if code == 14, length == 8 {
                let raw = unsafe block.loadUnaligned(fromByteOffset: at + 4, as: Int64.self)
                clock.offsetSeconds = isBigEndian ? Int64(bigEndian: raw) : Int64(littleEndian: raw)
            }
            at += 4 + (length + 3) & ~3
        }
        let snap = Int(word(4))
        interfaces.append(Interface(linkType: CInt(half(0)), snapLength: snap == 0 ? .max : snap, clock: clock))
    }

    // Of the block in memory; every caller has compared the offset with the block's size, and a block has at least 12 bytes of room.
    private func word(_ at: Int) -> UInt32 {
        let raw = unsafe block.loadUnaligned(fromByteOffset: at, as: UInt32.self)
        return isBigEndian ? UInt32(bigEndian: raw) : UInt32(littleEndian: raw)
    }

    private func half(_ at: Int) -> UInt16 {
        let raw = unsafe block.loadUnaligned(fromByteOffset: at, as: UInt16.self)
        return isBigEndian ? UInt16(bigEndian: raw) : UInt16(littleEndian: raw)
    }
}

/// How an interface counts time.
struct PcapngClock {
    /// Option if_tsresol: a negative power of 10, or of 2 when its highest bit is set.
    var resolution: UInt8 = 6
    /// Option if_tsoffset.
    var offsetSeconds: Int64 = 0

    /// Wraps where a corrupt file says what no clock does.
    func nanoseconds(_ stamp: UInt64) -> Int64 {
        let power = Int(resolution & 0x7f)
        let value: UInt64
        if resolution & 0x80 != 0 {
            guard power < 64 else { return offsetSeconds &* 1_000_000_000 }
            let whole = stamp >> UInt64(power), part = (stamp & (1 << UInt64(power) - 1)).multipliedFullWidth(by: 1_000_000_000)
            value = whole &* 1_000_000_000 &+ (power == 0 ? 0 : part.high << UInt64(64 - power) | part.low >> UInt64(power))
        } else if power <= 9 {
            value = stamp &* Self.ten(9 - power)
        } else {
            value = power > 28 ? 0 : stamp / Self.ten(power - 9)
        }
        return Int64(truncatingIfNeeded: value) &+ offsetSeconds &* 1_000_000_000
    }

    private static func ten(_ power: Int) -> UInt64 { (0..<power).reduce(1) { product, _ in product * 10 } }
}
