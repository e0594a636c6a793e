internal import CLinux
internal import Glibc
package import Units
internal import Vocabulary

/// A network interface of this namespace.
package struct Interface: Hashable, Sendable {
    package let name: String
    package let index: UInt32

    package init(name: String, index: UInt32) {
        self.name = name
        self.index = index
    }
}

/// An interface as the kernel describes it.
package struct Link: Sendable {
    /// What its frames begin with, by its type (ARPHRD_* of linux/if_arp.h).
    package enum Kind: Sendable, Equatable {
        /// An Ethernet header. Loopback has one as well.
        case ethernet
        /// The IP header: tun, WireGuard, tunnels, PPP.
        case ip
        /// Something that we do not read.
        case unreadable
    }

    package let interface: Interface
    package let type: UInt16
    package let isUp: Bool
    package let isLoopback: Bool
    /// A card, or what a hypervisor gives out as one.
    package let isHardware: Bool
    /// The bridge or bond that it belongs to; 0 without one.
    package let master: UInt32
    /// Frames that it has received and sent.
    package let frames: UInt64

    fileprivate init(_ link: weir_link) {
        func has(_ flag: Int) -> Bool { link.flags & UInt32(flag) != 0 }
        interface = Interface(name: Interfaces.text(link.name), index: link.index)
        type = UInt16(truncatingIfNeeded: link.type)
        isUp = has(IFF_UP)
        isLoopback = has(IFF_LOOPBACK)
        isHardware = link.is_hardware != 0
        master = link.master
        frames = link.received &+ link.sent
    }

    package var kind: Kind { Self.kind(ofType: type) }

    package static func kind(ofType type: UInt16) -> Kind {
        switch Int32(type) {
        case ARPHRD_ETHER, ARPHRD_LOOPBACK: .ethernet
        // ARPHRD_IP6GRE and ARPHRD_RAWIP, which the C library's header does not have.
        case ARPHRD_NONE, ARPHRD_TUNNEL, ARPHRD_TUNNEL6, ARPHRD_SIT, ARPHRD_IPGRE, ARPHRD_PPP, 823, 519: .ip
        default: .unreadable
        }
    }
}

package enum Interfaces {
    /// All there are now, in the kernel's order.
    package static func links() throws(Errno) -> [Link] {
        var list: UnsafeMutablePointer<weir_link>?
        let count = unsafe weir_links(&list)
        guard count >= 0 else { throw Errno(rawValue: -count) }
        defer { unsafe free(list) }
        return unsafe Array(UnsafeBufferPointer(start: list, count: Int(count))).map { Link($0) }
    }

    package static func exists(_ index: UInt32) -> Bool {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) {
            unsafe if_indextoname(index, $0.baseAddress!) != nil
        }
    }

    /// As `links`; none when the kernel does not say.
    package static var all: [Interface] { ((try? links()) ?? []).map(\.interface) }

    /// Whether one of the shell patterns matches a name.
    package static func matches(_ name: String, _ patterns: [String]) -> Bool { patterns.contains { unsafe fnmatch($0, name, 0) == 0 } }

    /// Those whose name matches one of the shell patterns.
    package static func matching(_ patterns: [String]) -> [Interface] { all.filter { matches($0.name, patterns) } }

    /// Filters on one hook of an interface's clsact qdisc, in the order in which they run.
    package static func filters(on index: UInt32, egress: Bool) throws(Errno) -> [Filter] {
        var list: UnsafeMutablePointer<weir_filter>?
        let count = unsafe weir_filters(CInt(index), egress ? 1 : 0, &list)
        guard count >= 0 else { throw Errno(rawValue: -count) }
        defer { unsafe free(list) }
        return unsafe Array(UnsafeBufferPointer(start: list, count: Int(count))).map { filter in
            Filter(
                priority: filter.priority, handle: filter.handle, program: filter.program, kind: text(filter.kind), name: text(filter.name))
        }
    }

    /// Filters of anybody on an interface's clsact qdisc; `nil` when the kernel does not say.
    package static func clsactFilters(on index: UInt32) -> Int? {
        guard let inward = try? filters(on: index, egress: false), let outward = try? filters(on: index, egress: true) else { return nil }
        return inward.count + outward.count
    }

    /// A field of a C structure: text up to its first zero.
    fileprivate static func text<Field>(_ field: Field) -> String {
        unsafe withUnsafeBytes(of: field) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Every address that this namespace has.
    package static var addresses: [Address] { withMasks.map(\.address) }

    /// The networks that its addresses lie in; one that stands alone is a network of one.
    package static var networks: [Prefix] {
        withMasks.compactMap { address, mask in
            guard let mask else { return nil }
            // An IPv4 mask is an address of IPv4, whose 96 bits before it do not count.
            let ones =
                mask.isIPv4
                ? 96 + UInt32(truncatingIfNeeded: mask.low).nonzeroBitCount : mask.high.nonzeroBitCount + mask.low.nonzeroBitCount
            return Prefix(address, length: ones)
        }
    }

    private static var withMasks: [(address: Address, mask: Address?)] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var found: [(address: Address, mask: Address?)] = []
        var entry = unsafe list
        while let here = unsafe entry {
            unsafe entry = here.pointee.ifa_next
            guard let address = unsafe address(here.pointee.ifa_addr) else { continue }
            unsafe found.append((address, Self.address(here.pointee.ifa_netmask)))
        }
        return found
    }

    private static func address(_ socket: UnsafeMutablePointer<sockaddr>?) -> Address? {
        guard let socket = unsafe socket else { return nil }
        var text = [CChar](repeating: 0, count: 64)
        // The text is numeric, and as long as the buffer at most; a zone (`%eth0`) is of no use to us.
        let size = unsafe socket.pointee.sa_family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        guard unsafe socket.pointee.sa_family == AF_INET || socket.pointee.sa_family == AF_INET6,
            unsafe getnameinfo(socket, socklen_t(size), &text, 64, nil, 0, NI_NUMERICHOST) == 0
        else { return nil }
        return Address(String(decoding: text.prefix { $0 != 0 && $0 != 37 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}

/// A filter of anybody on a clsact hook. They run by priority, the newest of one priority first.
package struct Filter: Sendable, Equatable {
    package let priority: UInt32
    package let handle: UInt32
    /// The BPF program's id; 0 where it is none.
    package let program: UInt32
    package let kind: String
    package let name: String
}
