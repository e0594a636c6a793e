internal import AgentCore
internal import Detection
internal import Messages
internal import Probe
internal import Units
internal import Wire

/// A node's world inside its history: the kernel is an engine that judges records again, the time is theirs, and nothing is kept.
final class RewindWorld: NodeWorld {
    private var engine: NativeEngine
    var wall = Instant(nanoseconds: 0)
    /// Limits that user space has set of its own accord.
    private(set) var limitsSet = 0

    init(_ policy: Policy) { engine = NativeEngine(KernelPolicy(policy), enforcing: true) }

    func again(_ record: Handshake, _ hello: RawSpan, isOwn: Bool, wasObserving: Bool) -> Handshake {
        engine.again(record, hello: hello, isOwn: isOwn, wasObserving: wasObserving)
    }

    var steady: UInt64 { UInt64(clamping: wall.nanoseconds) }
    func interface(_ index: UInt32) -> String { "" }

    func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool {
        limitsSet += 1
        return engine.limit(key, entry)
    }

    func release(_ key: LimitKey) { engine.release(key) }
    func use(_ policy: Policy, lengths: [UInt8]) { engine.use(KernelPolicy(policy, lengths: lengths)) }
    /// Both policies are taken as if they enforced.
    func enforce(_ enforcing: Bool) {}
    func allow(_ prefix: Prefix) -> Bool { engine.allow(prefix) }
    func disallow(_ prefix: Prefix) { engine.disallow(prefix) }
    func deny(_ fingerprint: UInt64) -> Bool { engine.deny(fingerprint) }
    func admit(_ fingerprint: UInt64) { engine.allowFingerprint(fingerprint) }
    func keep(_ limit: Limit) {}
    func forget(_ key: Limit.Key) {}
    func note(_ news: NodeNews) {}
}
