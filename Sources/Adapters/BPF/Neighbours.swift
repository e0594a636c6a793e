internal import CBPF
internal import Glibc
internal import Linux

/// Somebody's program on one hook of an interface.
package struct HookEntry: Sendable, Equatable, CustomStringConvertible {
    package enum Hook: String, Sendable, CaseIterable { case ingress, egress }

    package let hook: Hook
    package let method: Attachment.Method
    package let program: UInt32
    /// As the kernel knows it, or its kind and number.
    package let name: String
    /// An agent's: its name, and on clsact its handle, say so.
    package let isAgents: Bool

    package var description: String { "\(name) (\(method.rawValue))" }
}

package enum Neighbours {
    /// All that looks at an interface's frames, in the order in which it does: TCX before clsact. `nil` when we may not ask
    /// (CAP_NET_ADMIN).
    package static func on(_ interface: UInt32, _ hook: HookEntry.Hook) -> [HookEntry]? {
        var ids = [UInt32](repeating: 0, count: Int(WEIR_TCX_PROGRAMS))
        let count = unsafe weir_tcx_programs(CInt(interface), hook == .egress ? 1 : 0, &ids)
        if count == -EPERM { return nil }
        // Without TCX there are no such hooks, and nobody is on them.
        var found = ids.prefix(Int(max(count, 0))).map { id in
            let name = Self.name(of: id)
            return HookEntry(hook: hook, method: .tcx, program: id, name: name, isAgents: isOurs(name))
        }
        for filter in (try? Interfaces.filters(on: interface, egress: hook == .egress)) ?? [] {
            let name = filter.name.split(separator: ":").first.map(String.init) ?? "\(filter.kind) filter"
            found.append(
                HookEntry(
                    hook: hook, method: .clsact, program: filter.program, name: name,
                    isAgents: isOurs(name) && [0x57, 0x77].contains(filter.handle >> 24)))
        }
        return found
    }

    private static func isOurs(_ name: String) -> Bool {
        KernelProbe.Program.allCases.contains { $0.mode != nil && $0.rawValue.prefix(15) == name }
    }

    private static func name(of id: UInt32) -> String {
        var name = [CChar](repeating: 0, count: Int(BPF_OBJ_NAME_LEN))
        unsafe weir_bpf_program_name(id, &name)
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.isEmpty ? "program \(id)" : text
    }
}
