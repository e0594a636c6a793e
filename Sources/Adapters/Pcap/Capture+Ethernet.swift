internal import Wire

extension Capture.LinkType {
    /// Those that `nextEthernet` can put behind an Ethernet header.
    package static let readable: [Capture.LinkType] = [.ethernet, .rawIP, .linuxCooked, .linuxCooked2]
}

extension Capture {
    /// As `next`, with every frame as Ethernet has it: what `-i any` and tunnels write gets a header without addresses. `room` is kept
    /// between calls.
    package mutating func nextEthernet(_ room: inout [UInt8], _ body: (Frame, RawSpan) -> Void) throws(CaptureError) -> Bool {
        // pcap-linktype(7): where the packet starts, and where the header says what it is.
        let start: Int, type: Int?
        switch linkType {
        case .linuxCooked: (start, type) = (16, 14)
        case .linuxCooked2: (start, type) = (20, 0)
        case .rawIP: (start, type) = (0, nil)
        case .ethernet, .other: return try next(body)
        }
        return try next { frame, bytes in
            room.removeAll(keepingCapacity: true)
            for _ in 0..<12 { room.append(0) }
            let bytes = Span<UInt8>(_bytes: bytes)
            if bytes.count > start {
                let isIPv6 = bytes[start] >> 4 == 6
                room.append(type.map { bytes[$0] } ?? (isIPv6 ? 0x86 : 0x08))
                room.append(type.map { bytes[$0 + 1] } ?? (isIPv6 ? 0xdd : 0x00))
                for index in start..<bytes.count { room.append(bytes[index]) }
            }
            let added = 14 - start
            // Ours until the next frame, and lent for this call only.
            body(Frame(number: frame.number, time: frame.time, originalLength: max(frame.originalLength + added, room.count)), unsafe room.span.bytes)
        }
    }
}
