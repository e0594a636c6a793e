internal import Messages
internal import Units
internal import Wire

/// Goes on when nobody reads any more: the exit code still has to be right.
struct PatientOutput: ReplayOutput {
    private var next: any ReplayOutput
    private var isRead = true

    init(_ next: any ReplayOutput) { self.next = next }

    var readsHellos: Bool { next.readsHellos }
    mutating func handshake(_ handshake: ReplayedHandshake, _ message: RawSpan) throws { try pass { try $0.handshake(handshake, message) } }
    mutating func event(_ event: ThrottleEvent) throws { try pass { try $0.event(event) } }
    mutating func limit(_ limit: Limit) throws { try pass { try $0.limit(limit) } }
    mutating func decision(_ decision: ScaleDecision, at time: Instant) throws { try pass { try $0.decision(decision, at: time) } }
    mutating func ended(_ workload: String, at time: Instant) throws { try pass { try $0.ended(workload, at: time) } }
    mutating func passed(_ time: Instant, isLive: Bool) throws { try pass { try $0.passed(time, isLive: isLive) } }
    mutating func end(_ summary: ReplaySummary) throws { try pass { try $0.end(summary) } }

    private mutating func pass(_ body: (inout any ReplayOutput) throws -> Void) throws {
        guard isRead else { return }
        do { try body(&next) } catch is ReaderGone { isRead = false }
    }
}
