/// What a frame's link header says of the bytes behind it.
enum LinkHeader: Equatable {
    /// A packet of that EtherType begins there.
    case packet(start: Int, type: UInt16)
    /// An Ethernet frame does.
    case ethernet(start: Int)
    /// Several, each with a header of its own (802.11's A-MSDU).
    case several(start: Int)
    /// Nothing, as in a beacon.
    case nothing
    case unread(Capture.Unread.Cause)
}

/// A frame's bytes, read as libpcap describes its link type. Every offset is compared with the size before it is read.
extension Span<UInt8> {
    func word(_ at: Int) -> UInt16 { UInt16(self[at]) << 8 | UInt16(self[at + 1]) }
    func little(_ at: Int) -> Int { Int(word(at).byteSwapped) }
    func long(_ at: Int) -> UInt32 { UInt32(word(at)) << 16 | UInt32(word(at + 2)) }
    func littleLong(_ at: Int) -> UInt32 { long(at).byteSwapped }

    /// - Parameter bigEndian: the recording machine's byte order, where a header has its numbers in that.
    func header(_ type: Capture.LinkType, bigEndian: Bool) -> LinkHeader {
        switch type {
        case .ethernet: return .ethernet(start: 0)
        case .linuxCooked: return count >= 16 ? packet(16, word(14)) : .unread(.cut)
        case .linuxCooked2: return count >= 20 ? packet(20, word(0)) : .unread(.cut)
        case .rawIP: return version(0)
        case .loopback: return loopback()
        case .ppp: return ppp(0)
        case .pppSerial: return count > 0 && self[0] & 0x7f == 0x0f ? hdlc(0) : ppp(0)
        case .pppWithDirection: return ppp(1)
        case .pppOfDaemon: return ppp(2)
        case .pppoe: return count >= 6 ? ppp(6) : .unread(.cut)
        case .ciscoHDLC: return hdlc(0)
        case .ciscoHDLCWithDirection: return hdlc(1)
        // One byte that says what frame it is, two addresses.
        case .fddi: return count < 13 ? .unread(.cut) : self[0] & 0xf0 == 0x50 || self[0] & 0xf0 == 0xd0 ? llc(13) : .nothing
        case .wireless: return wireless(0, isPadded: false)
        case .radiotap: return radiotap(0)
        case .prism: return prism(0)
        case .avs: return count >= 8 ? wireless(Int(long(4)), isPadded: false) : .unread(.cut)
        case .nflog: return nflog(bigEndian: bigEndian)
        case .ppi: return ppi()
        case .other: return .unread(.other)
        }
    }

    /// Of numbers up to 1,500 none is an EtherType.
    private func packet(_ start: Int, _ type: UInt16) -> LinkHeader { type > 1500 ? .packet(start: start, type: type) : .unread(.other) }

    /// A packet that begins with its IP version.
    private func version(_ start: Int) -> LinkHeader {
        guard start < count else { return .unread(.cut) }
        switch self[start] >> 4 {
        case 4: return .packet(start: start, type: 0x0800)
        case 6: return .packet(start: start, type: 0x86dd)
        default: return .unread(.other)
        }
    }

    private func loopback() -> LinkHeader {
        guard count > 4 else { return .unread(.cut) }
        // AF_INET is 2 everywhere; AF_INET6 is 10, 24, 28 or 30, by the system that recorded.
        let family = word(0) == 0 ? word(2) : word(2) == 0 ? word(0).byteSwapped : 0
        return [2, 10, 24, 28, 30].contains(family) ? version(4) : .unread(.other)
    }

    /// RFC 1661 and 1662: address and control may be there, and the protocol may be one byte long.
    private func ppp(_ start: Int) -> LinkHeader {
        var at = start
        if at + 2 <= count, self[at] == 0xff, self[at + 1] == 3 { at += 2 }
        guard at < count else { return .unread(.cut) }
        let isShort = self[at] & 1 == 1
        guard isShort || at + 2 <= count else { return .unread(.cut) }
        let type = isShort ? UInt16(self[at]) : word(at), next = at + (isShort ? 1 : 2)
        switch type {
        case 0x0021: return .packet(start: next, type: 0x0800)
        case 0x0057: return .packet(start: next, type: 0x86dd)
        case 0x0281: return .packet(start: next, type: 0x8847)
        case 0x0283: return .packet(start: next, type: 0x8848)
        // Headers left out, or all of it compressed or encrypted (RFC 1144, 3241, 1962, 1968, 1990).
        case 0x002d, 0x002f, 0x0003, 0x0005, 0x003d, 0x0053, 0x0055, 0x00fb, 0x00fd: return .unread(.encrypted)
        default: return type >= 0x4000 ? .nothing : .unread(.other)
        }
    }

    /// RFC 1547 section 4.3.1: address, control, EtherType.
    private func hdlc(_ start: Int) -> LinkHeader {
        count >= start + 4 ? packet(start + 4, word(start + 2)) : .unread(.cut)
    }

    /// IEEE 802.2, with SNAP or with IP's own access point.
    func llc(_ at: Int) -> LinkHeader {
        guard count >= at + 3 else { return .unread(.cut) }
        if self[at] == 6, self[at + 1] == 6, self[at + 2] == 3 { return version(at + 3) }
        guard self[at] == 0xaa, self[at + 1] == 0xaa, self[at + 2] == 3 else { return .unread(.other) }
        guard count >= at + 8 else { return .unread(.cut) }
        // RFC 1042's, and 802.1H's for what a bridge has turned over.
        let owner = long(at + 2) & 0xff_ffff
        return owner == 0 || owner == 0xf8 ? packet(at + 8, word(at + 6)) : .unread(.other)
    }

    /// Attributes of netfilter's, with lengths in the recording machine's order; the packet is one of them (NFULA_PAYLOAD).
    private func nflog(bigEndian: Bool) -> LinkHeader {
        var at = 4
        while at + 4 <= count {
            let length = bigEndian ? Int(word(at)) : little(at)
            guard length >= 4 else { return .unread(.damaged) }
            if (bigEndian ? Int(word(at + 2)) : little(at + 2)) & 0x7fff == 9 { return version(at + 4) }
            at += (length + 3) & ~3
        }
        return at <= 4 || at > count ? .unread(.cut) : .nothing
    }

    /// PPI: version, flags, length, and the link type of what follows.
    private func ppi() -> LinkHeader {
        guard count >= 8 else { return .unread(.cut) }
        let start = little(2), inner = Capture.LinkType(CInt(truncatingIfNeeded: littleLong(4)))
        guard self[0] == 0, start >= 8 else { return .unread(.damaged) }
        guard start <= count else { return .unread(.cut) }
        if inner == .ppi { return .unread(.other) }
        // The field that 802.11 has in common says whether the frame's checksum was wrong, or its reception.
        var at = 8
        while at + 4 <= start {
            if little(at) == 2, at + 14 <= start, little(at + 12) & 0xc != 0 { return .unread(.damaged) }
            at += 4 + little(at + 2)
        }
        let found = extracting(droppingFirst: start).header(inner, bigEndian: false)
        switch found {
        case .packet(let next, let type): return .packet(start: start + next, type: type)
        case .ethernet(let next): return .ethernet(start: start + next)
        case .several(let next): return .several(start: start + next)
        case .nothing, .unread: return found
        }
    }
}
