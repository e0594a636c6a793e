internal import CLinux

/// Capabilities of this thread.
package enum Capabilities {
    /// Gives up every capability of this thread and those it starts, for good.
    /// - Parameter keep: by number, as `netAdmin`.
    package static func drop(keeping keep: [Int] = []) throws(Errno) {
        let result = weir_drop_capabilities(keep.reduce(0) { $0 | 1 << UInt64($1) })
        guard result == 0 else { throw Errno(rawValue: -result) }
    }

    package static var held: UInt64 { UInt64(weir_capabilities()) }
    package static func has(_ capability: Int) -> Bool { held >> UInt64(capability) & 1 == 1 }
    package static let netAdmin = 12, sysAdmin = 21, perfmon = 38, bpf = 39
}
