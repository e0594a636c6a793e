internal import CPcap
internal import Glibc
internal import Linux
package import Units

/// A packet capture, read frame by frame: pcap in either byte order and precision, and pcapng. Nothing of it is kept.
@safe package struct Capture: ~Copyable {
    /// One frame's place; its bytes come beside it.
    package struct Frame: Sendable, Equatable {
        /// From 1, as every tool counts.
        package let number: Int
        package let time: Instant
        /// As it was on the wire; more than the bytes that are here when the capture cut it.
        package let originalLength: Int
        /// Of its interface; pcapng may have several.
        package let linkType: LinkType
    }

    /// As errors call it.
    package let name: String
    /// Of the first interface.
    package let linkType: LinkType
    private let accepted: [LinkType]
    /// Size of the file; `nil` of a pipe.
    package let bytesTotal: Int?
    package private(set) var framesRead = 0

    // One of the two. libpcap owns the stream and closes it with itself.
    private let reader: OpaquePointer?
    let pcapng: PcapngReader?
    private let stream: UnsafeMutablePointer<FILE>
    /// Where the stream reads to; outlives it.
    private let room: UnsafeMutablePointer<CChar>
    private static let readAhead = 1 << 16
    private var bytesInFrames = 0
    /// Frames of which `nextEthernet` could make nothing, by why.
    package internal(set) var unread = Unread()

    /// `-` is standard input. A link type that is not among `accepted` is refused by its name.
    package init(path: String, accepting accepted: [LinkType] = [.ethernet]) throws(CaptureError) {
        let name = path == "-" ? "standard input" : path
        let stream = unsafe try Self.open(path, name)
        // libpcap reads through the stream, two copies to a frame. The room has to be ours: glibc takes a size without one for 4 KB.
        let room = UnsafeMutablePointer<CChar>.allocate(capacity: Self.readAhead)
        unsafe _ = setvbuf(stream, room, Int32(_IOFBF), Self.readAhead)
        let size = unsafe Self.size(of: stream)
        let reader: OpaquePointer?, pcapng: PcapngReader?, linkType: LinkType
        if unsafe Self.startsPcapng(stream) {
            let blocks = unsafe PcapngReader(stream)
            do throws(CaptureError) { linkType = try Self.firstLinkType(blocks, name) } catch {
                unsafe Self.close(nil, stream, room)
                throw error
            }
            unsafe (reader, pcapng) = (nil, blocks)
        } else {
            // PCAP_ERRBUF_SIZE
            var message = [CChar](repeating: 0, count: 256)
            guard let opened = unsafe pcap_fopen_offline_with_tstamp_precision(stream, UInt32(PCAP_TSTAMP_PRECISION_NANO), &message) else {
                let start = unsafe Self.firstBytes(of: stream)
                unsafe Self.close(nil, stream, room)
                throw CaptureError(opening: name, libpcap: message.text, start: start)
            }
            linkType = unsafe LinkType(pcap_datalink(opened))
            unsafe (reader, pcapng) = (opened, nil)
        }
        do throws(CaptureError) { try Self.check(linkType, accepted, name, nil) } catch {
            unsafe Self.close(reader, stream, room)
            throw error
        }
        self.name = name
        self.accepted = accepted
        self.linkType = linkType
        bytesTotal = size
        unsafe (self.reader, self.stream, self.room) = (reader, stream, room)
        self.pcapng = pcapng
    }

    deinit { unsafe Self.close(reader, stream, room) }

    private static func close(_ reader: OpaquePointer?, _ stream: UnsafeMutablePointer<FILE>, _ room: UnsafeMutablePointer<CChar>) {
        if let reader = unsafe reader { unsafe pcap_close(reader) } else { unsafe _ = fclose(stream) }
        unsafe room.deallocate()
    }

    private static func check(_ found: LinkType, _ accepted: [LinkType], _ name: String, _ framesRead: Int?) throws(CaptureError) {
        guard !accepted.contains(found) else { return }
        var names: [String] = []
        for type in accepted where !names.contains(type.name) { names.append(type.name) }
        throw CaptureError(name: name, linkType: found.name, accepted: names, framesRead: framesRead)
    }

    /// Hands the next frame to `body`, its bytes only for that long; `false` when there are no more.
    package mutating func next(_ body: (Frame, RawSpan) -> Void) throws(CaptureError) -> Bool {
        guard let reader = unsafe reader else { return try nextOfBlocks(body) }
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var data: UnsafePointer<UInt8>?
        let status = unsafe pcap_next_ex(reader, &header, &data)
        if status == PCAP_ERROR_BREAK { return false }
        guard status == 1, let head = unsafe header?.pointee else {
            throw CaptureError(reading: name, libpcap: unsafe String(cString: pcap_geterr(reader)), framesRead: framesRead)
        }
        framesRead += 1
        bytesInFrames &+= Int(head.caplen) &+ 16
        let frame = Frame(number: framesRead, time: Instant(head.ts), originalLength: Int(head.len), linkType: linkType)
        guard let data = unsafe data else {
            body(frame, RawSpan())
            return true
        }
        // libpcap's buffer holds `caplen` bytes until its next call, and the span ends before that.
        unsafe body(frame, RawSpan(_unsafeStart: data, byteCount: Int(head.caplen)))
        return true
    }

    private mutating func nextOfBlocks(_ body: (Frame, RawSpan) -> Void) throws(CaptureError) -> Bool {
        let found: PcapngReader.Packet?
        do throws(PcapngReader.Failure) { found = try pcapng?.next() } catch {
            throw CaptureError(reading: name, error, framesRead: framesRead)
        }
        guard let packet = found else { return false }
        let type = LinkType(packet.linkType)
        if type != linkType { try Self.check(type, accepted, name, framesRead) }
        framesRead += 1
        bytesInFrames &+= packet.range.count &+ 32
        let frame = Frame(
            number: framesRead, time: Instant(nanoseconds: packet.nanoseconds), originalLength: packet.originalLength, linkType: type)
        // The block stays where it is until the next one is read.
        if let bytes = unsafe pcapng?.bytes(packet.range) { unsafe body(frame, RawSpan(_unsafeBytes: bytes)) }
        return true
    }

    private static func firstLinkType(_ blocks: PcapngReader, _ name: String) throws(CaptureError) -> LinkType {
        do throws(PcapngReader.Failure) { return try blocks.open() ? LinkType(blocks.firstLinkType ?? DLT_EN10MB) : .ethernet } catch {
            if case .cut = error { throw CaptureError(endsInHeader: name) }
            throw CaptureError(reading: name, error, framesRead: 0)
        }
    }

    /// No other capture starts with a line feed, which is how a section header does.
    private static func startsPcapng(_ stream: UnsafeMutablePointer<FILE>) -> Bool {
        let first = unsafe getc(stream)
        return unsafe first >= 0 && ungetc(first, stream) == 0x0a
    }

    /// How far it is, for a progress bar: exact in a file, near in a pipe.
    package var bytesRead: Int {
        let offset = unsafe ftello(stream)
        return offset >= 0 ? Int(offset) : bytesInFrames
    }

    private static func open(_ path: String, _ name: String) throws(CaptureError) -> UnsafeMutablePointer<FILE> {
        if path == "-", isatty(STDIN_FILENO) == 1 {
            throw CaptureError("standard input is a terminal; give a capture file, or pipe one in")
        }
        // A descriptor of our own: libpcap closes what it reads.
        let stream = unsafe path == "-" ? fdopen(dup(STDIN_FILENO), "rb") : fopen(path, "rbe")
        guard let stream = unsafe stream else { throw CaptureError("\(name): cannot be read: \(Errno.current)") }
        var status = stat()
        if unsafe fstat(fileno(stream), &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            unsafe fclose(stream)
            throw CaptureError("\(name): is a directory; a capture is a file")
        }
        return unsafe stream
    }

    private static func size(of stream: UnsafeMutablePointer<FILE>) -> Int? {
        var status = stat()
        guard unsafe fstat(fileno(stream), &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// What a foreign file starts with; nothing of a pipe, where it is gone.
    private static func firstBytes(of stream: UnsafeMutablePointer<FILE>) -> [UInt8] {
        guard unsafe fseeko(stream, 0, SEEK_SET) == 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: 6)
        let count = unsafe fread(&bytes, 1, bytes.count, stream)
        return Array(bytes[..<count])
    }
}

extension Instant {
    /// With nanosecond precision libpcap keeps nanoseconds where the name says microseconds. A corrupt file may hold any number.
    fileprivate init(_ time: timeval) {
        self.init(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_usec))
    }
}

extension [CChar] {
    fileprivate var text: String { String(decoding: prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
}
