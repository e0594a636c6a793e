import ControllerCore
import Detection
import Messages
import Units
import Vocabulary

/// A controller and its log, in seconds from the start of the story. Sources and event ids are numbers.
struct Script {
    static let start = Instant(nanoseconds: 1_795_514_400_000_000_000)
    static let workload = "shop/web"

    var controller: Controller
    var offset: Int64 = 0

    init(sources: Int = 1000, limits: Int = 1000, _ change: (inout Policy) -> Void = { _ in }) {
        var policy = Policy()
        policy.mode = .enforce
        var target = Policy.Target(workload: Self.workload)
        (target.min, target.max, target.step) = (2, 5, 1)
        policy.scaleOut.targets = [target]
        change(&policy)
        controller = Controller(policy: policy, sources: sources, limits: limits)
    }

    static func at(_ seconds: Double) -> Instant { start + .milliseconds(Int64((seconds * 1000).rounded())) }
    static func source(_ number: Int) -> Prefix { Prefix(Address(ipv4: 0xcb00_0000 + UInt32(number)), length: 128) }

    static func event(_ seconds: Double, source number: Int = 1, id: Int, _ change: (inout ThrottleEvent) -> Void = { _ in })
        -> ThrottleEvent
    {
        let source = source(number)
        var event = ThrottleEvent(
            id: "node-a:1:\(id)", time: at(seconds), node: "node-a", sourceAddress: source.address, sourcePrefix: source,
            destinationAddress: Address(ipv4: 1),
            anomalies: AnomalySet(.missingSNI), severity: .high, traceID: "t\(id)")
        event.workload = workload
        event.action = .limited
        event.limit = ThrottleEvent.Limit(limitClass: .anomalous, perSecond: 3, answer: .reset, until: at(seconds + 600), enforced: true)
        (event.counts.seen, event.counts.reset) = (5, 2)
        change(&event)
        return event
    }

    /// The next record of partition 0.
    mutating func see(_ event: ThrottleEvent, appended: Double? = nil, isReplay: Bool = false) -> [Controller.Output] {
        defer { offset += 1 }
        return controller.consider(
            event, at: LogPosition(partition: 0, offset: offset), appended: appended.map(Self.at), isReplay: isReplay)
    }

    /// One event each second, of one source.
    mutating func flood(_ seconds: Range<Int>, source: Int = 1, change: (inout ThrottleEvent) -> Void = { _ in }) -> [Controller.Output] {
        seconds.flatMap { see(Self.event(Double($0), source: source, id: $0 + source * 100_000, change)) }
    }
}

extension [Controller.Output] {
    var limits: [Limit] { compactMap { if case .limit(let limit) = $0 { limit } else { nil } } }
    var decisions: [ScaleDecision] { compactMap { if case .scale(let decision) = $0 { decision } else { nil } } }
}
