internal import CLinux

/// Capabilities of this thread.
package enum Capabilities {
    /// Gives up every capability of this thread and those it starts, for good.
    /// - Parameters:
    ///   - keep: by number, as `netAdmin`.
    ///   - passing: kept as well, to be given up soon (`Account.become`).
    package static func drop(keeping keep: [Int] = [], passing: [Int] = []) throws(Errno) {
        let result = weir_drop_capabilities(set(of: keep + passing), set(of: keep))
        guard result == 0 else { throw Errno(rawValue: -result) }
    }

    static func set(of numbers: [Int]) -> UInt64 { numbers.reduce(0) { $0 | 1 << UInt64($1) } }

    package static var held: UInt64 { UInt64(weir_capabilities()) }
    package static func has(_ capability: Int) -> Bool { held >> UInt64(capability) & 1 == 1 }
    package static let setGroup = 6, setUser = 7, netAdmin = 12, sysAdmin = 21, perfmon = 38, bpf = 39
}
