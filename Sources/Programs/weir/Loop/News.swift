internal import Glibc
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import Units

/// What the topics say while the loop runs: every event, limit and decision, the last few of them kept.
final class News {
    private let follower: KafkaFollower
    private var reader = MessageReader()
    private(set) var events = 0
    private(set) var limits = 0
    private(set) var decisions = 0
    private(set) var lastEvents: [(at: Instant, event: ThrottleEvent)] = []
    private(set) var lastDecisions: [(at: Instant, decision: ScaleDecision)] = []
    private(set) var mostInWindow = 0
    /// Microseconds from what the kernel saw to the limit in its map, of each event that set one.
    private(set) var enforced: [Int] = []
    private(set) var unreadable = 0

    init(_ kafka: KafkaConfiguration, fromBeginning: Bool = true) throws(KafkaError) {
        follower = try KafkaFollower(
            kafka.with("fetch.wait.max.ms", "20"), topics: [Topic.events, .limits, .decisions].map(\.name), name: "weir-run",
            fromBeginning: fromBeginning)
    }

    /// Takes what has come; true when something did.
    func read() -> Bool {
        var isNew = false
        follower.drain(atMost: 1000) { event in
            switch event {
            case .record(let record):
                isNew = true
                take(record)
            default: break
            }
        }
        return isNew
    }

    private func take(_ record: borrowing KafkaRecord) {
        guard !record.isTombstone, record.topic != Topic.events.name || !record.isLossNotice else { return }
        do throws(JSONError) {
            switch record.topic {
            case Topic.events.name:
                let event = try record.withValue { bytes in Result { () throws(JSONError) in try reader.throttleEvent(bytes) } }.get()
                events += 1
                lastEvents = Array((lastEvents + [(event.time, event)]).suffix(4))
                if let microseconds = event.seenToEnforced, event.action == .limited { enforced.append(microseconds) }
            case Topic.limits.name:
                limits += 1
            default:
                let decision = try record.withValue { bytes in Result { () throws(JSONError) in try reader.scaleDecision(bytes) } }.get()
                decisions += 1
                mostInWindow = max(mostInWindow, decision.eventsInWindow)
                lastDecisions = Array((lastDecisions + [(Instant(nanoseconds: Clock.wall), decision)]).suffix(3))
            }
        } catch { unreadable += 1 }
    }
}
