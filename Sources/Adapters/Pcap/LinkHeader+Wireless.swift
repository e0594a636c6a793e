extension Span<UInt8> {
    /// radiotap.org: version, length, bits that say which fields are there. One of these says how the frame lies.
    func radiotap(_ at: Int) -> LinkHeader {
        guard count >= at + 8 else { return .unread(.cut) }
        let size = little(at + 2)
        guard self[at] == 0, size >= 8 else { return .unread(.damaged) }
        guard at + size <= count else { return .unread(.cut) }
        let present = littleLong(at + 4)
        var field = at + 8, last = present
        // More words of bits, while bit 31 says so.
        while last >> 31 == 1 {
            guard field + 4 <= at + size else { return .unread(.damaged) }
            last = littleLong(field)
            field += 4
        }
        var flags: UInt8 = 0
        if present & 2 != 0 {
            // The timer before them has eight bytes, aligned.
            if present & 1 != 0 { field = at + (field - at + 7) & ~7 + 8 }
            guard field < at + size else { return .unread(.damaged) }
            flags = self[field]
        }
        // 0x40: the frame's checksum was wrong. 0x20: its header is padded to a multiple of four bytes.
        return flags & 0x40 != 0 ? .unread(.damaged) : wireless(at + size, isPadded: flags & 0x20 != 0)
    }

    /// Prism's header says its own length, in either order; where it has AVS' number it is that one's.
    func prism(_ at: Int) -> LinkHeader {
        guard count >= at + 8 else { return .unread(.cut) }
        let size = long(at) >> 12 == 0x80211 || littleLong(at + 4) > long(at + 4) ? long(at + 4) : littleLong(at + 4)
        return wireless(at + Int(size), isPadded: false)
    }

    /// IEEE 802.11 section 9.2: of data frames what is neither a fragment nor encrypted.
    func wireless(_ at: Int, isPadded: Bool) -> LinkHeader {
        guard count >= at + 2 else { return .unread(.cut) }
        let control = self[at], flags = self[at + 1], hasQuality = control & 0x80 != 0
        guard control & 0x0f == 8, control & 0x40 == 0 else { return control & 3 == 0 ? .nothing : .unread(.damaged) }
        var header = 24
        if flags & 3 == 3 { header += 6 }
        let quality = at + header
        if hasQuality { header += 2 }
        if hasQuality, flags & 0x80 != 0 { header += 4 }
        if isPadded { header = (header + 3) & ~3 }
        guard count >= at + header else { return .unread(.cut) }
        if flags & 0x40 != 0 { return .unread(.encrypted) }
        if flags & 4 != 0 || self[at + 22] & 0x0f != 0 { return .unread(.fragment) }
        if hasQuality, self[quality] & 0x80 != 0 { return .several(start: at + header) }
        return llc(at + header)
    }
}
