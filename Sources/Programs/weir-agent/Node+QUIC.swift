internal import AgentCore
internal import BPF
internal import Detection
internal import Linux
internal import Log
internal import Metrics
internal import Probe
internal import Units
internal import Vocabulary
internal import Wire

/// QUIC on this node: the ring of clients' datagrams, and what opens them. A class, so that one part is used while another
/// hands something over.
final class QUICPart {
    var ring: Ring
    /// It takes some milliseconds to make, so nothing waits for it before the probe is attached.
    private(set) lazy var reader = QUICReader(Self.policy(policy))
    var policy: Policy {
        didSet {
            reader.use(Self.policy(policy))
            budget.percent = policy.quic.budget
        }
    }
    var budget: OpeningBudget
    /// Verdicts that came of it.
    var judged = 0

    init(_ probe: borrowing KernelProbe, _ policy: Policy) throws(Errno) {
        ring = try Ring(map: probe.initialsMap, size: probe.initialsSize)
        self.policy = policy
        budget = OpeningBudget(percent: policy.quic.budget)
    }

    /// Here a hello's bytes are at hand, so all of them travel.
    private static func policy(_ policy: Policy) -> KernelPolicy {
        var policy = policy
        policy.capture = .all
        return KernelPolicy(policy)
    }
}

extension Node {
    /// Said in these words, because whoever asked for it has to know.
    static let noOpening = "quic.inPacket: this kernel does not take the program; the agent opens Initials, as without inPacket"

    /// Whether Initials are opened in the packet: `off`, `on`, `observing` (only what enforces needs it), or `unavailable`.
    var opening: String { opening(under: policy) }

    private func opening(under policy: Policy) -> String {
        guard policy.quic.enabled, policy.quic.inPacket else { return "off" }
        guard probe.opens else { return "unavailable" }
        return policy.mode == .enforce ? "on" : "observing"
    }

    /// The program is verified at the start, for that takes rights that are given up afterwards.
    /// - Parameter policy: given, for the core is being changed while it is taken.
    func sayOpening(under policy: Policy) {
        let asked = settings.policy.quic.enabled && settings.policy.quic.inPacket
        if opening(under: policy) == "unavailable", !asked {
            log.write(.warning, "quic.inPacket: it takes effect with the agent's next start; until then the agent opens Initials")
        }
    }

    /// Datagrams a turn, so that verdicts over TCP do not wait long.
    private static let datagramsPerTurn = 64

    /// Opens what waits, as far as the budget goes, and judges what became whole. True when there was something.
    func drainDatagrams() -> Bool {
        guard quic.ring.hasRecords else { return false }
        let found = quic.ring.drain(budget: Self.datagramsPerTurn) { record in
            guard let seen = Handshake(record) else { return }
            let start = Clock.monotonic
            guard quic.budget.allows(seen.source, proves: seen.proof > .unproven, at: start) else { return }
            if let opinion = quic.reader.take(record) { probe.note(opinion) }
            quic.budget.spend(Clock.monotonic &- start)
        }
        judgeDatagrams()
        return found > 0
    }

    /// Once a second: what nothing has proven is told without proof.
    func sweepDatagrams() {
        quic.reader.sweep(at: Clock.monotonic, counters: probe.counters)
        judgeDatagrams()
    }

    private func judgeDatagrams() {
        quic.reader.judge { record in
            quic.judged += 1
            guard let seen = Handshake(record) else { return core.passOver() }
            if seen.proof > .unproven { quic.budget.isProven(seen.source, at: Clock.monotonic) }
            core.take(seen, hello: record.extracting(droppingFirst: Handshake.size).extracting(first: seen.rawLength), in: self)
            keep(record, of: seen)
        }
    }
}
