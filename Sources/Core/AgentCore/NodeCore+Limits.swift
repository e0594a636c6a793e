internal import Detection
package import Messages
package import Units
internal import Wire

extension NodeCore {
    /// A record of the limits topic.
    /// - Parameter seen: when the packet was seen from which it follows; old news are no measure of how fast it spreads.
    /// - Returns: whether it holds here now; one that does not is counted, and told of where it stands on the topic all the same.
    @discardableResult
    package mutating func take<World: NodeWorld>(_ limit: Limit, seen: Instant? = nil, at now: Instant, in world: World) -> Bool {
        unconfirmed.remove(LimitKey(limit.key))
        let applied = cluster.apply(limit, at: now)
        if cluster.stands(limit) { world.keep(limit) }
        if case .failure(let rejection) = applied, rejection.reason == .overBudget { overBudget += 1 }
        guard case .success(let change) = applied else { return false }
        carryOut(change, in: world)
        if let seen {
            let spent = world.wall - seen
            if spent > .zero, spent < .seconds(10) { clusterLatency.note(UInt64(spent.wholeNanoseconds)) }
        }
        return true
    }

    /// A tombstone of the limits topic.
    package mutating func lift<World: NodeWorld>(_ key: Limit.Key, in world: World) {
        carryOut(cluster.release(key), in: world)
        unconfirmed.remove(LimitKey(key))
        world.forget(key)
    }

    /// A record that could not be read, under a key that could, or could not either.
    package mutating func refuse(_ key: Limit.Key?) {
        if let key { cluster.refuse(key) } else { cluster.refuse() }
    }

    /// Limits that the disk has of an earlier run: they hold before the first frame is seen, whether a broker answers or not.
    package mutating func restore<World: NodeWorld>(_ limits: some Sequence<Limit>, at now: Instant, in world: World) {
        for limit in limits {
            guard limit.until > now else {
                world.forget(limit.key)
                continue
            }
            if case .success(let change) = cluster.apply(limit, at: now) { carryOut(change, in: world) }
            unconfirmed.insert(LimitKey(limit.key))
        }
        if !unconfirmed.isEmpty { world.note(.restored(limits: unconfirmed.count)) }
    }

    /// The topic has been read whole: what it has not said again was lifted meanwhile.
    package mutating func topicWasRead<World: NodeWorld>(in world: World) {
        cluster.isRead = true
        for key in unconfirmed { lift(Limit.Key(prefix: key.prefix, limitClass: key.limitClass), in: world) }
        unconfirmed = []
    }

    /// Somebody has deleted the topic and made it anew.
    package mutating func topicWasMadeAnew() { cluster.topicWasMadeAnew() }

    func isEnforcing() -> Bool { policy.mode == .enforce }

    /// Where there is no room the topic's word still stands, so it is tried again (`placeWaiting`).
    mutating func carryOut<World: NodeWorld>(_ change: ClusterLimits.Change, in world: World) {
        switch change {
        case .set(let key, let perSecond, let answer, let until):
            if isEnforcing() { cluster.note(key, isSet: world.limit(key, entry(perSecond, answer, .cluster, until))) }
        case .release(let key): world.release(key)
        }
        chooseLengths(in: world)
    }

    /// A length that no limit had before has to be looked for from now on.
    mutating func chooseLengths<World: NodeWorld>(in world: World) {
        guard cluster.lengths != knownLengths else { return }
        knownLengths = cluster.lengths
        world.use(policy, lengths: knownLengths.sorted())
    }

    /// What was beyond a minute's budget, once another has room; and a word about it, once a minute at most.
    mutating func admitDeferred<World: NodeWorld>(at now: Instant, in world: World) {
        for (limit, change) in cluster.admitDeferred(atMost: 256, at: now) {
            if cluster.stands(limit) { world.keep(limit) }
            carryOut(change, in: world)
        }
        guard overBudget > 0, now - toldOfBudget >= .seconds(60) else { return }
        world.note(.overBudget(limits: overBudget, waiting: cluster.deferredCount))
        (overBudget, toldOfBudget) = (0, now)
    }

    /// Room comes with others' ends. Not many at a time: each attempt is a turn of the kernel's.
    mutating func placeWaiting<World: NodeWorld>(in world: World) {
        guard isEnforcing() else { return }
        for change in cluster.waiting(atMost: 64) { carryOut(change, in: world) }
    }
}

extension LimitKey {
    init(_ key: Limit.Key) { self.init(prefix: key.prefix, limitClass: key.limitClass) }
}
