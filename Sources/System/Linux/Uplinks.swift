internal import CLinux
internal import Glibc
package import Units

/// Where a node meets the world: interfaces that default routes leave by, and those that only look so.
package struct Uplinks: Sendable {
    /// Every next hop of a default route, of either family and any table. Two halves of everything (0.0.0.0/1 and 128.0.0.0/1) are a
    /// default route as well.
    package let routed: [Link]
    /// Not among these, and yet a way out, with the reason to think so.
    package let alike: [(link: Link, why: String)]

    package var all: [(link: Link, why: String)] { routed.map { (link: $0, why: "a default route leaves by it") } + alike }
}

extension Interfaces {
    private struct Route {
        let interface: UInt32
        let table: UInt32
        let isSix: Bool
        let length: UInt8
        let hasGateway: Bool
        let destination: Address
    }

    /// All of either family and any table, one for each next hop. Of those that lead on to somewhere one for each interface is certain
    /// to be there.
    private static func routes() throws(Errno) -> [Route] {
        var list: UnsafeMutablePointer<weir_route>?
        let count = unsafe weir_routes(&list)
        guard count >= 0 else { throw Errno(rawValue: -count) }
        defer { unsafe free(list) }
        let found = unsafe Array(UnsafeBufferPointer(start: list, count: Int(count)))
        let objects = found.contains { $0.interface == 0 } ? try nextHops() : [:]
        var routes: [Route] = []
        for route in found {
            let isSix = route.family == AF_INET6
            let destination = unsafe withUnsafeBytes(of: route.destination) { bytes in
                let high = unsafe bytes.loadUnaligned(as: UInt64.self).bigEndian
                let low = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
                return isSix ? Address(high: high, low: low) : Address(ipv4: UInt32(high >> 32))
            }
            for interface in route.interface == 0 ? objects[route.object] ?? [] : [route.interface] {
                routes.append(
                    Route(
                        interface: interface, table: route.table, isSix: isSix, length: route.length,
                        hasGateway: route.has_gateway != 0 || route.object != 0, destination: destination))
            }
        }
        return routes
    }

    /// Interfaces of each next hop object. A group's members are single ones.
    private static func nextHops() throws(Errno) -> [UInt32: [UInt32]] {
        var list: UnsafeMutablePointer<weir_nexthop>?
        let count = unsafe weir_nexthops(&list)
        guard count >= 0 else { throw Errno(rawValue: -count) }
        defer { unsafe free(list) }
        var single: [UInt32: [UInt32]] = [:], groups: [(id: UInt32, member: UInt32)] = []
        for hop in unsafe Array(UnsafeBufferPointer(start: list, count: Int(count))) {
            if hop.member != 0 { groups.append((hop.id, hop.member)) } else if hop.interface != 0 { single[hop.id] = [hop.interface] }
        }
        var all = single
        for group in groups { all[group.id, default: []] += single[group.member] ?? [] }
        return all
    }

    package static func uplinks() throws(Errno) -> Uplinks { try uplinks(among: links()) }

    package static func uplinks(among links: [Link]) throws(Errno) -> Uplinks {
        let routes = try routes()
        let outer = Set(routes.lazy.filter { $0.length <= 1 }.map(\.interface))
        let gateways = Set(routes.lazy.filter(\.hasGateway).map(\.interface))
        let candidates = links.filter { !$0.isLoopback }
        return Uplinks(
            routed: candidates.filter { outer.contains($0.interface.index) },
            alike: candidates.compactMap { link in
                guard !outer.contains(link.interface.index) else { return nil }
                if gateways.contains(link.interface.index) { return (link, "a route by a gateway leaves by it") }
                return link.isHardware && link.isUp && link.master == 0 ? (link, "it is a network card and up") : nil
            })
    }

    /// Networks that this namespace reaches directly by an interface that no default route leaves by: a node's pods, behind their bridge
    /// or one by one.
    package static var attachedNetworks: [Prefix] {
        guard let routes = try? routes() else { return [] }
        // Loopback is the first interface of every namespace (include/net/net_namespace.h, LOOPBACK_IFINDEX).
        let outer = Set(routes.lazy.filter { $0.length <= 1 }.map(\.interface)), loopback: UInt32 = 1, main: UInt32 = 254
        return routes.compactMap { route in
            guard route.table == main, route.length > 0, !route.hasGateway,
                !outer.contains(route.interface), route.interface != loopback
            else { return nil }
            // Link-local and multicast are no pods.
            if route.isSix, route.destination.high >> 48 == 0xff00 || route.destination.high >> 54 == 0x3fa { return nil }
            return Prefix(route.destination, length: Int(route.length) + (route.isSix ? 0 : 96))
        }
    }
}
