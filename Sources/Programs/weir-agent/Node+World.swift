internal import AgentCore
internal import BPF
internal import Detection
internal import Linux
internal import Log
internal import Messages
internal import Probe
internal import Units
internal import Wire

/// The world of this node's turn: the kernel, the disk, the log.
extension Node: NodeWorld {
    var steady: UInt64 { Clock.monotonic }
    var wall: Instant { Instant(nanoseconds: Clock.wall) }
    func interface(_ index: UInt32) -> String { watch.name(of: index) }

    func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool {
        do throws(Errno) {
            try probe.limit(key, entry)
            return true
        } catch { return false }
    }

    func release(_ key: LimitKey) { probe.release(key) }

    func use(_ policy: Policy, lengths: [UInt8]) {
        generation += 1
        probe.use(KernelPolicy(settings.seen(policy), generation: generation, lengths: lengths, opens: probe.opens))
        quic.policy = policy
        noteInHistory(policy)
        sayOpening(under: policy)
    }

    func enforce(_ enforcing: Bool) {
        do throws(ProbeError) { try watch.enforce(probe.hooks(enforcing: enforcing)) } catch { log.write(.error, "\(error)") }
    }

    func allow(_ prefix: Prefix) -> Bool { probe.allow(prefix) }
    func disallow(_ prefix: Prefix) { probe.disallow(prefix) }
    func deny(_ fingerprint: UInt64) -> Bool { probe.deny(fingerprint) }
    func admit(_ fingerprint: UInt64) { probe.allowFingerprint(fingerprint) }
    func keep(_ limit: Limit) { outbox?.keep(limit) }
    func forget(_ key: Limit.Key) { outbox?.forget(key) }

    func note(_ news: NodeNews) {
        switch news {
        case .allowListFull(let prefix): log.write(.warning, "the allow-list is full", [("prefix", prefix.description)])
        case .restored(let limits):
            log.write(.info, "limits of an earlier run hold until the topic has been read", [("limits", "\(limits)")])
        case .overBudget(let limits, let waiting):
            log.write(
                .warning, "the limits topic brings more new sources than the policy's trust.newLimits",
                [("limits", "\(limits)"), ("waiting", "\(waiting)")])
        }
    }
}
