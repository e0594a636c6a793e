internal import CBPF
internal import Glibc
internal import Linux

/// What goes on the two hooks of an interface. Only numbers, so that a thread may attach while the probe's owner goes on; it has to
/// outlive that.
package struct HookPrograms: Sendable, Equatable {
    let ingress: CInt
    let egress: CInt
    /// The map of interfaces without an Ethernet header.
    fileprivate let rawInterfaces: CInt

    fileprivate subscript(hook: CInt) -> CInt { hook == 0 ? ingress : egress }

    /// Without a map there is no probe yet: what is attached lets every frame pass.
    package var isPlaceholder: Bool { rawInterfaces < 0 }

    /// As the kernel numbers them.
    package var ids: [UInt32] { [weir_bpf_program_id(ingress), weir_bpf_program_id(egress)] }
}

/// Holds a place on TCX hooks while the probe is still being verified: the kernel waits for a grace period at each hook that gets its first
/// program from us, and for none when a link's program is replaced. Frames pass.
package struct Placeholder: ~Copyable {
    private let program: FileDescriptor

    package init() throws(ProbeError) {
        let loaded = weir_tcx_placeholder()
        guard loaded >= 0 else { throw KernelProbe.refusal("loading a program", Errno(rawValue: -loaded)) }
        do throws(Errno) { program = try FileDescriptor(owning: loaded) } catch { throw KernelProbe.refusal("loading a program", error) }
    }

    /// Links hold the program from then on.
    package var hooks: HookPrograms { HookPrograms(ingress: program.rawValue, egress: program.rawValue, rawInterfaces: -1) }
}

extension KernelProbe {
    package func hooks(enforcing: Bool) -> HookPrograms {
        // Which way a frame goes is known by the program that sees it.
        let mode: Mode = enforcing ? .enforcing : .observing
        return HookPrograms(
            ingress: descriptor(of: mode.ingress), egress: descriptor(of: mode.egress), rawInterfaces: map("raw_interfaces"))
    }
}

/// The probe on one interface, in both directions and in front of everybody else; gone when its owner lets go.
///
/// A TCX link belongs to the process and dies with it, `kill -9` included. Where TCX is missing (`KernelNeeds`) a
/// clsact filter does the same work, but outlives a kill: the next start takes it away.
@safe package struct Attachment: ~Copyable, Sendable {
    package enum Method: String, Sendable, CaseIterable { case tcx, clsact }

    package let interface: UInt32
    package let method: Method
    private let links: (ingress: CInt, egress: CInt)
    /// Of clsact: the handle of our filters, and where they stand.
    private let handle: UInt32
    private let priority: UInt32
    private let isRaw: Bool
    private var programs: HookPrograms

    /// - Parameters:
    ///   - isRaw: its frames begin with the IP header.
    ///   - method: `nil` takes TCX and falls back.
    ///   - owner: 24 bits that no other agent has, for the handles of clsact filters.
    ///   - isAlive: whether the agent with such a number runs; what one left that does not is taken away.
    package init(
        _ programs: HookPrograms, interface: UInt32, name: String, isRaw: Bool = false, method: Method? = nil,
        owner: UInt32 = UInt32(getpid()) & 0xff_ffff,
        isAlive: (UInt32) -> Bool = { _ in false }
    ) throws(ProbeError) {
        try Self.tellKind(of: interface, name, isRaw, programs)
        let links = method == .clsact ? nil : try Self.link(CInt(interface), programs, name, mayFallBack: method == nil)
        let filter = links == nil ? try Self.filter(CInt(interface), programs, name, owner, isAlive) : (handle: 0, priority: 0)
        self.interface = interface
        self.isRaw = isRaw
        self.programs = programs
        self.method = links == nil ? .clsact : .tcx
        self.links = links ?? (-1, -1)
        (handle, priority) = filter
    }

    package init(_ probe: borrowing KernelProbe, interface: UInt32, name: String, enforcing: Bool, method: Method? = nil) throws(ProbeError)
    {
        try self.init(probe.hooks(enforcing: enforcing), interface: interface, name: name, method: method)
    }

    /// Before the first frame: where its headers begin. The probe knows such interfaces by the last ten bits of their index.
    private static func tellKind(of interface: UInt32, _ name: String, _ isRaw: Bool, _ programs: HookPrograms) throws(ProbeError) {
        var key = interface & 1023, known: UInt32 = 0
        guard unsafe bpf_map_lookup_elem(programs.rawInterfaces, &key, &known) == 0 else { return }
        if isRaw, known != 0, known != interface, Interfaces.exists(known) {
            throw ProbeError(
                Errno(rawValue: EEXIST),
                "\(name): its index has the last ten bits of interface \(known), so the probe cannot tell their kinds apart")
        }
        guard isRaw || known == interface else { return }
        var next = isRaw ? interface : 0
        _ = unsafe bpf_map_update_elem(programs.rawInterfaces, &key, &next, 0)
    }

    private static func link(_ interface: CInt, _ programs: HookPrograms, _ name: String, mayFallBack: Bool) throws(ProbeError) -> (
        CInt, CInt
    )? {
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

    // MARK: clsact

    /// Of any agent's, whether it made the qdisc or found it.
    private static func isOfAnAgent(_ filter: Filter) -> Bool {
        [UInt32(WEIR_TC_MADE), UInt32(WEIR_TC_FOUND)].contains(filter.handle & 0xff00_0000) && filter.program != 0
    }

    private static func isOfAMaker(_ filter: Filter) -> Bool { isOfAnAgent(filter) && filter.handle & 0xff00_0000 == UInt32(WEIR_TC_MADE) }

    private static func filters(_ interface: CInt, _ hook: CInt) -> [Filter] {
        (try? Interfaces.filters(on: UInt32(interface), egress: hook == 1)) ?? []
    }

    private static func filter(
        _ interface: CInt, _ programs: HookPrograms, _ name: String, _ owner: UInt32,
        _ isAlive: (UInt32) -> Bool
    ) throws(ProbeError) -> (handle: UInt32, priority: UInt32) {
        let made = weir_tc_hook(interface)
        guard made == 0 || made == -EEXIST else { throw refusal(Errno(rawValue: -made), name) }
        // What another agent made, and still needs or was killed with, goes with the last of us.
        let isOurs = made == 0 || (0...1 as ClosedRange<CInt>).contains { filters(interface, $0).contains(where: isOfAMaker) }
        let handle = UInt32(isOurs ? WEIR_TC_MADE : WEIR_TC_FOUND) | owner & 0xff_ffff
        // The first place there is: the kernel puts the newest of one priority in front, but does not mix kinds and protocols in one.
        var priority: UInt32 = 1, result: CInt = 0
        while priority <= 4 {
            result = weir_tc_attach(interface, 0, programs.ingress, handle, priority, 0)
            if result == 0 { result = weir_tc_attach(interface, 1, programs.egress, handle, priority, 0) }
            if result == 0 { break }
            remove(from: interface, handle, priority, programs.ids)
            guard result == -EINVAL || result == -EEXIST || result == -ENOENT else { break }
            priority += 1
        }
        guard result == 0 else {
            letGoOfHook(interface, isOurs)
            throw refusal(Errno(rawValue: -result), name)
        }
        // Behind ours by now, so that no frame goes unseen between the two.
        for hook in 0...1 as ClosedRange<CInt> {
            for filter in filters(interface, hook)
            where isOfAnAgent(filter) && filter.handle != handle && !isAlive(filter.handle & 0xff_ffff) {
                _ = weir_tc_detach(interface, hook, filter.handle, filter.priority)
            }
        }
        return (handle, priority)
    }

    /// Nothing but what is ours, by handle and by program.
    private static func remove(from interface: CInt, _ handle: UInt32, _ priority: UInt32, _ ids: [UInt32]) {
        func isOurs(_ filter: Filter) -> Bool { filter.handle == handle && filter.priority == priority && ids.contains(filter.program) }
        for hook in 0...1 as ClosedRange<CInt> where filters(interface, hook).contains(where: isOurs) {
            _ = weir_tc_detach(interface, hook, handle, priority)
        }
    }

    /// The qdisc stays while anybody has a filter on it.
    private static func letGoOfHook(_ interface: CInt, _ isOurs: Bool) {
        if isOurs, Interfaces.clsactFilters(on: UInt32(interface)) == 0 { weir_tc_unhook(interface) }
    }

    deinit {
        switch method {
        case .tcx:
            if links.ingress >= 0 { close(links.ingress) }
            if links.egress >= 0 { close(links.egress) }
        case .clsact:
            Self.remove(from: CInt(interface), handle, priority, programs.ids)
            Self.letGoOfHook(CInt(interface), handle & 0xff00_0000 == UInt32(WEIR_TC_MADE))
        }
    }

    /// The links, whose closing is somebody else's from now on; `nil` where there are none.
    package consuming func giveUp() -> [CInt]? {
        guard method == .tcx else {
            _ = consume self
            return nil
        }
        let descriptors = [links.ingress, links.egress]
        discard self
        return descriptors
    }

    /// Puts the limiter in the observer's place, or takes it away again, without a frame going unseen.
    package mutating func use(_ programs: HookPrograms, name: String) throws(ProbeError) {
        if self.programs.isPlaceholder { try Self.tellKind(of: interface, name, isRaw, programs) }
        for hook in 0...1 as ClosedRange<CInt> {
            let result =
                switch method {
                case .tcx: weir_tcx_replace(hook == 0 ? links.ingress : links.egress, programs[hook])
                case .clsact: weir_tc_attach(CInt(interface), hook, programs[hook], handle, priority, 1)
                }
            guard result == 0 else { throw Self.refusal(Errno(rawValue: -result), name) }
        }
        self.programs = programs
    }

    /// Whether the kernel still has it: somebody else may have taken it away.
    package var holds: Bool {
        switch method {
        case .tcx: return weir_tcx_holds(links.ingress) != 0 && weir_tcx_holds(links.egress) != 0
        case .clsact:
            let ids = programs.ids
            return (0...1 as ClosedRange<CInt>).allSatisfy { hook in
                guard let filters = try? Interfaces.filters(on: interface, egress: hook == 1) else { return true }
                return filters.contains { $0.handle == handle && $0.priority == priority && ids.contains($0.program) }
            }
        }
    }

    private static func refusal(_ error: Errno, _ name: String) -> ProbeError {
        error == .notPermitted
            ? ProbeError(error, "attaching needs CAP_BPF and CAP_NET_ADMIN; run as root, or use `weir replay` which needs neither")
            : ProbeError(error, "\(name): attaching the probe: \(error)")
    }
}
