import Glibc

/// Builds capture files by hand, in every dialect.
struct CaptureBytes {
    var bigEndian = false
    private(set) var bytes: [UInt8] = []

    mutating func u32(_ value: UInt32) { withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { bytes += $0 } }
    mutating func u16(_ value: UInt16) { withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { bytes += $0 } }

    /// Classic pcap; the magic says whether `fraction` is microseconds or nanoseconds.
    static func pcap(
        bigEndian: Bool = false, nanoseconds: Bool = false, linkType: UInt32 = 1,
        frames: [(seconds: UInt32, fraction: UInt32, content: [UInt8], original: UInt32)]
    ) -> [UInt8] {
        var file = CaptureBytes(bigEndian: bigEndian)
        file.u32(nanoseconds ? 0xa1b2_3c4d : 0xa1b2_c3d4)
        file.u16(2)
        file.u16(4)
        for value in [0, 0, 65_535, linkType] { file.u32(value) }
        for frame in frames {
            for value in [frame.seconds, frame.fraction, UInt32(frame.content.count), frame.original] { file.u32(value) }
            file.bytes += frame.content
        }
        return file.bytes
    }

    /// pcapng: section header, one interface with nanoseconds, enhanced packet blocks.
    static func pcapng(bigEndian: Bool = false, frames: [(nanoseconds: UInt64, content: [UInt8])]) -> [UInt8] {
        var file = CaptureBytes(bigEndian: bigEndian)
        file.section()
        file.interface(linkType: 1, resolution: 9)
        for frame in frames { file.packet(interface: 0, stamp: frame.nanoseconds, content: frame.content) }
        return file.bytes
    }

    mutating func append(_ content: [UInt8]) { bytes += content }

    mutating func section() {
        block(0x0a0d_0d0a) { body in
            body.u32(0x1a2b_3c4d)
            body.u16(1)
            body.u16(0)
            body.bytes += [UInt8](repeating: 0xff, count: 8)
        }
    }

    /// - Parameter resolution: if_tsresol; without it the clock counts microseconds.
    mutating func interface(linkType: UInt16, resolution: UInt8? = nil) {
        block(1) { body in
            body.u16(linkType)
            body.u16(0)
            body.u32(0)
            guard let resolution else { return }
            body.u16(9)
            body.u16(1)
            body.bytes += [resolution, 0, 0, 0]
            body.u32(0)
        }
    }

    /// - Parameter claiming: the captured length, if it is to be another than the content's.
    mutating func packet(interface: UInt32, stamp: UInt64, content: [UInt8], claiming: UInt32? = nil) {
        block(6) { body in
            let size = claiming ?? UInt32(content.count)
            for value in [interface, UInt32(stamp >> 32), UInt32(truncatingIfNeeded: stamp), size, size] { body.u32(value) }
            body.bytes += content
        }
    }

    mutating func block(_ type: UInt32, _ fill: (inout CaptureBytes) -> Void) {
        var body = CaptureBytes(bigEndian: bigEndian)
        fill(&body)
        while body.bytes.count % 4 != 0 { body.bytes.append(0) }
        u32(type)
        u32(UInt32(body.bytes.count + 12))
        bytes += body.bytes
        u32(UInt32(body.bytes.count + 12))
    }
}

/// A file that goes when its owner does.
struct TemporaryFile: ~Copyable {
    let path: String

    init(_ bytes: [UInt8]) {
        var template = Array("/tmp/weir-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard write(descriptor, bytes, bytes.count) == bytes.count else { fatalError("no room in /tmp") }
        close(descriptor)
    }

    deinit { unlink(path) }
}
