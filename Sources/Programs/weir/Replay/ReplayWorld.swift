internal import AgentCore
internal import Detection
internal import Messages
internal import Probe
internal import Units
internal import Wire

/// A node's world inside a capture: the kernel is an engine, the time is the frame's, and nothing is kept.
final class ReplayWorld: NodeWorld {
    let engine: ReplayEngine
    /// The capture's time; a verdict takes none.
    var wall = Instant(nanoseconds: 0)
    /// Whether user space set a limit of its own.
    private(set) var hasLimited = false

    init(_ engine: ReplayEngine) { self.engine = engine }

    var steady: UInt64 { UInt64(clamping: wall.nanoseconds) }
    func interface(_ index: UInt32) -> String { "" }

    func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool {
        engine.order(.limit(key, entry))
        hasLimited = true
        return true
    }

    func release(_ key: LimitKey) { engine.order(.release(key)) }
    func use(_ policy: Policy, lengths: [UInt8]) { engine.order(.use(KernelPolicy(policy, lengths: lengths, vouchesForAll: true))) }
    /// Replay enforces whatever the mode, to say what enforcing would do.
    func enforce(_ enforcing: Bool) {}

    func allow(_ prefix: Prefix) -> Bool {
        engine.allow(prefix)
        return true
    }

    /// A capture has one policy from beginning to end.
    func disallow(_ prefix: Prefix) {}

    func deny(_ fingerprint: UInt64) -> Bool {
        engine.order(.deny(fingerprint))
        return true
    }

    func admit(_ fingerprint: UInt64) { engine.order(.admit(fingerprint)) }
    func keep(_ limit: Limit) {}
    func forget(_ key: Limit.Key) {}
    func note(_ news: NodeNews) {}
}
