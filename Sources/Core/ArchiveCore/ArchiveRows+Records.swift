package import Messages
package import Units
internal import Vocabulary
internal import Detection

// A record of a topic becomes a row.

extension ArchiveRows {
    package mutating func append(_ event: ThrottleEvent, at origin: LogOrigin, in place: String) {
        begin(.event, event.id, event.time, origin, in: place)
        set(.node, event.node)
        set(.sourcePrefix, event.sourcePrefix.description)
        set(.sourceAddress, event.sourceAddress.description)
        set(.sourceNumber, event.sourceAddress.archiveNumber)
        set(.sourcePort, Int(event.sourcePort))
        set(.proxy, event.proxy?.description)
        set(.destinationAddress, event.destinationAddress.description)
        set(.destinationPort, Int(event.destinationPort))
        set(.transport, event.transport.id)
        set(.workload, event.workload)
        set(.interface, event.interface)
        set(.direction, event.direction.id)
        set(.anomalies, Self.list(event.anomalies))
        set(.severity, event.severity.id)
        set(.completeness, event.completeness.id)
        set(.proof, event.proof.id)
        set(.reach, event.reach.id)
        set(.serverName, event.serverName)
        set(.tlsVersion, event.version)
        set(.alpn, event.alpn.isEmpty ? nil : event.alpn.joined(separator: ","))
        set(.ja3, event.ja3)
        set(.ja4, event.ja4)
        set(.action, event.action.rawValue)
        if let limit = event.limit {
            set(.limitClass, limit.limitClass.id)
            set(.limitPerSecond, limit.perSecond)
            set(.limitAnswer, limit.answer.id)
            set(.limitUntil, limit.until)
            set(.limitEnforced, limit.enforced)
        }
        set(.since, event.counts.since)
        set(.seen, event.counts.seen)
        set(.suppressed, event.counts.suppressed)
        set(.reset, event.counts.reset)
        set(.dropped, event.counts.dropped)
        set(.wouldRefuse, event.counts.wouldRefuse)
        set(.enforcedBy, event.enforcedBy.rawValue)
        set(.seenToDecided, event.seenToDecided)
        set(.seenToEnforced, event.seenToEnforced)
        set(.policyName, event.policyName)
        set(.policyVersion, event.policyVersion)
        set(.rehearsal, event.isRehearsal)
        set(.traceID, event.traceID)
    }

    /// - Parameters:
    ///   - id: the record's, `ce_id`.
    ///   - time: when it was decided, as far as the record says.
    package mutating func append(_ limit: Limit, id: String?, time: Instant, at origin: LogOrigin, in place: String) {
        begin(.limit, id, time, origin, in: place)
        set(limit.key)
        set(.limitPerSecond, limit.perSecond)
        set(.limitAnswer, limit.answer.id)
        set(.limitUntil, limit.until)
        set(.anomalies, Self.list(limit.anomalies))
        set(.origin, limit.origin.rawValue)
        set(.generation, limit.generation)
        set(.step, limit.step)
        set(.released, limit.isRelease)
        set(.hasRefused, limit.hasRefused)
        set(.rehearsal, limit.isRehearsal)
        set(.eventsInWindow, limit.eventsInWindow)
        set(.eventIDs, limit.eventIDs.isEmpty ? nil : limit.eventIDs.joined(separator: ","))
        set(.traceID, limit.traceID)
    }

    /// A tombstone.
    package mutating func append(ended key: Limit.Key, id: String?, time: Instant, at origin: LogOrigin, in place: String) {
        begin(.ended, id, time, origin, in: place)
        set(key)
    }

    package mutating func append(_ decision: ScaleDecision, id: String?, time: Instant, at origin: LogOrigin, in place: String) {
        begin(.decision, id, time, origin, in: place)
        set(.workload, decision.workload)
        set(.sourcePrefix, decision.sourcePrefix.description)
        set(.sourceNumber, decision.sourcePrefix.address.archiveNumber)
        set(.desiredReplicas, decision.desiredReplicas)
        set(.previousReplicas, decision.previousReplicas)
        set(.mode, decision.mode.rawValue)
        set(.eventsInWindow, decision.eventsInWindow)
        set(.windowSeconds, decision.windowSeconds)
        set(.moreThan, decision.moreThan)
        set(.sourcesOver, decision.sourcesOver)
        set(.limitUntil, decision.until)
        set(.generation, decision.generation)
        set(.traceID, decision.traceID)
    }

    package mutating func append(_ notice: LossNotice, at origin: LogOrigin, in place: String) {
        begin(.loss, notice.id, notice.time, origin, in: place)
        set(.node, notice.node)
        set(.since, notice.since)
        set(.limitUntil, notice.until)
        set(.lost, notice.losses.map { "\($0.what.rawValue):\($0.cause):\($0.count)" }.joined(separator: ","))
    }

    private mutating func begin(_ kind: ArchiveKind, _ id: String?, _ time: Instant, _ origin: LogOrigin, in place: String) {
        begin(TablePartition(place: place, time: time, appended: origin.appended))
        set(.kind, kind.rawValue)
        set(.time, time)
        set(.appended, origin.appended)
        set(.partition, origin.partition)
        set(.offset, origin.offset)
        set(.id, id)
    }

    private mutating func set(_ key: Limit.Key) {
        set(.sourcePrefix, key.prefix.description)
        set(.sourceNumber, key.prefix.address.archiveNumber)
        set(.limitClass, key.limitClass.id)
    }

    private static func list(_ anomalies: AnomalySet) -> String { anomalies.list.map(\.id).joined(separator: ",") }
}
