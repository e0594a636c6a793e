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
internal import Units
internal import Vocabulary

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
                if !limits.isRead { core.topicWasRead(in: self) }
                limits.isRead = true
                publisher?.prepare()
            case .madeAnew:
                core.topicWasMadeAnew()
                log.write(.warning, "the limits topic was made anew; what is limited here stays until its end")
            case .notice(.failure(let error)): publisher?.hear(error)
            case .notice: break  // the publisher says whether Kafka answers
            }
        }
    }

    private func take(_ record: borrowing KafkaRecord, _ limits: LimitsReader) {
        if record.isTombstone {
            if let key = Limit.Key(record.key) { core.lift(key, in: self) }
            return
        }
        do throws(JSONError) {
            let limit = try record.withValue { bytes in Result { () throws(JSONError) in try limits.reader.limit(bytes) } }.get()
            let holds = core.take(limit, seen: record.header("ce_time").flatMap { Instant(rfc3339: $0) }, at: wall, in: self)
            if limit.origin == .operator { noteOperator(limit, record, holds: holds) }
        } catch {
            core.refuse(Limit.Key(record.key))
            malformedLog.write(log, .warning, "a limit was not understood", [("offset", "\(record.offset)"), ("error", "\(error)")])
        }
    }

    /// After a start what stands on the topic is read again, and noted again.
    private func noteOperator(_ limit: Limit, _ record: borrowing KafkaRecord, holds: Bool) {
        audit?.file.note(
            holds ? limit.isRelease ? .operatorReleased : .operatorLimited : .operatorRefused, at: wall,
            [
                ("limit", limit.key.description), ("per_second", "\(limit.perSecond)"), ("until", limit.until.rfc3339),
                ("said", record.header("ce_time") ?? ""), ("trace_id", limit.traceID), ("from", "offset \(record.offset)")
            ])
    }

    /// What the topic said to an earlier run.
    func restoreLimits() {
        guard let outbox else { return }
        var reader = MessageReader(), kept: [Limit] = [], lost = 0
        for value in outbox.limits {
            if let limit = try? unsafe reader.limit(value.span.bytes) { kept.append(limit) } else { lost += 1 }
        }
        if lost > 0 { log.write(.warning, "limits on the disk were not understood", [("limits", "\(lost)")]) }
        core.restore(kept, at: wall, in: self)
    }

    /// Makes room in the kernel's map. What has ended goes bit by bit. Where three quarters may be taken, all goes at once that has
    /// nothing more to say, so that new sources find room before it is full.
    func forgetLimits() {
        let counters = probe.counters, capacity = probe.limitsCapacity
        // An IPv6 source takes three entries: its own, and two of wider blocks.
        limitsTaken += 3 * Int(clamping: counters[.reflex] &- limitsMade.byReflex)
        let wasFull = counters[.limitsFull] != limitsMade.full
        limitsMade = (counters[.reflex], counters[.limitsFull])
        if wasFull || limitsTaken >= capacity / 4 * 3 {
            limitsTaken = probe.makeRoom()
        } else {
            probe.forgetLimits(atMost: 128)
        }
    }

    /// Addresses of this node's, of its pods, and of the cluster's other nodes.
    var known: KnownAddresses {
        var known = KnownAddresses()
        known.nodes = nodes?.believed(at: wall) ?? []
        neighbours = known.nodes.count
        Self.addOwn(to: &known)
        return known
    }

    static func addOwn(to known: inout KnownAddresses) {
        known.own = Interfaces.addresses.map { Prefix($0, length: 128) }
        known.pods = Interfaces.attachedNetworks
    }

    /// A node gets addresses and pods as it lives.
    func lookAround() { lookAround(known) }
    func lookAround(_ known: KnownAddresses) { core.use(known, at: wall, in: self) }

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
            core.use(next, known, at: wall, in: self)
            reloads.accepted += 1
            log.write(.info, "policy in force", [("policy", next.name), ("policy.version", next.version), ("mode", next.mode.rawValue)])
        } catch {
            reloads.refused += 1
            log.write(.error, "\(error); the policy in force stays")
        }
    }
}
