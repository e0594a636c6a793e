internal import Detection
internal import Units
internal import Vocabulary

/// Milliseconds since the world began.
package typealias Time = Int

/// What a seed stands for: a cluster, its clients, and what goes wrong when. Everything that happens follows from this and from the seed.
package struct Scenario: Sendable {
    package let seed: UInt64
    let nodes: Int
    let replicas: Int
    let partitions: Int
    /// Whether the nodes have a spool.
    let hasSpools: Bool
    let clients: [ClientPlan]
    /// What goes wrong, in order. Their places in this list are their names on the command line.
    package let faults: [Fault]
    /// Those that happen; the others are left out, to find out which matter.
    package var kept: Set<Int>

    /// Faults come until then; afterwards everything heals.
    static let chaosEnds: Time = 30_000
    /// Attackers stop, and what is on its way arrives.
    static let quietBegins: Time = 38_000
    static let ends: Time = 50_000

    package struct Fault: Sendable {
        let at: Time
        let kind: Kind
        package var description: String { "\(at) ms: \(kind)" }
    }

    enum Kind: Sendable {
        case killNode(Int, back: Time)
        case stopNode(Int, until: Time)
        case killReplica(Int, back: Time)
        case stopReplica(Int, until: Time)
        case brokerAway(until: Time)
        /// Records are stored, and whoever sent them is told that they are not.
        case loseReports(until: Time)
        case compact
        /// The limits topic is deleted and made anew.
        case limitsMadeAnew
        case clock(Int, milliseconds: Int)
        case policy(Variant)
        /// An operator limits the first client of that kind, and lifts that again, by a record or by a tombstone.
        case operatorLimits(ClientPlan.Kind, lifted: Time?, byTombstone: Bool)
        case operatorReleases(ClientPlan.Kind)
        /// The kernel's map has no room for what user space wants to set.
        case noRoom(Int, until: Time)
        case diskFull(Int, until: Time)
    }

    /// Policies between which an operator changes.
    enum Variant: Int, CaseIterable, Sendable { case enforcing, observing, strict, allowing }

    package init(seed: UInt64) {
        var dice = Dice(seed)
        self.seed = seed
        nodes = dice.within(1...3)
        replicas = dice.within(1...3)
        partitions = dice.within(1...4)
        hasSpools = dice.happens(in: 75)
        var clients: [ClientPlan] = []
        for kind in ClientPlan.Kind.allCases {
            for _ in 0..<(kind == .attacker ? dice.within(1...3) : 1) {
                clients.append(
                    ClientPlan(
                        number: clients.count, kind: kind, node: dice.below(nodes), isIPv6: dice.happens(in: 40),
                        dice: &dice))
            }
        }
        self.clients = clients
        var faults: [Fault] = []
        for _ in 0..<dice.within(0...12) { faults.append(Self.draw(&dice, nodes: nodes, replicas: replicas)) }
        self.faults = faults.sorted { $0.at < $1.at }
        kept = Set(faults.indices)
    }

    private static func draw(_ dice: inout Dice, nodes: Int, replicas: Int) -> Fault {
        let at = dice.within(2_000...chaosEnds - 1_000), long = at + dice.within(500...8_000), node = dice.below(nodes),
            replica = dice.below(replicas)
        let kind: Kind =
            switch dice.below(15) {
            case 0, 1: .killNode(node, back: at + dice.within(200...4_000))
            case 2: .stopNode(node, until: long)
            case 3, 4: .killReplica(replica, back: long)
            case 5: .stopReplica(replica, until: long)
            case 6: .brokerAway(until: long)
            case 7: .loseReports(until: long)
            case 8: .compact
            case 9: .limitsMadeAnew
            case 10: .clock(node, milliseconds: dice.within(-20_000...20_000))
            case 11: .policy(dice.pick(Variant.allCases))
            case 12:
                .operatorLimits(
                    dice.pick([.customer, .attacker]), lifted: dice.happens(in: 70) ? at + dice.within(1_000...5_000) : nil,
                    byTombstone: dice.happens(in: 50))
            case 13: .operatorReleases(dice.pick([.customer, .attacker]))
            default: dice.happens(in: 50) ? .noRoom(node, until: long) : .diskFull(node, until: long)
            }
        return Fault(at: at, kind: kind)
    }

    /// The policy that everybody has from some moment on. Everything in it is quick, so that a life fits into a minute.
    func policy(_ variant: Variant) -> Policy {
        var policy = Policy()
        policy.name = "\(variant)"
        policy.version = "\(variant)"
        policy.mode = variant == .observing ? .observe : .enforce
        policy.escalation = [.seconds(4), .seconds(8), .seconds(12)]
        policy.scaleOut.window = .seconds(10)
        policy.scaleOut.moreThan = 4
        var target = Policy.Target(workload: "shop/web")
        target.cooldown = .seconds(3)
        target.max = 5
        policy.scaleOut.targets = [target]
        let allowed = clients.filter { $0.kind == .allowed || variant == .allowing && $0.kind == .attacker && $0.number % 2 == 0 }
        policy.allow.cidrs = allowed.map { Prefix($0.address, length: 128) }
        if variant == .strict { policy.escalation = [.seconds(2), .seconds(4), .seconds(6)] }
        policy.trust.operatorsPerSecond = 1
        return policy
    }
}

/// Who connects, to which node, and how.
struct ClientPlan: Sendable {
    enum Kind: Int, CaseIterable, Sendable {
        /// Without names, in all the ways that it knows.
        case attacker
        /// With a name, over a link that loses, repeats and reorders.
        case customer
        /// Without a name, and never more than the limit allows.
        case slow
        /// Without names, from an address that the policy never limits.
        case allowed
        /// Forged: nobody completes a handshake.
        case spoofed
    }

    let number: Int
    let kind: Kind
    let node: Int
    let address: Address
    /// Between two connections.
    let pause: Time

    init(number: Int, kind: Kind, node: Int, isIPv6: Bool, dice: inout Dice) {
        self.number = number
        self.kind = kind
        self.node = node
        // A source of its own for each, whatever the prefix is that counts as one.
        address =
            isIPv6
            ? Address(high: 0x2001_0db8_0000_0000 | UInt64(number + 1) << 20 | UInt64(number), low: 1)
            : Address(ipv4: 0xcb00_7100 + UInt32(number))
        pause =
            switch kind {
            case .attacker: dice.within(60...250)
            case .customer: dice.within(150...400)
            case .slow: dice.within(700...1_500)
            case .allowed: dice.within(100...200)
            case .spoofed: dice.within(100...300)
            }
    }
}

extension Scenario.Fault {
    var isPolicy: Bool { if case .policy = kind { true } else { false } }
}
