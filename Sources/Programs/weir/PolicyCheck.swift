internal import Arguments
internal import Detection
internal import Front
internal import PolicyFile
internal import Vocabulary
internal import WeirCommands

/// `weir policy check FILE`: silent about what is right but for one line.
func checkPolicy(_ arguments: Arguments<PolicyCheckOptions>) throws -> CInt {
    do {
        let policy = try PolicyFile.load(path: arguments.file)
        let limiting = policy.limiting.list.map(\.id).joined(separator: ", ")
        let opening = policy.quic.enabled && policy.quic.inPacket ? ", QUIC opened in the packet for \(policy.quic.budget)% of a core" : ""
        print(
            "\(arguments.file): policy \(policy.name), \(policy.mode.rawValue), ports \(policy.ports.map(String.init).joined(separator: ", ")), limits on \(limiting.isEmpty ? "nothing" : limiting)\(opening)"
        )
        return 0
    } catch { throw Refusal.wrong("\(error)") }
}
