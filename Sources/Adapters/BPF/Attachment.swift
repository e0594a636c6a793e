internal import CBPF
internal import Glibc
internal import Linux

/// The probe on one interface, in both directions; gone when its owner lets go.
///
/// A TCX link belongs to the process and dies with it, `kill -9` included. Where TCX is missing (before Linux 6.6) a
/// clsact filter does the same work, but outlives a kill: the next start replaces it.
@safe package struct Attachment: ~Copyable {
    package enum Method: String, Sendable, CaseIterable { case tcx, clsact }

    package let interface: UInt32
    package let method: Method
    private var ingress: CInt
    private var egress: CInt
    private let madeHook: Bool

    /// - Parameter method: `nil` takes TCX and falls back.
    package init(_ probe: borrowing KernelProbe, interface: UInt32, name: String, enforcing: Bool, method: Method? = nil) throws(ProbeError) {
        let programs = Self.programs(probe, enforcing: enforcing)
        var links: (ingress: CInt, egress: CInt)?
        if method != .clsact { links = try Self.link(CInt(interface), programs, name, mayFallBack: method == nil) }
        madeHook = links == nil ? try Self.filter(CInt(interface), programs, name) : false
        self.interface = interface
        self.method = links == nil ? .clsact : .tcx
        ingress = links?.ingress ?? -1
        egress = links?.egress ?? -1
    }

    /// Which way a frame goes is known by the program that sees it.
    private static func programs(_ probe: borrowing KernelProbe, enforcing: Bool) -> (ingress: CInt, egress: CInt) {
        let mode: KernelProbe.Mode = enforcing ? .enforcing : .observing
        return (probe.descriptor(of: mode.ingress), probe.descriptor(of: mode.egress))
    }

    private static func link(_ interface: CInt, _ programs: (ingress: CInt, egress: CInt), _ name: String, mayFallBack: Bool) throws(ProbeError) -> (CInt, CInt)? {
        let ingress = weir_tcx_attach(interface, 0, programs.ingress)
        guard ingress >= 0 else {
            let error = Errno(rawValue: -ingress)
            if mayFallBack, error.rawValue == EINVAL || error.rawValue == EOPNOTSUPP { return nil }
            throw refusal(error, name)
        }
        let egress = weir_tcx_attach(interface, 1, programs.egress)
        guard egress >= 0 else {
            close(ingress)
            throw refusal(Errno(rawValue: -egress), name)
        }
        return (ingress, egress)
    }

    /// True when the clsact qdisc is ours.
    private static func filter(_ interface: CInt, _ programs: (ingress: CInt, egress: CInt), _ name: String) throws(ProbeError) -> Bool {
        let made = weir_tc_hook(interface)
        guard made == 0 || made == -EEXIST else { throw refusal(Errno(rawValue: -made), name) }
        // One of us that was killed has left the qdisc that it made: ours to take away now.
        let isOurs = made == 0 || weir_tc_was_ours(interface) != 0
        for hook in 0...1 as ClosedRange<CInt> {
            let result = weir_tc_attach(interface, hook, hook == 0 ? programs.ingress : programs.egress, isOurs ? 1 : 0)
            guard result == 0 else {
                remove(from: interface, withHook: isOurs)
                throw refusal(Errno(rawValue: -result), name)
            }
        }
        return isOurs
    }

    /// The qdisc stays while anybody else has a filter on it.
    private static func remove(from interface: CInt, withHook: Bool) {
        weir_tc_detach(interface, withHook ? 1 : 0)
        if withHook, Interfaces.clsactFilters(on: UInt32(interface)) == 0 { weir_tc_unhook(interface) }
    }

    deinit {
        switch method {
        case .tcx:
            close(ingress)
            close(egress)
        case .clsact:
            Self.remove(from: CInt(interface), withHook: madeHook)
        }
    }

    /// Puts the limiter in the observer's place, or takes it away again, without a frame going unseen.
    package mutating func enforce(_ enforcing: Bool, with probe: borrowing KernelProbe, name: String) throws(ProbeError) {
        let programs = Self.programs(probe, enforcing: enforcing)
        for hook in 0...1 as ClosedRange<CInt> {
            let program = hook == 0 ? programs.ingress : programs.egress
            let result = method == .tcx ? weir_tcx_replace(hook == 0 ? ingress : egress, program) : weir_tc_attach(CInt(interface), hook, program, madeHook ? 1 : 0)
            guard result == 0 else { throw Self.refusal(Errno(rawValue: -result), name) }
        }
    }

    private static func refusal(_ error: Errno, _ name: String) -> ProbeError {
        error == .notPermitted
            ? ProbeError(error, "attaching needs CAP_BPF and CAP_NET_ADMIN; run as root, or use `weir replay` which needs neither")
            : ProbeError(error, "\(name): attaching the probe: \(error)")
    }
}
