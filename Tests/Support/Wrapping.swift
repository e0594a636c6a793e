package import Vocabulary

/// What may be around a frame, or become of it, on its way here.
package enum Wrapping: String, CaseIterable, Sendable {
    case ipip, gre, greWithKey, nvgre, erspan1, erspan2, erspan3, vxlan, vxlanLinux, geneve, vxlanInVLAN
    case pppoe, pppoeShort, pppoeInVLAN, mpls, mplsStack, mplsInGRE, mplsInUDP, mplsInPPPoE, wire, wireWithControl, gtp, gtpWithSequence,
        gtpWithExtensions

    /// The frame (IPv4 in Ethernet) inside of the tunnel, behind headers of its own.
    package func around(_ frame: [UInt8]) -> [UInt8] {
        let packet = Array(frame[14...])
        switch self {
        case .ipip: return Self.outer(proto: 4, packet)
        case .gre: return Self.outer(proto: 47, [0, 0, 0x08, 0] + packet)
        case .greWithKey: return Self.outer(proto: 47, [0xb0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1] + packet)
        case .nvgre: return Self.outer(proto: 47, [0x20, 0, 0x65, 0x58, 0, 0, 9, 0] + frame)
        case .erspan1: return Self.outer(proto: 47, [0, 0, 0x88, 0xbe] + frame)
        case .erspan2: return Self.outer(proto: 47, [0x10, 0, 0x88, 0xbe, 0, 0, 0, 7] + [0x10, 0, 0, 1, 0, 0, 0, 0] + frame)
        case .erspan3:
            return Self.outer(
                proto: 47,
                [0x10, 0, 0x22, 0xeb, 0, 0, 0, 7] + [0x20, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 8) + frame)
        case .vxlan: return Self.udp(port: 4789, [8, 0, 0, 0, 0, 0, 5, 0] + frame)
        case .vxlanLinux: return Self.udp(port: 8472, [8, 0, 0, 0, 0, 0, 5, 0] + frame)
        case .geneve: return Self.udp(port: 6081, [1, 0, 0x65, 0x58, 0, 0, 5, 0] + [1, 2, 3, 0] + frame)
        case .vxlanInVLAN:
            let plain = Self.vxlan.around(frame)
            return Array(plain[..<12]) + [0x81, 0, 0, 7] + plain[12...]
        default: return provided(frame)
        }
    }

    /// Providers' ways, from their standards.
    private func provided(_ frame: [UInt8]) -> [UInt8] {
        let packet = Array(frame[14...]), addresses = Array(frame[..<12])
        func session(_ protocolNumber: [UInt8], _ packet: [UInt8]) -> [UInt8] {
            let size = protocolNumber.count + packet.count
            return [0x88, 0x64, 0x11, 0, 0, 7, UInt8(size >> 8), UInt8(size & 255)] + protocolNumber + packet
        }
        // Label 16, traffic class 5, time to live 64; the last has the bottom's bit.
        let label: [UInt8] = [0, 1, 0x0a, 64], bottom: [UInt8] = [0, 1, 0x0b, 64]
        switch self {
        case .pppoe: return addresses + session([0, 0x21], packet)
        case .pppoeShort: return addresses + session([0x21], packet)
        case .pppoeInVLAN: return addresses + [0x81, 0, 0, 9] + session([0, 0x21], packet)
        case .mpls: return addresses + [0x88, 0x47] + bottom + packet
        case .mplsStack: return addresses + [0x88, 0x48] + label + label + label + bottom + packet
        case .mplsInGRE: return Self.outer(proto: 47, [0, 0, 0x88, 0x47] + bottom + packet)
        case .mplsInUDP: return Self.udp(port: 6635, bottom + packet)
        case .mplsInPPPoE: return addresses + session([2, 0x81], bottom + packet)
        case .wire: return addresses + [0x88, 0x47] + label + bottom + frame
        case .wireWithControl: return addresses + [0x88, 0x47] + label + bottom + [0, 0, 0, 9] + frame
        case .gtp: return Self.udp(port: 2152, [0x30, 255] + Self.size(packet) + [0, 0, 0, 7] + packet)
        case .gtpWithSequence:
            return Self.udp(port: 2152, [0x32, 255] + Self.size([0, 0, 0, 0] + packet) + [0, 0, 0, 7, 0, 1, 0, 0] + packet)
        default:
            // A PDU session container (5G), and one that is longer.
            let extensions: [UInt8] = [0, 0, 0, 0x85, 1, 0x10, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0]
            return Self.udp(port: 2152, [0x34, 255] + Self.size(extensions + packet) + [0, 0, 0, 7] + extensions + packet)
        }
    }

    private static func size(_ content: [UInt8]) -> [UInt8] { [UInt8(content.count >> 8), UInt8(content.count & 255)] }

    package var tunnels: Tunnels {
        switch self {
        case .ipip: .ip
        case .gre, .greWithKey, .nvgre: .gre
        case .erspan1, .erspan2, .erspan3: .erspan
        case .vxlan, .vxlanLinux, .vxlanInVLAN: .vxlan
        case .geneve: .geneve
        case .pppoe, .pppoeShort, .pppoeInVLAN: .pppoe
        case .mpls, .mplsStack, .mplsInUDP, .wire, .wireWithControl: .mpls
        case .mplsInGRE: [.gre, .mpls]
        case .mplsInPPPoE: [.pppoe, .mpls]
        case .gtp, .gtpWithSequence, .gtpWithExtensions: .gtp
        }
    }

    private static func outer(proto: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let size = 20 + payload.count
        return [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x08, 0] + [
            0x45, 0, UInt8(size >> 8), UInt8(size & 255), 0, 0, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2
        ] + payload
    }

    private static func udp(port: UInt16, _ payload: [UInt8]) -> [UInt8] {
        let size = 8 + payload.count
        return outer(proto: 17, [0x30, 0x39, UInt8(port >> 8), UInt8(port & 255), UInt8(size >> 8), UInt8(size & 255), 0, 0] + payload)
    }
}

/// An IPv4 frame's datagram in fragments, each of at most `size` bytes (a multiple of eight).
package func fragments(of frame: [UInt8], size: Int, id: UInt16 = 77) -> [[UInt8]] {
    let payload = Array(frame[34...])
    return stride(from: 0, to: payload.count, by: size).map { start in
        let part = payload[start..<min(start + size, payload.count)], total = 20 + part.count,
            more: UInt8 = start + size < payload.count ? 0x20 : 0
        var header = Array(frame[..<34])
        (header[16], header[17]) = (UInt8(total >> 8), UInt8(total & 255))
        (header[18], header[19]) = (UInt8(id >> 8), UInt8(id & 255))
        (header[20], header[21]) = (more | UInt8((start / 8) >> 8), UInt8(start / 8 & 255))
        return header + part
    }
}

/// The same of an IPv6 frame without extension headers.
package func fragments6(of frame: [UInt8], size: Int, id: UInt8 = 77) -> [[UInt8]] {
    let payload = Array(frame[54...])
    return stride(from: 0, to: payload.count, by: size).map { start in
        let part = payload[start..<min(start + size, payload.count)], total = 8 + part.count,
            more: UInt8 = start + size < payload.count ? 1 : 0
        var header = Array(frame[..<54])
        (header[18], header[19], header[20]) = (UInt8(total >> 8), UInt8(total & 255), 44)
        return header + [6, 0, UInt8(start >> 8), UInt8(start & 255) | more, 0, 0, 0, id] + part
    }
}
