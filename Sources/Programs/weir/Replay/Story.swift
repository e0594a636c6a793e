internal import Detection
internal import Fingerprints
internal import Messages
internal import Pcap
internal import Probe
internal import Units
internal import Vocabulary
internal import Wire

/// One handshake of a capture, with all that its bytes tell.
struct ReplayedHandshake {
    let handshake: Handshake
    /// Of the frame that completed it; of the last one read, if none did.
    let frame: Int
    let time: Instant
    /// The probe's, and what only user space can judge.
    let anomalies: AnomalySet
    let severity: Severity?
    let hello: HelloReader.Reading?

    var version: String? { ClientHello.name(ofVersion: handshake.version) }
}

/// Where a replay's story goes, in the order in which Weir would have said it.
protocol ReplayOutput {
    /// Names and fingerprints of every hello are wanted, not only of those that an event may be about.
    var readsHellos: Bool { get }
    /// - Parameter message: the hello's bytes, for this call only; none where they did not travel.
    mutating func handshake(_ handshake: ReplayedHandshake, _ message: RawSpan) throws
    mutating func event(_ event: ThrottleEvent) throws
    mutating func limit(_ limit: Limit) throws
    mutating func decision(_ decision: ScaleDecision, at time: Instant) throws
    /// A workload's decision was not renewed: its lowest count is wanted again.
    mutating func ended(_ workload: String, at time: Instant) throws
    /// So much of the capture has passed. `isLive`: somebody may be waiting at the other end of a pipe.
    mutating func passed(_ time: Instant, isLive: Bool) throws
    mutating func end(_ summary: ReplaySummary) throws
}

/// Nobody reads the output any more.
struct ReaderGone: Error {}

/// What a capture came to.
struct ReplaySummary {
    var name = ""
    var frames = 0
    var bytes = 0
    /// Frames of which the kernel engine saw the start only.
    var cutByEngine = 0
    /// Frames of which the capture holds the start only.
    var cutByCapture = 0
    /// Frames whose link header hides what is behind it.
    var unread = Capture.Unread()
    var counters = Counters()
    var pushedOut = NativeEngine.PushedOut()
    var first: Instant?
    var last: Instant?
    /// Spent, not captured.
    var spent = Duration.zero
    var handshakes = 0
    /// Anomalies of flows besides their hellos.
    var flows = 0
    var reassembled = 0
    var incomplete: [IncompleteReason: Int] = [:]
    var unproven = 0
    var anomalies: [Anomaly: Int] = [:]
    var anomalous = 0
    var refused = 0
    var firstLimit: Instant?
    var events = 0
    var limits = 0
    var decisions = 0
    /// Events of sources over the threshold whose destination is no workload that the policy knows.
    var withoutWorkload = 0
    var worst: Severity?

    mutating func note(_ handshake: Handshake, _ found: AnomalySet, _ severity: Severity?) {
        switch handshake.kind {
        case .hello: handshakes += 1
        case .flow: flows += 1
        case .datagram: break
        }
        switch handshake.completeness {
        case .complete: break
        case .reassembled: reassembled += 1
        case .incomplete: incomplete[handshake.incompleteReason, default: 0] += 1
        }
        if case .unproven = handshake.proof { unproven += 1 }
        guard !found.isEmpty else { return }
        anomalous += 1
        found.forEach { anomalies[$0, default: 0] += 1 }
        if let severity { worst = max(worst ?? severity, severity) }
        if handshake.outcome.isRefused { refused += 1 }
    }

    var incompletes: Int { incomplete.values.reduce(0, +) }
    var traffic: Duration { first.flatMap { first in last.map { $0 - first } } ?? .zero }

    /// What was not seen, or not seen whole, by cause. `isOurs`: for want of room here, and told nowhere else.
    var losses: [(cause: String, count: Int, isOurs: Bool)] {
        let counted: [Counter] = [.lost, .fragmentsLost, .outOfStep, .deepHeaders, .tunnelsSealed, .tunnelsSplit]
        return IncompleteReason.allCases.compactMap { reason in reason.id.map { ($0, incomplete[reason] ?? 0, false) } }
            + [("frames_cut_by_capture", cutByCapture, false), ("frames_cut_by_engine", cutByEngine, false)]
            + Capture.Unread.Cause.allCases.map { ("frames_\($0.rawValue)", unread[$0], true) }
            + counted.map { ($0.id, Int(counters[$0]), true) }
            + [("flows_pushed_out", pushedOut.flows, true), ("half_open_pushed_out", pushedOut.halfOpen, true)]
    }
}
