internal import CLinux
internal import Glibc

/// Wakes its owner when an interface comes or goes (rtnetlink(7), RTMGRP_LINK). What there is then, `Interfaces` tells:
/// so a message that is lost is only a wake-up that is lost.
package struct LinkEvents: ~Copyable {
    private let descriptor: FileDescriptor

    package init() throws(Errno) { descriptor = try FileDescriptor(owning: weir_link_events()) }

    /// For the caller's epoll; it stays ours.
    package var eventDescriptor: CInt { descriptor.rawValue }

    package func take() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 8) { buffer in
            while unsafe recv(descriptor.rawValue, buffer.baseAddress, buffer.count, CInt(MSG_DONTWAIT)) > 0 {}
        }
    }
}

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
