internal import Glibc

/// The two clocks of the kernel. Nanoseconds.
package enum Clock {
    /// What BPF's `bpf_ktime_get_ns` reads.
    package static var monotonic: UInt64 { UInt64(bitPattern: read(CLOCK_MONOTONIC)) }
    /// Since the Unix epoch, UTC.
    package static var wall: Int64 { read(CLOCK_REALTIME) }
    /// Since the Unix epoch.
    package static var wallSeconds: Int64 { wall / 1_000_000_000 }
    /// CPU time of the calling thread.
    package static var threadCPU: UInt64 { UInt64(bitPattern: read(CLOCK_THREAD_CPUTIME_ID)) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
