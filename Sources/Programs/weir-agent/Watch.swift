internal import BPF
internal import Linux
internal import Log
internal import Wire

/// The interfaces that the probe is on: those that the patterns name, as they come and go.
struct Watch {
    private let patterns: [String]
    private let method: Attachment.Method?
    private var attachments: [Interface: Box] = [:]
    private var failed: Set<Interface> = []

    /// An attachment is unique, a dictionary's value may be copied: so it stands in a box.
    private final class Box {
        var attachment: Attachment
        init(_ attachment: consuming Attachment) { self.attachment = attachment }
    }

    init(patterns: [String], method: Attachment.Method?) {
        self.patterns = patterns
        self.method = method
    }

    var interfaces: [Interface] { attachments.keys.sorted { $0.name < $1.name } }
    var attachMethod: String { attachments.values.first?.attachment.method.rawValue ?? "none" }

    /// Attaches what is new and lets go of what is gone. Throws only at start, when nothing at all could be attached.
    mutating func follow(_ probe: borrowing KernelProbe, enforcing: Bool, atStart: Bool, _ log: Log) throws(ProbeError) {
        let wanted = patterns.isEmpty ? Interfaces.ofDefaultRoutes : Interfaces.matching(patterns)
        let present = Set(wanted)
        for gone in Set(attachments.keys).subtracting(present) {
            attachments[gone] = nil
            log.write(.info, "let go", [("interface", gone.name)])
        }
        failed.formIntersection(present)
        for interface in wanted where attachments[interface] == nil && !failed.contains(interface) {
            do throws(ProbeError) {
                let attachment = try Attachment(probe, interface: interface.index, name: interface.name, enforcing: enforcing, method: method)
                attachments[interface] = Box(attachment)
                if !atStart { log.write(.info, "attached", [("interface", interface.name)]) }
            } catch {
                if atStart { throw error }
                failed.insert(interface)
                log.write(.error, "\(error)")
            }
        }
        if atStart, attachments.isEmpty {
            let there = Interfaces.all.map(\.name).joined(separator: ", ")
            let asked = patterns.isEmpty ? "no default route to take an interface from" : "\(patterns.joined(separator: ", ")): no such interface"
            throw ProbeError(.noEntry, "\(asked); there are \(there)")
        }
    }

    mutating func enforce(_ enforcing: Bool, _ probe: borrowing KernelProbe) throws(ProbeError) {
        for (interface, box) in attachments { try box.attachment.enforce(enforcing, with: probe, name: interface.name) }
    }

    func name(of index: UInt32) -> String { attachments.keys.first { $0.index == index }?.name ?? "" }

    mutating func letGo() { attachments = [:] }
}
