internal import Messages
internal import Units
internal import Wire

/// `--summary-only`: what Weir would have done and what it came to, nothing of single hellos; so their names and fingerprints are not worked out.
/// A class: what holds an output of some kind would keep a struct of this size in a box, and look at the box for every hello.
final class SummaryOutput: ReplayOutput {
    private var next: any ReplayOutput
    private var hasBegun = false

    init(_ next: any ReplayOutput) { self.next = next }

    var readsHellos: Bool { false }
    /// The first one alone: the table counts its times from there.
    func handshake(_ handshake: ReplayedHandshake, _ message: RawSpan) throws {
        guard !hasBegun else { return }
        hasBegun = true
        if !isJSON { try next.handshake(handshake, message) }
    }

    func event(_ event: ThrottleEvent) {}
    func limit(_ limit: Limit) throws { try next.limit(limit) }
    func decision(_ decision: ScaleDecision, at time: Instant) throws { if !isJSON { try next.decision(decision, at: time) } }
    func ended(_ workload: String, at time: Instant) throws { try next.ended(workload, at: time) }
    func passed(_ time: Instant, isLive: Bool) {}
    func end(_ summary: ReplaySummary) throws { try next.end(summary) }

    /// One line is what a program wants then.
    private var isJSON: Bool { next is JSONOutput }
}
