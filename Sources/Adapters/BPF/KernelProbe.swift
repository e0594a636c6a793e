internal import CBPF
internal import CProbe
internal import Glibc
package import Linux
package import Probe
internal import Synchronization
internal import Units
package import Vocabulary
internal import Wire

/// What is fixed once the probe is loaded.
package struct ProbeSettings: Sendable {
    /// Bytes of the ring: a power of two, at least a page.
    package var ringSize = 1 << 20
    /// Entries of the limits map.
    package var limits = 16_384
    /// MiB for the bytes of unfinished hellos: a power of two, 2 to 64. Each MiB holds 512 of up to 2 KiB.
    package var helloMemory = 4
    /// Replay: take the time from the frame, and wake nobody.
    package var replay = false
    /// Load what only `bench/` runs as well.
    package var baseline = false
    /// Initials are opened in the packet: the limiter calls `opener`, which `replay` and `isBare` settings decide on as on others.
    package var opens = false
    /// The maps alone; programs come with `KernelProbe.load` and `add`, so that several threads may have some verified.
    package var isBare = false

    /// Random, so that nobody can work out what falls on one place of a table, or makes one fingerprint. 0 hashes as the native engine does.
    package var secret: UInt64 = 0

    /// Which object: the one with may_goto or the one without. `nil` takes the first that the kernel accepts.
    package var mayGoto: Bool?

    package init() {}

    func loads(_ program: KernelProbe.Program) -> Bool {
        if isBare { return false }
        if program.isBaseline { return baseline }
        if program.isForCaptures { return replay }
        if program == .outgoing { return !replay }
        if program == .opener { return opens }
        // A capture's frames go through one program; only `bench/` runs a live one besides.
        return program.mode == nil || !replay || baseline
    }
}

/// The compiled probe in the kernel: programs and maps, gone when its owner lets go.
@safe package struct KernelProbe: ~Copyable {
    package enum Program: String, Sendable, CaseIterable {
        case nothing, rehearseHello = "rehearse_hello", rehearseFloor = "rehearse_floor", rehearsePair = "rehearse_pair"
        case observer = "tls_probe", observerOut = "tls_probe_out", limiter, limiterOut = "limiter_out"
        /// What both modes' programs call for what somebody here says to a server elsewhere.
        case outgoing = "tls_probe_outgoing"
        /// What the limiter calls for QUIC clients' datagrams, where it was loaded with `opens`.
        case opener = "quic_opener"
        case replayObserver = "replay_probe", replayLimiter = "replay_limiter"
        case setLimit = "set_limit", sweep

        var isBaseline: Bool { [.nothing, .rehearseHello, .rehearseFloor, .rehearsePair].contains(self) }
        /// Frames go either way through it; it is never attached.
        var isForCaptures: Bool { [.replayObserver, .replayLimiter].contains(self) }
        /// Whose it is of those that are attached.
        var mode: Mode? {
            switch self {
            case .observer, .observerOut: .observing
            case .limiter, .limiterOut: .enforcing
            default: nil
            }
        }
    }

    /// What is attached: one program for what comes in, one for what goes out.
    package enum Mode: Sendable {
        case observing, enforcing

        package var ingress: Program { self == .enforcing ? .limiter : .observer }
        package var egress: Program { self == .enforcing ? .limiterOut : .observerOut }
    }

    let object: OpaquePointer
    /// Programs that were loaded by themselves, over its maps.
    var parts = LoadedPrograms()
    let policies: UnsafeMutableRawPointer
    let policiesSize: Int
    /// Where the bits of denied fingerprints lie: behind the two policies (struct weir_policies of bpf/maps.h).
    let deniedAt: Int
    /// Behind those and four counters of the kernel's own.
    private var dozingAt: Int { deniedAt + 40 }
    /// QUIC's paths, as the kernel has them.
    let paths: UnsafeMutableRawPointer
    let limitsMap: CInt
    let allowMap: CInt
    let vouchedMap: CInt
    let proxiesMap: CInt
    /// What these two tables have.
    var vouched: Set<Prefix>
    var proxies: Set<Prefix>
    let deniedMap: CInt
    private let countersMap: CInt
    var setLimit: CInt
    private let processors: Int
    /// Where `forgetLimits` goes on.
    var forgotten: [UInt8] = []
    package let ringMap: CInt
    package let ringSize: Int
    /// The ring of QUIC clients' datagrams.
    package let initialsMap: CInt
    package let initialsSize: Int
    /// The kernel has may_goto.
    package internal(set) var isModern: Bool

    package init(_ policy: KernelPolicy, settings: ProbeSettings = ProbeSettings()) throws(ProbeError) {
        weir_bpf_quiet()
        var modern = settings.mayGoto ?? true
        var opened: OpaquePointer?
        do {
            unsafe opened = try Self.load(policy, settings, mayGoto: modern)
        } catch {
            guard settings.mayGoto == nil, Self.mayLikeTheOther(error) else { throw error }
            modern = false
            unsafe opened = try Self.load(policy, settings, mayGoto: false)
        }
        guard let object = unsafe opened else { throw ProbeError(.current, "no BPF object") }
        func map(_ name: String) -> CInt { unsafe bpf_object__find_map_fd_by_name(object, name) }
        let value = unsafe bpf_map__value_size(bpf_object__find_map_by_name(object, ".data.policies"))
        let mappedSize = (Int(value) + 4095) & ~4095
        guard let mapped = unsafe mmap(nil, mappedSize, PROT_READ | PROT_WRITE, MAP_SHARED, map(".data.policies"), 0),
            unsafe mapped != MAP_FAILED
        else {
            let error = Errno.current
            unsafe bpf_object__close(object)
            throw ProbeError(error, "mapping the policy: \(error)")
        }
        guard let pathsMapped = unsafe mmap(nil, PathOpinion.tableSize, PROT_READ | PROT_WRITE, MAP_SHARED, map("quic_paths"), 0),
            unsafe pathsMapped != MAP_FAILED
        else {
            let error = Errno.current
            unsafe munmap(mapped, mappedSize)
            unsafe bpf_object__close(object)
            throw ProbeError(error, "mapping QUIC's paths: \(error)")
        }
        unsafe paths = pathsMapped
        unsafe self.object = object
        unsafe policies = mapped
        policiesSize = mappedSize
        deniedAt = 8 + 2 * policy.bytes.count
        limitsMap = map("limits")
        allowMap = map("allow")
        vouchedMap = map("vouched")
        proxiesMap = map("proxies")
        (vouched, proxies) = (Set(policy.vouched), Set(policy.proxies))
        deniedMap = map("denied")
        countersMap = map("counters")
        ringMap = map("handshakes")
        setLimit = unsafe bpf_program__fd(bpf_object__find_program_by_name(object, Program.setLimit.rawValue))
        ringSize = settings.ringSize
        initialsMap = map("initials")
        initialsSize = unsafe Int(bpf_map__max_entries(bpf_object__find_map_by_name(object, "initials")))
        processors = Int(libbpf_num_possible_cpus())
        isModern = modern
        // The limits that strangers share when the map is full: there before the first frame, and ended until somebody needs them.
        let none = [UInt8](repeating: 0, count: LimitEntry.size)
        for key in LimitOrder.sharedKeys { _ = unsafe bpf_map_update_elem(limitsMap, key, none, 0) }
        for prefix in vouched { add(prefix, to: vouchedMap) }
        for prefix in proxies { add(prefix, to: proxiesMap) }
        connectCalled()
    }

    deinit {
        unsafe munmap(policies, policiesSize)
        unsafe munmap(paths, PathOpinion.tableSize)
        unsafe bpf_object__close(object)
    }

    func map(_ name: String) -> CInt { unsafe bpf_object__find_map_fd_by_name(object, name) }

    /// While it is on, records wake nobody but for what cannot wait (`weir_wakeup` of bpf/ring.h), which ends it.
    /// Read the ring once more after it.
    package var isDozing: Bool {
        get { unsafe (policies + dozingAt).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed) != 0 }
        nonmutating set {
            unsafe (policies + dozingAt).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
                .store(newValue ? 1 : 0, ordering: .sequentiallyConsistent)
        }
    }

    /// From the next answer on.
    package func note(_ opinion: PathOpinion) { unsafe opinion.write(to: paths) }

    /// What is thought of a path by now; `nil` where its place in the table is another's.
    package func opinion(of path: UInt64) -> PathOpinion? { unsafe PathOpinion(of: path, in: UnsafeRawPointer(paths)) }

    /// Programs that others call. Until then outgoing hellos pass unrecorded, and no policy may ask for the other one.
    func connectCalled() {
        for (place, called) in [Program.outgoing, .opener].enumerated() {
            var key = UInt32(place), program = descriptor(of: called)
            guard program >= 0 else { continue }
            _ = unsafe bpf_map_update_elem(map("outgoing"), &key, &program, 0)
        }
    }

    /// Initials can be opened in the packet: what a policy has to know.
    package var opens: Bool { descriptor(of: .opener) >= 0 }

    /// A verifier that does not know the instruction refuses it as invalid; one that does may still like the other object better.
    static func mayLikeTheOther(_ error: ProbeError) -> Bool { [EINVAL, EACCES, E2BIG].contains(error.errno.rawValue) }

    private static func load(_ policy: KernelPolicy, _ settings: ProbeSettings, mayGoto: Bool) throws(ProbeError) -> OpaquePointer {
        var size = 0
        let bytes = unsafe weir_probe_object(mayGoto ? 1 : 0, &size)
        guard let object = unsafe weir_bpf_open(bytes, size) else { throw refusal("reading the BPF object") }
        func map(_ name: String) -> OpaquePointer? { unsafe bpf_object__find_map_by_name(object, name) }
        unsafe bpf_map__set_max_entries(map("handshakes"), UInt32(settings.ringSize))
        unsafe bpf_map__set_max_entries(map("limits"), UInt32(settings.limits))
        let slots = UInt32(settings.helloMemory * 512)
        unsafe bpf_map__set_max_entries(map("slabs"), slots / 1024)
        unsafe bpf_map__set_max_entries(map("owners"), slots)
        unsafe bpf_map__set_max_entries(map("assemblies"), slots)
        if !settings.opens { for name in ["quic_hellos", "quic_known"] { unsafe bpf_map__set_max_entries(map(name), 1) } }
        for program in Program.allCases where !settings.loads(program) {
            unsafe bpf_program__set_autoload(bpf_object__find_program_by_name(object, program.rawValue), false)
        }

        // Before load, so that the first frame finds a policy.
        var valueSize = 0
        if let initial = unsafe weir_bpf_initial(object, ".data.policies", &valueSize), valueSize >= 8 + 2 * policy.bytes.count {
            unsafe policy.bytes.withUnsafeBytes { unsafe (initial + 8).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        }
        // struct weir_settings of bpf/maps.h: wakeup, capture_clock, slots, secret, opens.
        if let initial = unsafe weir_bpf_initial(object, ".rodata.settings", &valueSize), valueSize >= 32 {
            if settings.replay {
                unsafe initial.storeBytes(of: UInt64(BPF_RB_NO_WAKEUP), as: UInt64.self)
                unsafe (initial + 8).storeBytes(of: 1, as: UInt32.self)
            }
            unsafe (initial + 12).storeBytes(of: slots, as: UInt32.self)
            unsafe (initial + 16).storeBytes(of: settings.secret, as: UInt64.self)
            unsafe (initial + 24).storeBytes(of: settings.opens ? 1 : 0, as: UInt32.self)
        }
        guard unsafe bpf_object__load(object) == 0 else {
            let error = refusal("loading the probe")
            unsafe bpf_object__close(object)
            throw error
        }
        return unsafe object
    }

    static func refusal(_ doing: String, _ error: Errno = .current) -> ProbeError {
        if error == .notPermitted {
            return ProbeError(
                error, "\(doing) needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; run as root, or use `weir replay` which needs none")
        }
        let said = unsafe String(cString: weir_bpf_last_words()).prefix { $0 != "\n" }
        return ProbeError(error, "\(doing): \(error)\(said.isEmpty ? "" : " (\(said))"); Weir needs \(KernelNeeds.floor)")
    }

    /// -1 when it is not loaded.
    package func descriptor(of program: Program) -> CInt {
        if let part = parts[program] { return part }
        return unsafe bpf_program__fd(bpf_object__find_program_by_name(object, program.rawValue))
    }

    /// What the verifier went through to accept it (`bpf_prog_info`, since Linux 5.16).
    package func verifiedInstructions(of program: Program) -> Int { Int(weir_bpf_verified(descriptor(of: program))) }

    /// Bytes that all maps take, as the kernel counts them (`memlock` of a map's fdinfo: what it really uses, since Linux 6.4).
    package var mapBytes: Int {
        var sum = 0
        var map = unsafe bpf_object__next_map(object, nil)
        while let one = unsafe map {
            sum += Self.memory(of: unsafe bpf_map__fd(one))
            unsafe map = bpf_object__next_map(object, one)
        }
        return sum
    }

    private static func memory(of descriptor: CInt) -> Int {
        let lines = File.read("/proc/self/fdinfo/\(descriptor)", limit: 4096)?.split(separator: "\n") ?? []
        return lines.first { $0.hasPrefix("memlock:") }.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }

    /// Every CPU's counters, added up.
    package var counters: Counters {
        var sums: [UInt64] = []
        unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: processors) { values in
            for counter in Counter.allCases {
                var key = UInt32(counter.rawValue)
                let found = unsafe bpf_map_lookup_elem(countersMap, &key, values.baseAddress) == 0
                sums.append(found ? unsafe values.reduce(0, &+) : 0)
            }
        }
        return Counters(sums)
    }

    /// The first numbers of a key's value in a map of that name, all CPUs' together; `nil` without such a map, zeros without such a key.
    func sums(of key: UInt32, _ numbers: Int = 1, in name: String) -> [UInt64]? {
        guard let map = unsafe bpf_object__find_map_by_name(object, name) else { return nil }
        let isPerCPU = [BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY].contains(
            unsafe bpf_map__type(map))
        // Each CPU's value begins at a multiple of eight bytes.
        let size = (unsafe Int(bpf_map__value_size(map)) + 7) & ~7, count = isPerCPU ? processors : 1
        precondition(numbers * 8 <= size, "a value has so many numbers")
        var key = key
        return unsafe withUnsafeTemporaryAllocation(byteCount: size * count, alignment: 8) { values in
            let found = unsafe bpf_map_lookup_elem(bpf_map__fd(map), &key, values.baseAddress) == 0
            guard found else { return [UInt64](repeating: 0, count: numbers) }
            return (0..<numbers).map { number in
                (0..<count).reduce(0) { $0 &+ (unsafe values.loadUnaligned(fromByteOffset: $1 * size + number * 8, as: UInt64.self)) }
            }
        }
    }

    /// Gives up on hellos that stopped half way before `now`, and tells of flows that fell silent; 0 asks the kernel's clock.
    /// At the `end` of a capture all hellos are given up and nothing is said of silence.
    package func sweep(now: UInt64 = 0, end: Bool = false) {
        var context: (now: UInt64, end: UInt64) = (now, end ? 1 : 0)
        _ = unsafe weir_bpf_call(descriptor(of: .sweep), &context, 16)
    }

    /// Runs a program over one linear frame without a network. The kernel takes at most 3,712 bytes.
    /// - Returns: the program's verdict and the mean time of `count` runs in nanoseconds.
    package func run(_ program: Program, over frame: RawSpan, at nanoseconds: UInt64, interface: UInt32 = 1, count: Int = 1) throws(Errno)
        -> (verdict: Int32, nanoseconds: Int)
    {
        var verdict: UInt32 = 0, duration: UInt32 = 0
        let result = unsafe frame.withUnsafeBytes { bytes in
            unsafe weir_bpf_run(
                descriptor(of: program), bytes.baseAddress, UInt32(min(bytes.count, 3712)), interface, nanoseconds, UInt32(count), &verdict,
                &duration)
        }
        guard result == 0 else { throw Errno(rawValue: -result) }
        return (Int32(bitPattern: verdict), Int(duration))
    }
}
