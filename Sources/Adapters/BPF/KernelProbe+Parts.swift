internal import CBPF
internal import CProbe
internal import Glibc
internal import Linux
internal import Synchronization

/// Programs that were verified by themselves, over the maps of the probe that they are to be added to.
package struct LoadedPrograms: Sendable {
    /// Closed with the last of its owners.
    fileprivate final class Descriptor: Sendable {
        let descriptor: FileDescriptor
        init(owning number: CInt) throws(Errno) { descriptor = try FileDescriptor(owning: number) }
    }

    fileprivate var programs: [KernelProbe.Program: Descriptor] = [:]
    fileprivate var isModern = true

    subscript(program: KernelProbe.Program) -> CInt? { programs[program]?.descriptor.rawValue }

    fileprivate mutating func add(_ other: LoadedPrograms) {
        programs.merge(other.programs) { old, _ in old }
        isModern = isModern && other.isModern
    }
}

/// Each load holds all maps once more. Where few files may be open, one waits for the other.
private let inTurn = Mutex(())

// The verifier works on one program for as long as a grace period takes, and on the thread that asks it to. So several threads ask.
extension KernelProbe {
    /// Verifies some of the programs. Several threads may do so at once, on a probe that nobody changes meanwhile.
    package borrowing func load(_ programs: [Program]) throws(ProbeError) -> LoadedPrograms {
        if Descriptors.areFew { return try inTurn.withLock { _ throws(ProbeError) in try loadAtOnce(programs) } }
        return try loadAtOnce(programs)
    }

    private borrowing func loadAtOnce(_ programs: [Program]) throws(ProbeError) -> LoadedPrograms {
        guard isModern else { return try load(programs, mayGoto: false) }
        do { return try load(programs, mayGoto: true) } catch {
            guard Self.mayLikeTheOther(error) else { throw error }
            return try load(programs, mayGoto: false)
        }
    }

    private borrowing func load(_ programs: [Program], mayGoto: Bool) throws(ProbeError) -> LoadedPrograms {
        var size = 0
        let bytes = unsafe weir_probe_object(mayGoto ? 1 : 0, &size)
        guard let again = unsafe weir_bpf_open(bytes, size) else { throw Self.refusal("reading the BPF object") }
        // Its programs outlive it by descriptors of their own; its thirty others, for the maps, are not kept twice.
        defer { unsafe bpf_object__close(again) }
        for program in Program.allCases where !programs.contains(program) {
            unsafe bpf_program__set_autoload(bpf_object__find_program_by_name(again, program.rawValue), false)
        }
        // What the library returns is the error; errno may be another's by the time it is read.
        var result = unsafe weir_bpf_share_maps(object, again)
        if result == 0 { result = unsafe bpf_object__load(again) }
        guard result == 0 else { throw Self.refusal("loading the probe", Errno(rawValue: -result)) }
        var loaded = LoadedPrograms()
        loaded.isModern = mayGoto
        for program in programs {
            let number = unsafe weir_duplicate(bpf_program__fd(bpf_object__find_program_by_name(again, program.rawValue)))
            do throws(Errno) { loaded.programs[program] = try LoadedPrograms.Descriptor(owning: number) } catch {
                throw Self.refusal("loading the probe", error)
            }
        }
        return loaded
    }

    /// Takes programs in that were loaded over its maps.
    package mutating func add(_ part: LoadedPrograms) {
        parts.add(part)
        isModern = isModern && part.isModern
        setLimit = descriptor(of: .setLimit)
        connectCalled()
    }
}
