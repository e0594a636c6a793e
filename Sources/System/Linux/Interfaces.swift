internal import CLinux
internal import Glibc
package import Wire

/// A network interface of this namespace.
package struct Interface: Hashable, Sendable {
    package let name: String
    package let index: UInt32

    package init(name: String, index: UInt32) {
        self.name = name
        self.index = index
    }
}

package enum Interfaces {
    /// All there are now.
    package static var all: [Interface] {
        guard let list = unsafe if_nameindex() else { return [] }
        defer { unsafe if_freenameindex(list) }
        var found: [Interface] = []
        var entry = unsafe list
        while unsafe entry.pointee.if_index != 0, let name = unsafe entry.pointee.if_name {
            unsafe found.append(Interface(name: String(cString: name), index: entry.pointee.if_index))
            unsafe entry += 1
        }
        return found
    }

    /// Those whose name matches one of the shell patterns.
    package static func matching(_ patterns: [String]) -> [Interface] {
        all.filter { interface in patterns.contains { unsafe fnmatch($0, interface.name, 0) == 0 } }
    }

    /// Those that default routes of either family leave by (`/proc/net/route`, `/proc/net/ipv6_route`).
    package static var ofDefaultRoutes: [Interface] {
        var names: Set<String> = []
        for line in lines("/proc/net/route").dropFirst() {
            let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            if fields.count > 7, fields[1] == "00000000", fields[7] == "00000000" { names.insert(String(fields[0])) }
        }
        for line in lines("/proc/net/ipv6_route") {
            let fields = line.split(separator: " ")
            if fields.count == 10, fields[0].allSatisfy({ $0 == "0" }), fields[1] == "00", fields[9] != "lo" { names.insert(String(fields[9])) }
        }
        return all.filter { names.contains($0.name) }
    }

    /// Filters of anybody on an interface's clsact qdisc; `nil` when the kernel does not say.
    package static func clsactFilters(on index: UInt32) -> Int? {
        let count = weir_clsact_filters(CInt(index))
        return count < 0 ? nil : Int(count)
    }

    /// Every address that this namespace has.
    package static var addresses: [Address] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var found: [Address] = []
        var entry = unsafe list
        while let here = unsafe entry {
            unsafe entry = here.pointee.ifa_next
            guard let address = unsafe here.pointee.ifa_addr else { continue }
            var text = [CChar](repeating: 0, count: 64)
            // The text is numeric, and as long as the buffer at most; a zone (`%eth0`) is of no use to us.
            let size = unsafe address.pointee.sa_family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
            guard unsafe address.pointee.sa_family == AF_INET || address.pointee.sa_family == AF_INET6,
                  unsafe getnameinfo(address, socklen_t(size), &text, 64, nil, 0, NI_NUMERICHOST) == 0 else { continue }
            let name = String(decoding: text.prefix { $0 != 0 && $0 != 37 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if let parsed = Address(name) { found.append(parsed) }
        }
        return found
    }

    /// Networks that this namespace reaches directly by an interface that no default route leaves by: a node's pods, behind their bridge or one by one.
    package static var attachedNetworks: [Prefix] {
        let outer = Set(ofDefaultRoutes.map(\.name)), up: UInt32 = 1, gateway: UInt32 = 2
        var found: [Prefix] = []
        for line in lines("/proc/net/route").dropFirst() {
            let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard fields.count > 7, !outer.contains(String(fields[0])), let flags = UInt32(fields[3], radix: 16), flags & up != 0, flags & gateway == 0,
                  let network = UInt32(fields[1], radix: 16), let mask = UInt32(fields[7], radix: 16), mask != 0 else { continue }
            // As they lie in memory: the kernel prints network order as a number of this machine.
            found.append(Prefix(Address(ipv4: network.byteSwapped), length: 96 + mask.nonzeroBitCount))
        }
        for line in lines("/proc/net/ipv6_route") {
            let fields = line.split(separator: " ")
            guard fields.count == 10, fields[9] != "lo", !outer.contains(String(fields[9])), let length = UInt8(fields[1], radix: 16), length > 0, length <= 128,
                  let flags = UInt32(fields[8], radix: 16), flags & up != 0, flags & gateway == 0,
                  let high = UInt64(fields[0].prefix(16), radix: 16), let low = UInt64(fields[0].suffix(16), radix: 16) else { continue }
            // Link-local and multicast are no pods.
            guard high >> 48 != 0xff00, high >> 54 != 0x3fa else { continue }
            found.append(Prefix(Address(high: high, low: low), length: Int(length)))
        }
        return found
    }

    private static func lines(_ path: String) -> [Substring] {
        (File.read(path, limit: 1 << 20) ?? "").split(separator: "\n")
    }
}

package enum File {
    /// A file's text, up to `limit` bytes; `nil` when it cannot be read.
    package static func read(_ path: String, limit: Int) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        unsafe withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 8) { buffer in
            while bytes.count < limit {
                let count = unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                unsafe bytes.append(contentsOf: buffer.prefix(count))
            }
        }
        return String(decoding: bytes.prefix(limit), as: UTF8.self)
    }

    /// Writes a file whole, or anew; false when it cannot be.
    package static func write(_ path: String, _ bytes: [UInt8]) -> Bool {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count
    }
}
