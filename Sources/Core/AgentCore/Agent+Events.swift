internal import Detection
package import Messages
package import Units
internal import Vocabulary
internal import Wire

extension Agent {
    /// The source's event, and its counts begin anew.
    ///
    /// - Parameters:
    ///   - seen: when the kernel saw the latest hello, `decided` when it was judged here, `enforced` when the limit stood; equal to
    ///     `seen` for the kernel's own.
    ///   - until: end of the limit in force.
    package mutating func takeEvent(
        of slot: Int, interface: String, hello: HelloFacts?, seen: Instant, decided: Instant, enforced: Instant?, until: Instant?
    ) -> ThrottleEvent {
        let source = sources.slots[slot], handshake = source.latest
        statistics.folded += source.seen - 1
        var event = makeEvent(
            at: seen, of: handshake, source.prefix, source.anomalies, policy.severity(of: source.anomalies) ?? .medium, hello)
        event.interface = interface
        event.reach = source.reach
        event.counts = ThrottleEvent.Counts(since: source.since)
        event.counts.seen = source.seen
        event.counts.suppressed = source.seen - 1
        event.counts.reset = source.reset
        event.counts.dropped = source.dropped
        event.counts.wouldRefuse = source.wouldRefuse
        event.seenToDecided = Int((decided - seen).wholeNanoseconds / 1000)
        setAction(of: &event, source, seen: seen, enforced: enforced, until: until)

        sources.slots[slot].isLimited = event.limit?.enforced ?? false
        sources.slots[slot].isDue = false
        sources.slots[slot].lastEvent = seen
        sources.slots[slot].clearCounts()
        return event
    }

    /// What every event has, by its verdict.
    mutating func makeEvent(
        at seen: Instant, of handshake: Handshake, _ prefix: Prefix, _ anomalies: AnomalySet, _ severity: Severity,
        _ hello: HelloFacts? = nil
    ) -> ThrottleEvent {
        sequence += 1
        statistics.events += 1
        var event = ThrottleEvent(
            id: "\(node):\(bootID):\(sequence)", time: seen, node: node, sourceAddress: handshake.source, sourcePrefix: prefix,
            destinationAddress: handshake.destination, anomalies: anomalies, severity: severity, traceID: traces.next())
        event.direction = handshake.direction
        event.sourcePort = handshake.sourcePort
        event.proxy = handshake.proxy
        event.destinationPort = handshake.destinationPort
        event.completeness = handshake.completeness
        event.proof = handshake.proof
        event.transport = handshake.transport
        event.version = ClientHello.name(ofVersion: handshake.version)
        event.serverName = hello?.serverName
        event.alpn = hello?.alpn ?? []
        event.ja3 = hello?.ja3
        event.ja4 = hello?.ja4
        event.groups = hello?.groups ?? []
        event.keyShares = hello?.keyShares ?? []
        event.encryptedHello = hello?.encryptedHello?.use(isRetry: handshake.isRetry)
        event.communityID = hello?.communityID
        event.workload =
            policy.target(destination: handshake.destination, port: handshake.destinationPort, serverName: hello?.serverName)?.workload
        event.policyName = policy.name
        event.policyVersion = policy.version
        return event
    }

    private func setAction(of event: inout ThrottleEvent, _ source: SourceTable.Source, seen: Instant, enforced: Instant?, until: Instant?)
    {
        guard let rule = policy.limitRule(for: source.anomalies) else { return }
        let handshake = source.latest
        // What the kernel did with the latest hello may be by a limit that was set here for the one before.
        let byKernel = enforced == nil && (handshake.outcome == .admitted || handshake.outcome.isRefused)
        guard byKernel || enforced != nil || policy.mode == .observe else { return }
        event.limit = ThrottleEvent.Limit(
            limitClass: byKernel ? handshake.limitClass : rule.limitClass,
            perSecond: byKernel ? handshake.limitPerSecond : rule.perSecond, answer: rule.answer,
            until: until ?? seen + (rule.duration ?? policy.duration(ofStep: 0)), enforced: byKernel || enforced != nil)
        if byKernel {
            event.action = source.isLimited ? .alreadyLimited : .limited
            event.enforcedBy = .kernel
            event.seenToEnforced = 0
        } else if let enforced {
            event.action = .limited
            event.enforcedBy = .agent
            event.seenToEnforced = Int((enforced - seen).wholeNanoseconds / 1000)
        } else {
            event.action = .observed
        }
    }
}
