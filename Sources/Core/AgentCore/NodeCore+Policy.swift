package import Detection
internal import Messages
package import Units
internal import Vocabulary

/// Addresses that a node knows to be its own or its neighbours', as the policy's `allow` names them by kind.
package struct KnownAddresses: Sendable, Equatable {
    /// This node's, from which kubelets probe their pods.
    package var own: [Prefix] = []
    /// The cluster's other nodes', as far as they are believed (`NodeAddresses`).
    package var nodes: [Prefix] = []
    /// Its pods' networks.
    package var pods: [Prefix] = []
    package init() {}
}

extension AllowList {
    /// Who is never limited here: the policy's blocks and proxies, and whom it allows by kind.
    package init(_ policy: Policy, _ known: KnownAddresses) {
        let allow = policy.allow
        var prefixes = policy.neverLimited
        if allow.nodes || allow.kubelet { prefixes += known.own }
        if allow.nodes { prefixes += known.nodes }
        if allow.pods { prefixes += known.pods }
        self.init(prefixes)
    }
}

extension NodeCore {
    /// Brings the allow-list up to date: a node gets addresses and pods as it lives. Limits of the topic that it covers or frees go
    /// and come with it.
    package mutating func use<World: NodeWorld>(_ known: KnownAddresses, at now: Instant, in world: World) {
        measure(policy, known, at: now, in: world)
    }

    /// Another policy. The order: first whom it never limits, then what the kernel judges by, then what stands on the hooks, then
    /// what user space judges by, and last the topic's limits that stood while nothing was enforced.
    package mutating func use<World: NodeWorld>(_ next: Policy, _ known: KnownAddresses, at now: Instant, in world: World) {
        let before = policy
        measure(next, known, at: now, in: world)
        knownLengths = cluster.lengths
        world.use(next, lengths: knownLengths.sorted())
        if next.mode != before.mode { world.enforce(next.mode == .enforce) }
        agent.use(next)
        policy = next
        endDenials(at: now, all: true, in: world)
        names = NameLists(next)
        fingerprints = Fingerprints(next)
        // What the topic said meanwhile.
        if isEnforcing() { for change in cluster.standing { carryOut(change, in: world) } }
    }

    private mutating func measure<World: NodeWorld>(_ policy: Policy, _ known: KnownAddresses, at now: Instant, in world: World) {
        let next = AllowList(policy, known)
        if next != allowed {
            let before = allowed.prefixes, wanted = next.prefixes
            for prefix in before.subtracting(wanted) { world.disallow(prefix) }
            for prefix in wanted.subtracting(before) where !world.allow(prefix) { world.note(.allowListFull(prefix)) }
            allowed = next
            agent.allowed = next
        }
        for change in cluster.use(next, LimitBounds(policy, heedsRehearsals: options.heedsRehearsals), at: now) {
            carryOut(change, in: world)
        }
    }

    // MARK: Denied fingerprints

    /// From now on the kernel knows by itself.
    mutating func deny<World: NodeWorld>(_ fingerprint: UInt64, until: Instant?, in world: World) {
        guard denied[fingerprint] == nil else { return }
        if world.deny(fingerprint) { denied[fingerprint] = .some(until) } else { refusedDenials += 1 }
    }

    /// A denial has an end, and a policy may drop one.
    mutating func endDenials<World: NodeWorld>(at now: Instant, all: Bool = false, in world: World) {
        for (fingerprint, until) in denied where all || until.map({ $0 <= now }) ?? false {
            world.admit(fingerprint)
            denied[fingerprint] = nil
        }
    }
}
