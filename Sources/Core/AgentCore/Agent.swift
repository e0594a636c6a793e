package import Detection
internal import Messages
package import Units
package import Vocabulary
package import Wire

/// What the agent makes of verdicts: which become events, which need a limit that only user space can set. A value;
/// time comes in, and the shell acts on what comes out.
package struct Agent: Sendable {
    /// What a verdict asks of the shell. Nothing here allocates.
    package struct Order: Sendable {
        /// All that was found, by the kernel and here.
        package var anomalies = AnomalySet()
        /// Publish the event of this source: `takeEvent` makes it, when the limits of whatever came with it stand. What the source does until then is in it.
        package var publish: Int?
        /// Set this limit in the kernel, because only user space could judge.
        package var limit: (key: LimitKey, perSecond: Int, answer: Answer, until: Instant)?
    }

    package struct Statistics: Sendable, Equatable {
        package var anomalous = 0
        package var unproven = 0
        package var incomplete = 0
        package var events = 0
        /// Nothing that counts.
        package var clean = 0
        package var allowed = 0
        /// That could not be read.
        package var unreadable = 0
        /// Verdicts that the events made count besides the one that each is about.
        package var folded = 0
        /// Of one destination's proof, left out for what others may act on.
        package var outweighed = 0
        package var coalesced = 0
        /// Verdicts that the event of the rest counts besides the one that it shows.
        package var together = 0
        /// Sources whose place another took.
        package var displaced = 0
        /// Sources that had no event of their own.
        package var untold = 0
        /// Events without facts of their hello, because newer hellos had taken its room.
        package var hellosLost = 0
    }

    package private(set) var policy: Policy
    package internal(set) var statistics = Statistics()
    /// Whom nothing is held against, in either direction: the kernel's list, which it heeds on the way in alone.
    package var allowed = AllowList()
    let node: String
    let bootID: String
    private var masks: Masks
    var sources: SourceTable
    private var behaviour: Behaviour
    private var hellos: HelloStore
    var conditions = Conditions()
    var newcomers = Newcomers()
    /// What sources did that have no event of their own.
    var rest = Rest()
    /// Each source has an event, however many there are: a capture's report leaves nobody out.
    private let tellsEverySource: Bool
    /// Slots with counts that wait for their second to pass, in order of arrival.
    private var queue: [Int] = []
    var sequence: UInt64 = 0
    var traces: TraceIDs

    /// The policy as bit sets, so that a verdict costs no dictionary.
    private struct Masks: Sendable {
        let counting: AnomalySet
        let limiting: AnomalySet
        let user: AnomalySet

        init(_ policy: Policy) {
            counting = policy.anomalies(atLeast: .medium).union(policy.limiting)
            limiting = policy.limiting
            user = policy.recorded
        }
    }

    /// - Parameters:
    ///   - bootID: tells this run's event ids from the last one's.
    ///   - seed: of trace ids; replay passes a constant.
    ///   - capacity: sources remembered, a power of two.
    ///   - tellsEverySource: nobody is told with the rest for want of room in a minute.
    package init(policy: Policy, node: String, bootID: String, seed: UInt64, capacity: Int = 8192, tellsEverySource: Bool = false) {
        self.policy = policy
        self.node = node
        self.bootID = bootID
        masks = Masks(policy)
        self.tellsEverySource = tellsEverySource
        sources = SourceTable(capacity: capacity, key: seed)
        behaviour = Behaviour(capacity: max(8, capacity / 4))
        hellos = HelloStore(capacity: capacity * Self.helloBytes)
        queue.reserveCapacity(capacity)
        traces = TraceIDs(seed: seed)
    }

    /// Memory for hellos, for each source: an ordinary hello has about as many bytes.
    private static let helloBytes = 512

    package mutating func use(_ policy: Policy) {
        self.policy = policy
        masks = Masks(policy)
    }

    package var trackedSources: Int { sources.count }
    mutating func passOver() { statistics.unreadable += 1 }

    /// Verdicts that no event counts yet. Looks at every source.
    var gathering: Int {
        sources.slots.indices.reduce(conditions.count + rest.seen) { $0 + (sources.slots[$1].isUsed ? sources.slots[$1].seen : 0) }
    }
    /// Sources whose behaviour was forgotten for others'.
    package var displacedSources: Int { behaviour.displaced }

    /// Judges one verdict. `hello` is the hello's bytes, or nothing where they did not travel; `found` is what the shell saw in them: names, protocols, fingerprints.
    package mutating func consider(_ handshake: Handshake, hello: RawSpan = RawSpan(), found: AnomalySet, at now: Instant) -> Order {
        var order = Order()
        let prefix = policy.sourcePrefix(of: handshake.source)
        var anomalies = handshake.anomalies.union(found.intersection(masks.user))
        if handshake.proof > .unproven {
            anomalies.formUnion(behaviour.consider(handshake, of: prefix, policy.thresholds, at: now).intersection(masks.user))
        }
        order.anomalies = anomalies
        if handshake.completeness == .incomplete { statistics.incomplete += 1 }
        guard !anomalies.intersection(masks.counting).isEmpty else {
            statistics.clean += 1
            return order
        }
        guard handshake.proof >= policy.proof else {
            // Whoever sent it may have forged the source: it counts against nobody.
            statistics.unproven += 1
            return order
        }
        guard handshake.outcome != .allowed, !allowed.contains(handshake.source) else {
            statistics.allowed += 1
            return order
        }
        statistics.anomalous += 1
        setLimit(of: &order, handshake, prefix, anomalies, at: now)
        guard let slot = slot(of: prefix) else {
            rest.add(handshake, anomalies, at: now)
            return order
        }
        note(handshake, hello, anomalies, slot, now)
        if order.limit != nil { sources.slots[slot].wasRefused = true }
        if isToBeTold(slot, at: now) {
            sources.slots[slot].isDue = true
            sources.slots[slot].isHeld = false
            order.publish = slot
        } else {
            sources.slots[slot].suppressed += 1
            statistics.coalesced += 1
            if !sources.slots[slot].isQueued, !sources.slots[slot].isDue, !sources.slots[slot].isHeld {
                sources.slots[slot].isQueued = true
                queue.append(slot)
            }
        }
        return order
    }

    /// The reflex has limited what the kernel can judge; the rest is ours, before anything else. Over QUIC nothing was judged in the kernel.
    private func setLimit(of order: inout Order, _ handshake: Handshake, _ prefix: Prefix, _ anomalies: AnomalySet, at now: Instant) {
        let reflexes = handshake.transport == .tcp ? handshake.anomalies : AnomalySet()
        let unlimited = anomalies.intersection(masks.limiting).subtracting(reflexes)
        guard policy.mode == .enforce, !unlimited.isEmpty, handshake.outcome == .passed || handshake.outcome == .observed,
            let limit = policy.limitRule(for: unlimited)
        else { return }
        order.limit = (
            LimitKey(of: handshake, prefix, limit.limitClass), limit.perSecond, limit.answer,
            now + (limit.duration ?? policy.duration(ofStep: 0))
        )
    }

    /// Whether the source's event goes now: none went in the last second, and the minute has room if it is the source's first.
    private mutating func isToBeTold(_ slot: Int, at now: Instant) -> Bool {
        guard !sources.slots[slot].isDue, now - sources.slots[slot].lastEvent >= .seconds(1) else { return false }
        guard sources.slots[slot].lastEvent == .distantPast, !tellsEverySource else { return true }
        if newcomers.admits(isRefused: sources.slots[slot].refused > 0, at: now, most: policy.trust.newSources) { return true }
        sources.slots[slot].isHeld = true
        newcomers.hasWaiting = true
        return false
    }

    private mutating func note(_ handshake: Handshake, _ hello: RawSpan, _ anomalies: AnomalySet, _ slot: Int, _ now: Instant) {
        if sources.slots[slot].seen > 0, sources.slots[slot].reach != handshake.reach {
            // What others may act on goes first, and by itself: what a pod may have made up lends it no anomaly and no count.
            if handshake.reach == .destination {
                statistics.outweighed += 1
                return
            }
            statistics.outweighed += sources.slots[slot].seen
            sources.slots[slot].clearCounts()
        }
        sources.slots[slot].reach = handshake.reach
        if sources.slots[slot].seen == 0 {
            sources.slots[slot].since = now
            sources.slots[slot].anomalies = AnomalySet()
        }
        sources.slots[slot].seen += 1
        sources.slots[slot].lastSeen = now
        sources.slots[slot].anomalies.formUnion(anomalies)
        if handshake.hasHello, hello.byteCount > 0 {
            hellos.keep(hello, in: &sources.slots[slot].hello)
        } else if handshake.kind == .hello || !handshake.isSameConnection(as: sources.slots[slot].latest) {
            // The event is about this verdict, and what an earlier connection said is not about it.
            sources.slots[slot].hello.clear()
        }
        sources.slots[slot].latest = handshake
        if handshake.outcome == .reset { sources.slots[slot].reset += 1 }
        if handshake.outcome == .dropped { sources.slots[slot].dropped += 1 }
        if handshake.outcome.isRefused { sources.slots[slot].wasRefused = true }
        if policy.mode == .observe, let rule = policy.limitRule(for: anomalies) { noteObserved(slot, rule, now) }
    }

    /// Counts what a limit would have refused: of all that come within one second, at most so many are admitted. It never counts more than a sliding second
    /// would have refused.
    private mutating func noteObserved(_ slot: Int, _ rule: Policy.LimitRule, _ now: Instant) {
        let passed = now - sources.slots[slot].secondBegan
        if passed >= .seconds(1) || passed < .zero {
            sources.slots[slot].secondBegan = now
            sources.slots[slot].inSecond = 0
        }
        sources.slots[slot].inSecond += 1
        guard sources.slots[slot].inSecond > rule.perSecond else { return }
        sources.slots[slot].wouldRefuse += 1
        sources.slots[slot].wasRefused = true
    }

    /// Sources whose second has passed, each with an event to publish. Call it several times a second.
    package mutating func tick(at now: Instant) -> [Int] {
        var due = tellsEverySource ? [] : endMinute(at: now)
        guard !queue.isEmpty else { return due }
        queue.removeAll { slot in
            guard now - sources.slots[slot].lastEvent >= .seconds(1) else { return false }
            sources.slots[slot].isQueued = false
            if sources.slots[slot].seen > 0, !sources.slots[slot].isDue, !sources.slots[slot].isHeld {
                sources.slots[slot].isDue = true
                due.append(slot)
            }
            return true
        }
        return due
    }

    /// Forgets who was silent for ten minutes. Call it now and then.
    package mutating func forget(at now: Instant) { sources.forget(silentSince: now - .seconds(600)) }

    /// The latest verdict of a source whose event is due.
    package func latest(of slot: Int) -> Handshake { sources.slots[slot].latest }

    /// Gives the hello that the source's event is about to `body`, or an empty one where its bytes did not travel. `nil` where they had to make room, which is counted.
    package mutating func withHello<Result>(of slot: Int, _ body: (RawSpan) -> Result) -> Result? {
        let result = hellos.read(sources.slots[slot].hello, body)
        if result == nil { statistics.hellosLost += 1 }
        return result
    }
}

extension LimitKey {
    /// Of the source that this handshake is of. What anybody may have proved limits it towards that destination, and never as a whole: by what others
    /// can cause nobody is shut out.
    init(of handshake: Handshake, _ prefix: Prefix, _ limitClass: LimitClass) {
        let isBound = handshake.reach == .destination
        self.init(prefix: prefix, limitClass: isBound ? .anomalous : limitClass, towards: isBound ? handshake.destination : nil)
    }
}

extension Handshake {
    /// It is about a hello that was read to the end.
    package var hasHello: Bool { kind == .hello && completeness != .incomplete && !anomalies.contains(.notTLS) }

    fileprivate func isSameConnection(as other: Handshake) -> Bool {
        source == other.source && destination == other.destination && sourcePort == other.sourcePort
            && destinationPort == other.destinationPort
    }
}
