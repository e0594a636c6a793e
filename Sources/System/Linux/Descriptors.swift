internal import CLinux
internal import Glibc

/// Open files of this process.
package enum Descriptors {
    /// Raises the limit to `wanted`, as far as the hard one lets it. What it is now.
    @discardableResult
    package static func raise(to wanted: UInt32) -> Int { Int(weir_raise_descriptors(wanted)) }

    /// So few are allowed that what happens at once elsewhere has to happen in turn (RLIMIT_NOFILE).
    package static var areFew: Bool { weir_raise_descriptors(0) < 4096 }

    /// How many more this process may open.
    package static var left: Int {
        let limit = Int(weir_raise_descriptors(0))
        guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(folder) }
        var used = 0
        while unsafe readdir(folder) != nil { used += 1 }
        return limit - used
    }

    /// Closes them without waiting for what closing takes: the kernel's collector does it behind us.
    /// False when it could not be asked to; then they are all still open.
    package static func abandon(_ descriptors: [CInt]) -> Bool { unsafe weir_abandon(descriptors, CInt(descriptors.count)) == 0 }

    package static func close(_ descriptors: [CInt]) {
        for descriptor in descriptors { _ = Glibc.close(descriptor) }
    }
}

/// The kernel's grace periods, expedited for a while (`/sys/kernel/rcu_expedited`): a TCX program then comes or goes in 0.1 ms instead
/// of 9 to 16.
///
/// The kernel waits for each under its one lock for networks, so threads of ours win nothing, and everybody else who changes an
/// interface waits with us. The
/// switch is the whole machine's, so it is for bursts, and goes back to what it was, also when this process is killed in between.
package enum GracePeriods {
    /// Opens the switch for later: only root may open it, and whoever has it open may use it.
    package static func keepSwitch() { weir_keep_expedited() }

    /// - Parameter body: is told whether they are.
    package static func expedited<Result>(_ body: (Bool) -> Result) -> Result {
        var guardian: CInt = -1
        let child = unsafe weir_expedite(&guardian)
        defer { weir_unexpedite(child, guardian) }
        return body(child >= 0)
    }
}
