import CTrial
import Glibc
import Testing

/// Real system calls under the filters, each filter in a child of its own.
@Suite struct SystemCallsTests {
    private struct Trial {
        let name: String
        /// An errno; 0 is success, -1 whatever the kernel itself answers.
        let expected, error: CInt
        init(_ trial: weir_trial) {
            name = String(cString: trial.name)
            expected = trial.expected
            error = trial.error
        }
    }

    private func trials(_ attempt: (UnsafeMutablePointer<weir_trial>?, CInt) -> CInt) throws -> [Trial] {
        var found = [weir_trial](repeating: weir_trial(), count: 64)
        let count = Int(found.withUnsafeMutableBufferPointer { attempt($0.baseAddress, 64) })
        try #require(count > 0)
        return found.prefix(count).map { Trial($0) }
    }

    private func check(_ trials: [Trial]) {
        for trial in trials {
            if trial.expected == -1 {
                #expect(trial.error != EPERM && trial.error != ENOSYS, "\(trial.name): \(trial.error)")
            } else {
                #expect(trial.error == trial.expected, "\(trial.name)")
            }
        }
    }

    @Test(
        "The agent's filter lets pass what the agent needs, and no program, raw socket, namespace, BPF program, executable memory or other process"
    )
    func agent() throws { check(try trials(weir_try_agent)) }

    @Test("The controller's filter refuses what no part of it needs, and nothing else")
    func controller() throws { check(try trials(weir_try_controller)) }

    @Test("Who opens the policy for the agent can open files and pass them on")
    func opener() throws { check(try trials(weir_try_opener)) }

    @Test(
        "Without a filter the kernel refuses none of these calls to root: it is the filter that does",
        .enabled(if: geteuid() == 0, "some of them need root"))
    func unfiltered() throws {
        for trial in try trials(weir_try_unfiltered) { #expect(trial.error != EPERM, "\(trial.name)") }
    }
}
