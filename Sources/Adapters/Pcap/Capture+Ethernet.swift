internal import Wire

extension Capture.LinkType {
    /// Those that `nextEthernet` can put behind an Ethernet header.
    package static let readable: [Capture.LinkType] = [.ethernet, .rawIP, .linuxCooked, .linuxCooked2, .loopback]

    /// Where the packet starts, and what EtherType it has; `nil` when it is none that matters (pcap-linktype(7)).
    fileprivate func packet(of bytes: Span<UInt8>) -> (start: Int, type: UInt16)? {
        func word(_ at: Int) -> UInt16 { UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }
        func version(_ at: Int) -> UInt16 { bytes[at] >> 4 == 6 ? 0x86dd : 0x0800 }
        switch self {
        case .linuxCooked: return bytes.count > 16 ? (16, word(14)) : nil
        case .linuxCooked2: return bytes.count > 20 ? (20, word(0)) : nil
        case .rawIP: return bytes.count > 0 ? (0, version(0)) : nil
        case .loopback:
            guard bytes.count > 4 else { return nil }
            // AF_INET is 2 everywhere; AF_INET6 is 10, 24, 28 or 30, by the system that recorded.
            let family = word(0) == 0 ? word(2) : word(2) == 0 ? word(0).byteSwapped : 0
            return [2, 10, 24, 28, 30].contains(family) ? (4, version(4)) : nil
        case .ethernet, .other: return nil
        }
    }
}

extension Capture {
    /// As `next`, with every frame as Ethernet has it: what `-i any`, tunnels and loopbacks write gets a header without addresses. `room`
    /// is kept between calls.
    package mutating func nextEthernet(_ room: inout [UInt8], _ body: (Frame, RawSpan) -> Void) throws(CaptureError) -> Bool {
        try next { frame, bytes in
            if case .ethernet = frame.linkType { return body(frame, bytes) }
            room.removeAll(keepingCapacity: true)
            for _ in 0..<12 { room.append(0) }
            var added = 14
            if let packet = frame.linkType.packet(of: Span<UInt8>(_bytes: bytes)) {
                room.append(UInt8(packet.type >> 8))
                room.append(UInt8(packet.type & 255))
                unsafe bytes.extracting(droppingFirst: packet.start).withUnsafeBytes { unsafe room.append(contentsOf: $0) }
                added -= packet.start
            }
            let original = max(frame.originalLength + added, room.count)
            // Ours until the next frame, and lent for this call only.
            body(Frame(number: frame.number, time: frame.time, originalLength: original, linkType: .ethernet), unsafe room.span.bytes)
        }
    }
}
