internal import AgentCore
internal import BPF
internal import Detection
internal import JSON
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import PolicyFile
internal import Probe
internal import Wire

/// The limits topic, read whole and from its beginning.
final class LimitsReader {
    var follower: KafkaFollower
    var reader = MessageReader()
    /// All that was there has been applied once.
    var isRead = false

    init(_ kafka: KafkaConfiguration, node: String) throws(KafkaError) {
        follower = try KafkaFollower(kafka, topics: [Topic.limits.name], name: node)
    }

    var eventDescriptor: CInt { follower.eventDescriptor }

    /// All before it has been applied; `nil` as long as the topic has not been seen.
    var nextOffset: Int64? { follower.nextOffset(of: KafkaPartition(topic: Topic.limits.name, partition: 0)) }
}

extension Node {
    /// Records of the topic a turn: about two milliseconds, after which the ring is looked at.
    private static let limitsPerTurn = 256

    /// What other nodes found and operators said. True when there is more to read.
    func readLimits() -> Bool {
        guard let limits else { return false }
        return limits.follower.drain(atMost: Self.limitsPerTurn) { event in
            switch event {
            case .record(let record): take(record, limits)
            case .endOfPartition:
                if !limits.isRead { forgetUnconfirmed() }
                limits.isRead = true
                publisher?.prepare()
            case .madeAnew: log.write(.warning, "the limits topic was made anew; what is limited here stays until its end")
            case .notice(.failure(let error)): publisher?.hear(error)
            case .notice: break    // the publisher says whether Kafka answers
            }
        }
    }

    private func take(_ record: borrowing KafkaRecord, _ limits: LimitsReader) {
        let now = Instant(nanoseconds: Clock.wall)
        if record.isTombstone {
            if let key = Limit.Key(record.key) {
                apply(cluster.release(key))
                unconfirmed.remove(LimitKey(prefix: key.prefix, limitClass: key.limitClass))
                outbox?.forget(key)
            }
            return
        }
        do throws(JSONError) {
            let limit = try record.withValue { bytes in Result { () throws(JSONError) in try limits.reader.limit(bytes) } }.get()
            unconfirmed.remove(LimitKey(prefix: limit.key.prefix, limitClass: limit.key.limitClass))
            let applied = cluster.apply(limit, at: now)
            if cluster.stands(limit) { outbox?.keep(limit) }
            switch applied {
            case .success(let change):
                apply(change)
                // From the packet on some node to the limit in this one's kernel; old news are no measure of it.
                if let seen = record.header("ce_time").flatMap({ Instant(rfc3339: $0) }) {
                    let spent = Instant(nanoseconds: Clock.wall) - seen
                    if spent > .zero, spent < .seconds(10) { clusterLatency.note(UInt64(spent.wholeNanoseconds)) }
                }
            case .failure: break    // counted, and told of where it stands on the topic all the same
            }
        } catch {
            if let key = Limit.Key(record.key) { cluster.refuse(key) } else { cluster.refuse() }
            malformedLog.write(log, .warning, "a limit was not understood", [("offset", "\(record.offset)"), ("error", "\(error)")])
        }
    }

    /// What the topic said to an earlier run holds before the first frame is seen, whether a broker answers or not.
    func restoreLimits() {
        guard let outbox else { return }
        var reader = MessageReader(), lost = 0
        let now = Instant(nanoseconds: Clock.wall)
        readClocks()
        for value in outbox.limits {
            guard let limit = try? unsafe reader.limit(value.span.bytes) else {
                lost += 1
                continue
            }
            guard limit.until > now else {
                outbox.forget(limit.key)
                continue
            }
            if case .success(let change) = cluster.apply(limit, at: now) { apply(change) }
            unconfirmed.insert(LimitKey(prefix: limit.key.prefix, limitClass: limit.key.limitClass))
        }
        if lost > 0 { log.write(.warning, "limits on the disk were not understood", [("limits", "\(lost)")]) }
        if !unconfirmed.isEmpty { log.write(.info, "limits of an earlier run hold until the topic has been read", [("limits", "\(unconfirmed.count)")]) }
    }

    /// The topic has been read whole, and says nothing of these any more.
    private func forgetUnconfirmed() {
        for key in unconfirmed {
            let key = Limit.Key(prefix: key.prefix, limitClass: key.limitClass)
            apply(cluster.release(key))
            outbox?.forget(key)
        }
        unconfirmed = []
    }

    func apply(_ change: ClusterLimits.Change) {
        switch change {
        case .set(let key, let perSecond, let answer, let until):
            if policy.mode == .enforce { place(key, perSecond: perSecond, answer: answer, until: until) }
        case .release(let key):
            probe.release(key)
        }
        chooseLengths()
    }

    /// A length that no limit had before has to be looked for from now on.
    func chooseLengths() {
        let lengths = cluster.lengths
        if lengths != knownLengths {
            knownLengths = lengths
            generation += 1
            probe.use(KernelPolicy(policy, generation: generation, lengths: lengths.sorted()))
        }
    }

    /// A limit of the topic into the kernel's map. Where there is no room the topic's word still stands, so it is tried again.
    private func place(_ key: LimitKey, perSecond: Int, answer: Answer, until: Instant) {
        cluster.note(key, isSet: set(key, perSecond: perSecond, answer: answer, until: until, origin: .cluster))
    }

    /// Whether the kernel took it.
    func set(_ key: LimitKey, perSecond: Int, answer: Answer, until: Instant, origin: LimitEntry.Origin) -> Bool {
        let end = UInt64(clamping: until.nanoseconds &- offset)
        do throws(Errno) {
            try probe.limit(key, LimitEntry(perSecond: perSecond, answer: answer, origin: origin, untilNanoseconds: end))
            return true
        } catch { return false }
    }

    /// Room comes with others' ends. Not many at a time: each attempt is a turn of the kernel's.
    func placeWaiting() {
        guard policy.mode == .enforce else { return }
        for change in cluster.waiting(atMost: 64) { apply(change) }
    }

    /// Makes room in the kernel's map, a part of it each tick; in all of it within two seconds while sources find it full.
    func forgetLimits() {
        let full = probe.counters[.limitsFull]
        let isFull = full != limitsFull
        limitsFull = full
        probe.forgetLimits(atMost: isFull ? 1024 : 128, spentToo: isFull)
    }

    /// What is never limited here: the policy's blocks; the node's own addresses, from which kubelets probe their pods; its pods' networks.
    private func allowed(_ policy: Policy) -> AllowList {
        var prefixes = policy.allow.cidrs
        if policy.allow.nodes || policy.allow.kubelet { prefixes += Interfaces.addresses.map { Prefix($0, length: 128) } }
        if policy.allow.pods { prefixes += Interfaces.attachedNetworks }
        return AllowList(prefixes)
    }

    /// Brings the kernel's list up to date: a policy may have changed, and a node gets addresses and pods as it lives.
    private func setAllowed(_ policy: Policy) {
        let next = allowed(policy)
        guard next != knownAllowed else { return }
        let before = knownAllowed.prefixes, wanted = next.prefixes
        for prefix in before.subtracting(wanted) { probe.disallow(prefix) }
        for prefix in wanted.subtracting(before) where !probe.allow(prefix) {
            log.write(.warning, "the allow-list is full", [("prefix", prefix.description)])
        }
        knownAllowed = next
        if isAttached { agent.allowed = next }
    }

    /// What the topic's limits are measured against here; those that they cover or free come and go with them.
    func setOwn(_ policy: Policy) {
        setAllowed(policy)
        for change in cluster.use(knownAllowed, LimitBounds(policy, heedsRehearsals: settings.heedsRehearsals), at: Instant(nanoseconds: Clock.wall)) { apply(change) }
    }

    /// The new policy whole, or the old one still.
    /// - Parameter isAsked: by somebody; else something happened in its directory, which need not be about this file.
    func reload(isAsked: Bool) {
        guard let policyOrigin else { return }
        let stamp = policyOrigin.stamp
        guard isAsked || stamp != policyStamp else { return }
        policyStamp = stamp
        do throws(PolicyError) {
            let next = try policyOrigin.load(settings.mode)
            guard next != policy else { return }
            generation += 1
            setOwn(next)
            probe.use(KernelPolicy(next, generation: generation, lengths: cluster.lengths.sorted()))
            knownLengths = cluster.lengths
            if next.mode != policy.mode {
                do throws(ProbeError) { try watch.enforce(probe.hooks(enforcing: next.mode == .enforce)) } catch { log.write(.error, "\(error)") }
            }
            agent.use(next)
            policy = next
            renewDenials()
            // What the topic said meanwhile.
            if next.mode == .enforce { for change in cluster.standing { apply(change) } }
            reloads.accepted += 1
            log.write(.info, "policy in force", [("policy", next.name), ("policy.version", next.version), ("mode", next.mode.rawValue)])
        } catch {
            reloads.refused += 1
            log.write(.error, "\(error); the policy in force stays")
        }
    }
}
