internal import Units

/// IP fragments of a capture, put in order before the probe sees them: as a receiving stack does, nothing of a datagram is handed over
/// before it is whole, and what comes twice counts once. Then TCP's fragments follow each other from the first on, which has the whole
/// header, and of all else one packet is made. So fragments may be as small and come as late as they like. What never is whole, or
/// contradicts itself, is handed over as it came.
struct Datagrams {
    /// How many are waited for at once, how much of each, and how long (Linux: ipfrag_time).
    static let most = 1024, mostBytes = 65_535, mostParts = 8192
    static let patience = Duration.seconds(30)

    private struct Part {
        let offset: Int
        let isLast: Bool
        /// The frame up to the fragment's payload, and that.
        let header: [UInt8]
        let payload: [UInt8]
    }

    private struct Waiting {
        let since: Instant
        let order: Int
        /// Offset of the IP header in the frame.
        let network: Int
        let isTCP: Bool
        var parts: [Part] = []
        /// Of `parts`, by their offsets.
        var places: [Int: Int] = [:]
        var size = 0
        /// Where the last part ends, once it is there.
        var end = Int.max
    }

    private struct Place {
        let network: Int
        let payload: Int
        let end: Int
        let offset: Int
        let isLast: Bool
        let isTCP: Bool
        let key: [UInt8]
    }

    private var waiting: [[UInt8]: Waiting] = [:]
    private var arrived = 0

    /// Hands over what this frame lets go on, with its size on the wire; the frame itself where it is no fragment.
    mutating func take(_ frame: RawSpan, wireSize: Int, at time: Instant, _ body: (RawSpan, Int) -> Void) {
        let bytes = Span<UInt8>(_bytes: frame)
        // Nearly every frame: IPv4 without more, an offset or a tag.
        if bytes.count >= 34, bytes[12] == 8, bytes[13] == 0, bytes[20] & 0x3f | bytes[21] == 0 { return body(frame, wireSize) }
        guard let place = Self.place(in: bytes) else { return body(frame, wireSize) }
        arrived += 1
        if waiting[place.key] == nil { makeRoom(at: time, body) }
        var entry =
            waiting.removeValue(forKey: place.key) ?? Waiting(since: time, order: arrived, network: place.network, isTCP: place.isTCP)
        let part = Part(
            offset: place.offset, isLast: place.isLast, header: Self.copy(bytes, 0..<place.payload),
            payload: Self.copy(bytes, place.payload..<place.end))
        let twin = entry.places.updateValue(entry.parts.count, forKey: part.offset)
        if let twin, entry.parts[twin].payload == part.payload, entry.parts[twin].isLast == part.isLast {
            entry.places[part.offset] = twin
            waiting[place.key] = entry
            return
        }
        entry.parts.append(part)
        entry.size += part.payload.count
        if part.isLast { entry.end = part.offset + part.payload.count }
        let isTooMuch = twin != nil || entry.size > Self.mostBytes || entry.parts.count > Self.mostParts
        guard entry.size >= entry.end || isTooMuch else {
            waiting[place.key] = entry
            return
        }
        guard !isTooMuch, let whole = Self.inOrder(entry.parts) else { return Self.hand(over: entry.parts, body) }
        if !entry.isTCP {
            let packet = Self.packet(entry, whole.flatMap(\.payload), more: false)
            guard let packet else { return Self.hand(over: entry.parts, body) }
            // Ours, and lent for this call only; so are the others below.
            return body(unsafe packet.span.bytes, packet.count)
        }
        Self.hand(over: Self.withWholeHeader(whole, entry), body)
    }

    /// The capture has ended, or something else has to wait: what is left goes on as it came.
    mutating func flush(_ body: (RawSpan, Int) -> Void) {
        for entry in waiting.values.sorted(by: { $0.order < $1.order }) { Self.hand(over: entry.parts, body) }
        waiting.removeAll()
    }

    private mutating func makeRoom(at time: Instant, _ body: (RawSpan, Int) -> Void) {
        guard let oldest = waiting.min(by: { $0.value.order < $1.value.order }) else { return }
        guard waiting.count >= Self.most || time - oldest.value.since > Self.patience else { return }
        waiting[oldest.key] = nil
        Self.hand(over: oldest.value.parts, body)
    }

    private static func hand(over parts: [Part], _ body: (RawSpan, Int) -> Void) {
        for part in parts {
            let frame = part.header + part.payload
            body(unsafe frame.span.bytes, frame.count)
        }
    }

    /// The parts by their offsets, if they leave no hole and do not overlap.
    private static func inOrder(_ parts: [Part]) -> [Part]? {
        var end = 0, ordered: [Part] = []
        for part in parts.sorted(by: { $0.offset < $1.offset }) {
            guard part.offset == end, ordered.last?.isLast != true else { return nil }
            ordered.append(part)
            end += part.payload.count
        }
        return ordered.last?.isLast == true ? ordered : nil
    }

    /// TCP's first fragment with as much of the next ones as its header needs, then the others.
    private static func withWholeHeader(_ parts: [Part], _ entry: Waiting) -> [Part] {
        var start: [UInt8] = [], taken = 0
        while taken < parts.count, start.count < 20 || start.count < Int(start[12] >> 4) * 4 {
            start += parts[taken].payload
            taken += 1
        }
        guard taken > 1, let frame = packet(entry, start, more: taken < parts.count, like: parts[0]) else { return parts }
        return [Part(offset: 0, isLast: taken == parts.count, header: frame, payload: [])] + parts[taken...]
    }

    /// A frame like the first part's, with this payload.
    private static func packet(_ entry: Waiting, _ payload: [UInt8], more: Bool, like first: Part? = nil) -> [UInt8]? {
        guard let first = first ?? entry.parts.first(where: { $0.offset == 0 }) else { return nil }
        var header = first.header
        let ip = entry.network, isFour = header[ip] >> 4 == 4, size = (isFour ? header.count - ip : header.count - ip - 40) + payload.count
        guard size <= mostBytes else { return nil }
        let lengthAt = ip + (isFour ? 2 : 4), flagsAt = isFour ? ip + 6 : header.count - 6
        (header[lengthAt], header[lengthAt + 1]) = (UInt8(size >> 8), UInt8(size & 255))
        (header[flagsAt], header[flagsAt + 1]) = (isFour && more ? 0x20 : 0, !isFour && more ? 1 : 0)
        return header + payload
    }

    /// Where the fragment lies; `nil` when it is none, or not all of it is here.
    private static func place(in bytes: Span<UInt8>) -> Place? {
        func word(_ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
        var at = 12
        while at + 4 <= bytes.count, [0x8100, 0x88a8, 0x9100].contains(word(at)) { at += 4 }
        guard at + 2 + 20 <= bytes.count else { return nil }
        let type = word(at), ip = at + 2
        if type == 0x0800 {
            let header = Int(bytes[ip] & 15) * 4, end = ip + word(ip + 2), flags = word(ip + 6)
            guard flags & 0x3fff != 0, bytes[ip] >> 4 == 4, header >= 20, end <= bytes.count, ip + header <= end else { return nil }
            let key = copy(bytes, ip + 12..<ip + 20) + [bytes[ip + 9], bytes[ip + 4], bytes[ip + 5]]
            return Place(
                network: ip, payload: ip + header, end: end, offset: (flags & 0x1fff) << 3, isLast: flags & 0x2000 == 0,
                isTCP: bytes[ip + 9] == 6, key: key)
        }
        guard type == 0x86dd, ip + 48 <= bytes.count, bytes[ip] >> 4 == 6, bytes[ip + 6] == 44 else { return nil }
        let end = ip + 40 + word(ip + 4), flags = word(ip + 42)
        guard end <= bytes.count, ip + 48 <= end else { return nil }
        let key = copy(bytes, ip + 8..<ip + 40) + copy(bytes, ip + 44..<ip + 48)
        return Place(
            network: ip, payload: ip + 48, end: end, offset: flags & 0xfff8, isLast: flags & 1 == 0, isTCP: bytes[ip + 40] == 6, key: key)
    }

    private static func copy(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] { range.map { bytes[$0] } }
}
