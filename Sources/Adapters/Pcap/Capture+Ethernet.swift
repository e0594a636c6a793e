extension Capture {
    /// As `next`, with every frame as Ethernet has it: what other links write gets a header without addresses. A frame that bears several
    /// packets is handed over once for each; one that bears none that can be read without bytes. `room` is kept between calls.
    package mutating func nextEthernet(_ room: inout [UInt8], _ body: (Frame, RawSpan) -> Void) throws(CaptureError) -> Bool {
        let blocks = pcapng
        var counts = unread
        defer { unread = counts }
        return try next { frame, bytes in
            if case .ethernet = frame.linkType { return body(frame, bytes) }
            // libpcap turns such numbers round itself.
            let header = Span<UInt8>(_bytes: bytes).header(frame.linkType, bigEndian: blocks?.isBigEndian ?? false)
            switch header {
            case .packet(let start, let type): Self.hand(over: bytes, start..<bytes.byteCount, type, frame, &room, body)
            case .ethernet(let start): Self.hand(over: bytes, start..<bytes.byteCount, nil, frame, &room, body)
            case .several(let start): Self.handEach(of: bytes, from: start, frame, &counts, &room, body)
            case .nothing: Self.hand(over: bytes, 0..<0, 0, frame, &room, body)
            case .unread(let cause):
                counts.note(cause)
                Self.hand(over: bytes, 0..<0, 0, frame, &room, body)
            }
        }
    }

    /// - Parameter type: the packet's EtherType; `nil`: it has a header of Ethernet's already.
    private static func hand(
        over bytes: RawSpan, _ part: Range<Int>, _ type: UInt16?, _ frame: Frame, _ room: inout [UInt8], _ body: (Frame, RawSpan) -> Void
    ) {
        room.removeAll(keepingCapacity: true)
        var added = -part.lowerBound
        if let type {
            added += 14
            for _ in 0..<12 { room.append(0) }
            room.append(UInt8(type >> 8))
            room.append(UInt8(type & 255))
        }
        unsafe bytes.extracting(part).withUnsafeBytes { unsafe room.append(contentsOf: $0) }
        let isRest = part.upperBound == bytes.byteCount
        let original = isRest ? max(frame.originalLength + added, room.count) : room.count
        // Ours until the next frame, and lent for this call only.
        body(Frame(number: frame.number, time: frame.time, originalLength: original, linkType: .ethernet), unsafe room.span.bytes)
    }

    /// 802.11's A-MSDU: each with two addresses and its length, on a multiple of four bytes but for the last.
    private static func handEach(
        of bytes: RawSpan, from start: Int, _ frame: Frame, _ counts: inout Unread, _ room: inout [UInt8],
        _ body: (Frame, RawSpan) -> Void
    ) {
        let reader = Span<UInt8>(_bytes: bytes)
        var at = start
        while at + 14 <= reader.count {
            let end = at + 14 + Int(reader.word(at + 12))
            switch reader.llc(at + 14) {
            case .packet(let from, let type): hand(over: bytes, from..<min(max(end, from), reader.count), type, frame, &room, body)
            case .unread(let cause): counts.note(cause)
            case .ethernet, .several, .nothing: break
            }
            at += (end - at + 3) & ~3
        }
    }
}
