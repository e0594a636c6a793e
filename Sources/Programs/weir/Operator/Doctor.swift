internal import Arguments
internal import BPF
internal import Detection
internal import Glibc
internal import Kafka
internal import Linux
internal import PolicyFile
internal import Probe
internal import Terminal
internal import WeirCommands

/// `weir doctor`: what this machine can do, tried rather than guessed. 0 when Weir can do its work here, else 3.
func examine(_ arguments: Arguments<DoctorOptions>) throws -> CInt {
    let terminal = Terminal(of: 1)
    var isWell = true
    func say(_ isGood: Bool?, _ what: String, _ more: String) {
        let mark =
            switch isGood {
            case true?: terminal.styled("✓", .good)
            case false?: terminal.styled("✗", .bad)
            case nil: "–"
            }
        if isGood == false { isWell = false }
        print("\(mark) \(what)\(String(repeating: " ", count: max(1, 42 - what.utf8.count)))\(more)")
    }
    let kernel = File.read("/proc/sys/kernel/osrelease", limit: 256)?.split(separator: "\n").first.map(String.init) ?? "unknown"
    let hasBTF = File.read("/sys/kernel/btf/vmlinux", limit: 1) != nil
    say(
        hasBTF, "kernel \(kernel), BTF",
        hasBTF ? "/sys/kernel/btf/vmlinux" : "no BTF (CONFIG_DEBUG_INFO_BTF): Weir needs \(KernelNeeds.floor)")

    let needed = [("CAP_BPF", Capabilities.bpf), ("CAP_NET_ADMIN", Capabilities.netAdmin), ("CAP_PERFMON", Capabilities.perfmon)]
    let missing = needed.filter { !Capabilities.has($0.1) }.map(\.0)
    say(
        missing.isEmpty, "privileges",
        missing.isEmpty
            ? needed.map(\.0).joined(separator: ", ")
            : "\(missing.joined(separator: ", ")) missing: run as root, or use `weir replay` which needs none")
    if missing.isEmpty {
        let user =
            Account.current != 0
            ? "user \(Account.current), as it starts"
            : Account.nobody.isPossible ? "user nobody" : "root, because CAP_SETUID and CAP_SETGID are missing"
        let calls = SystemCalls.canBeRefused ? "filtered" : "not filtered: this kernel has no seccomp"
        let isGood = SystemCalls.canBeRefused && !user.hasPrefix("root")
        say(isGood ? true : nil, "an attached agent's rights", "\(user); no capability with TCX; system calls \(calls)")
    }
    examineInterfaces(arguments, say)
    do throws(PolicyError) {
        let policy = try arguments.policy.map { path throws(PolicyError) in try PolicyFile.load(path: path) } ?? Policy()
        examineNodePorts(policy.ports, say)
    } catch { say(false, "the policy", "\(error)") }
    if let kafka = try quickBrokersIfAny(arguments.brokers) {
        for finding in KafkaExamination(kafka).findings { say(finding.isGood, finding.what, finding.more) }
    } else {
        say(nil, "Kafka", "not asked about (--kafka HOST:PORT)")
    }
    if missing.isEmpty {
        do {
            let probe = try KernelProbe(KernelPolicy(Policy()))
            say(true, "the probe loads", probe.isModern ? "with may_goto" : KernelNeeds.withoutMayGoto)
            // Attached in a network of its own, so that nothing here is touched; it comes last, for there is no way back.
            if (try? Network.makePrivate()) != nil, let loopback = Interfaces.matching(["lo"]).first {
                do {
                    let attachment = try Attachment(probe, interface: loopback.index, name: loopback.name, enforcing: false)
                    say(true, "it attaches", attachment.method == .tcx ? "TCX" : KernelNeeds.withoutTCX)
                } catch { say(false, "it attaches", "\(error)") }
            } else {
                say(nil, "it attaches", "not tried: that needs CAP_SYS_ADMIN for a network of its own")
            }
        } catch { say(false, "the probe loads", "\(error)") }
    }
    return isWell ? 0 : 3
}
