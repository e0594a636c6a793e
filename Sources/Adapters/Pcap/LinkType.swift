internal import CPcap

extension Capture {
    /// What stands before the packets, by libpcap's numbers (tcpdump.org/linktypes.html).
    package enum LinkType: Sendable, Equatable {
        case ethernet, rawIP, linuxCooked, linuxCooked2
        /// Four bytes of address family, in the recording machine's byte order or in the network's.
        case loopback
        /// PPP, with or without HDLC's address and control bytes.
        case ppp
        /// PPP in HDLC's frames, or Cisco's HDLC: the first byte tells.
        case pppSerial
        /// A byte of direction, then as `ppp`; pppd's own has it in the address' place.
        case pppWithDirection, pppOfDaemon
        /// A PPPoE header.
        case pppoe
        case ciscoHDLC, ciscoHDLCWithDirection
        case fddi
        /// 802.11, and with the headers that receivers put before it.
        case wireless, radiotap, prism, avs
        case nflog
        /// A header that names another link type.
        case ppi
        case other(CInt)
    }
}

extension Capture.LinkType {
    /// Those that `nextEthernet` can put behind an Ethernet header.
    package static let readable: [Capture.LinkType] = [
        .ethernet, .rawIP, .linuxCooked, .linuxCooked2, .loopback, .ppp, .pppSerial, .pppWithDirection, .pppOfDaemon, .pppoe, .ciscoHDLC,
        .ciscoHDLCWithDirection, .fddi, .wireless, .radiotap, .prism, .avs, .nflog, .ppi
    ]

    init(_ value: CInt) {
        switch value {
        case DLT_EN10MB: self = .ethernet
        // DLT_RAW is 12, or 14 on OpenBSD, and 101 in files; 228 and 229 are IPv4's and IPv6's own.
        case DLT_RAW, 14, 101, 228, 229: self = .rawIP
        // OpenBSD's DLT_LOOP is 12 in its own headers only; files say 108.
        case DLT_NULL, 108: self = .loopback
        case DLT_LINUX_SLL: self = .linuxCooked
        case DLT_LINUX_SLL2: self = .linuxCooked2
        case DLT_PPP: self = .ppp
        case DLT_PPP_SERIAL: self = .pppSerial
        case DLT_PPP_WITH_DIR: self = .pppWithDirection
        case DLT_PPP_PPPD: self = .pppOfDaemon
        case DLT_PPP_ETHER: self = .pppoe
        case DLT_C_HDLC: self = .ciscoHDLC
        case DLT_C_HDLC_WITH_DIR: self = .ciscoHDLCWithDirection
        case DLT_FDDI: self = .fddi
        case DLT_IEEE802_11: self = .wireless
        case DLT_IEEE802_11_RADIO: self = .radiotap
        case DLT_PRISM_HEADER: self = .prism
        case DLT_IEEE802_11_RADIO_AVS: self = .avs
        case DLT_NFLOG: self = .nflog
        case DLT_PPI: self = .ppi
        default: self = .other(value)
        }
    }

    package var name: String {
        switch self {
        case .ethernet: "Ethernet"
        case .rawIP: "raw IP"
        case .linuxCooked, .linuxCooked2: "Linux cooked (-i any)"
        case .loopback: "BSD loopback"
        case .ppp, .pppSerial, .pppWithDirection, .pppOfDaemon: "PPP"
        case .pppoe: "PPPoE"
        case .ciscoHDLC, .ciscoHDLCWithDirection: "Cisco HDLC"
        case .fddi: "FDDI"
        case .wireless, .radiotap, .prism, .avs: "802.11"
        case .nflog: "NFLOG"
        case .ppi: "PPI"
        case .other(let value): unsafe pcap_datalink_val_to_name(value).map { unsafe String(cString: $0) } ?? "unknown (\(value))"
        }
    }
}
