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
        print(
            "\(arguments.file): policy \(policy.name), \(policy.mode.rawValue), ports \(policy.ports.map(String.init).joined(separator: ", ")), limits on \(limiting.isEmpty ? "nothing" : limiting)"
        )
        return 0
    } catch { throw Refusal.wrong("\(error)") }
}
