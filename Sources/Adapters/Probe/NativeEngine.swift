internal import CWire
package import Units
package import Vocabulary
package import Wire

/// The probe without a kernel: the same C over tables of our own. One thread at a time.
@safe package struct NativeEngine: ~Copyable {
    let engine: UnsafeMutablePointer<weir_engine>
    /// Decide as the limiter would; else as the observer.
    package var enforcing: Bool

    /// - Parameter enforcing: decide as the limiter would; the frames of a capture are not changed by it.
    package init(_ policy: KernelPolicy, enforcing: Bool) {
        guard let engine = unsafe weir_engine_create() else { preconditionFailure("no memory for the engine's tables") }
        unsafe self.engine = engine
        self.enforcing = enforcing
        use(policy)
    }

    deinit { unsafe weir_engine_destroy(engine) }

    package mutating func use(_ policy: KernelPolicy) {
        // The bytes are those of a weir_config: KernelPolicy makes no others.
        unsafe policy.bytes.withUnsafeBytes { unsafe weir_engine_use(engine, $0.baseAddress!.assumingMemoryBound(to: weir_config.self)) }
        unsafe weir_engine_forget_vouched(engine)
        for prefix in policy.vouched {
            prefix.withAllowKey { key in
                unsafe key.withUnsafeBytes {
                    _ = unsafe weir_engine_vouch(engine, $0.baseAddress!.assumingMemoryBound(to: weir_allow_key.self))
                }
            }
        }
        unsafe weir_engine_forget_proxies(engine)
        for prefix in policy.proxies {
            prefix.withAllowKey { key in
                unsafe key.withUnsafeBytes {
                    _ = unsafe weir_engine_trust_proxy(engine, $0.baseAddress!.assumingMemoryBound(to: weir_allow_key.self))
                }
            }
        }
    }

    package mutating func allow(_ prefix: Prefix) -> Bool {
        prefix.withAllowKey { key in
            unsafe key.withUnsafeBytes {
                unsafe weir_engine_allow(engine, $0.baseAddress!.assumingMemoryBound(to: weir_allow_key.self)) == 0
            }
        }
    }

    package mutating func disallow(_ prefix: Prefix) {
        prefix.withAllowKey { key in
            unsafe key.withUnsafeBytes { unsafe weir_engine_disallow(engine, $0.baseAddress!.assumingMemoryBound(to: weir_allow_key.self)) }
        }
    }

    /// Hellos of this fingerprint are `fingerprint_denied` from now on. False when there is no room.
    package mutating func deny(_ fingerprint: UInt64) -> Bool { unsafe weir_engine_deny(engine, fingerprint) == 0 }

    package mutating func allowFingerprint(_ fingerprint: UInt64) { unsafe weir_engine_undeny(engine, fingerprint) }

    /// Sets a limit; false when the table is full.
    package mutating func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool {
        key.withBytes { key in
            entry.withBytes { entry in
                unsafe key.withUnsafeBytes { key in
                    unsafe entry.withUnsafeBytes { entry in
                        unsafe weir_engine_limit(
                            engine, key.baseAddress!.assumingMemoryBound(to: weir_limit_key.self),
                            entry.baseAddress!.assumingMemoryBound(to: weir_limit.self)) == 0
                    }
                }
            }
        }
    }

    package mutating func release(_ key: LimitKey) {
        key.withBytes { key in
            unsafe key.withUnsafeBytes {
                _ = unsafe weir_engine_release(engine, $0.baseAddress!.assumingMemoryBound(to: weir_limit_key.self))
            }
        }
    }

    /// Where a frame is seen: a capture does not say; on an interface each way has its own program.
    package enum Hook: Sendable {
        case any, incoming, outgoing

        fileprivate var number: weir_hook {
            switch self {
            case .any: WEIR_HOOK_ANY
            case .incoming: WEIR_HOOK_IN
            case .outgoing: WEIR_HOOK_OUT
            }
        }
    }

    /// Runs one frame and hands over each record that it completed.
    ///
    /// - Parameter isRaw: it begins with its IP header, not with Ethernet's.
    /// - Returns: whether a limiter would let it go on as it is.
    @discardableResult
    package mutating func run(
        _ frame: RawSpan, wireSize: Int, at nanoseconds: UInt64, interface: UInt32 = 1, hook: Hook = .any,
        isRaw: Bool = false,
        _ record: (RawSpan) -> Void
    ) -> Bool {
        let order = unsafe frame.withUnsafeBytes { bytes -> weir_order in
            guard let base = bytes.baseAddress else { return WEIR_PASS }
            let start = unsafe base.assumingMemoryBound(to: UInt8.self)
            var frame = unsafe weir_frame(
                engine: engine, bytes: start, size: UInt32(clamping: bytes.count),
                wire_size: UInt32(clamping: wireSize),
                now: nanoseconds, ifindex: interface, is_raw: isRaw ? 1 : 0, socket: 0)
            return unsafe weir_engine_at(&frame, hook.number, enforcing ? 1 : 0)
        }
        drain(record)
        return order == WEIR_PASS || order == WEIR_DO_SINGLE_PATH
    }

    /// Judges a hello that came by another way than TCP, and hands its verdict over.
    mutating func judge(_ seen: UnsafePointer<weir_handshake>, _ message: UnsafePointer<UInt8>, _ size: UInt32, _ record: (RawSpan) -> Void)
    {
        unsafe weir_engine_hello(engine, seen, message, size)
        drain(record)
    }

    package mutating func note(_ opinion: PathOpinion) {
        var opinion = opinion.opinion
        unsafe weir_engine_note(engine, &opinion)
    }

    /// What is thought of a path by now; `nil` where its place in the table is another's.
    package func opinion(of path: UInt64) -> PathOpinion? {
        unsafe PathOpinion(of: path, in: UnsafeRawPointer(weir_engine_paths(engine)))
    }

    /// What opening one datagram in the packet seems to cost, in nanoseconds: nothing, unless a test says so.
    package mutating func openingCosts(_ nanoseconds: UInt64) { unsafe engine.pointee.work_cost_ns = nanoseconds }

    /// Gives up on hellos that stopped half way; on all of them at the `end` of a capture.
    package mutating func sweep(at nanoseconds: UInt64, end: Bool = false, _ record: (RawSpan) -> Void) {
        unsafe weir_engine_sweep(engine, nanoseconds, end ? 1 : 0)
        drain(record)
    }

    /// What its full tables have pushed out while it still waited for something.
    package struct PushedOut: Sendable, Equatable {
        /// Proven flows whose hello was not judged yet.
        package var flows = 0
        /// Flows not proven yet, or without proof and not judged.
        package var halfOpen = 0

        package init() {}
    }

    package var pushedOut: PushedOut {
        var counts = weir_pushed_out(), out = PushedOut()
        unsafe weir_engine_pushed_out(engine, &counts)
        (out.flows, out.halfOpen) = (Int(counts.flows), Int(counts.half_open))
        return out
    }

    package var counters: Counters {
        unsafe withUnsafeBytes(of: &engine.pointee.counters) { Counters(unsafe [UInt64]($0.bindMemory(to: UInt64.self))) }
    }

    private mutating func drain(_ record: (RawSpan) -> Void) {
        let end = unsafe engine.pointee.records_size
        guard end > 0, let records = unsafe engine.pointee.records else { return }
        var at = 0
        while at < end {
            // Each record stands behind its size, padded to eight bytes (engine.c).
            let size = unsafe Int(UnsafeRawPointer(records + at).loadUnaligned(as: UInt64.self))
            record(unsafe RawSpan(_unsafeStart: records + at + 8, byteCount: size))
            at += 8 + (size + 7) & ~7
        }
        unsafe weir_engine_forget(engine)
    }
}
