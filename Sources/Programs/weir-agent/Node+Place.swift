internal import Front
internal import BPF
internal import Detection
internal import HTTP
internal import Linux
internal import Log
internal import NetPoll

/// Whether this agent is the node's, or another has taken its place.
enum Place: Equatable {
    case ours
    /// Another has the port and the spool, and does not watch yet: we do.
    case yielded(to: UInt32)
    /// Both watch, until that moment of the clock.
    case overlapping(with: UInt32, until: UInt64)
    /// The other watches. Should it end, we go on; should we end, nobody misses us.
    case standingBy(UInt32)

    var successor: UInt32? {
        switch self {
        case .ours: nil
        case .yielded(let to): to
        case .overlapping(let with, _): with
        case .standingBy(let successor): successor
        }
    }

    /// What is seen is told to Kafka by one of the two.
    var isPublishing: Bool {
        switch self {
        case .ours, .yielded: true
        case .overlapping, .standingBy: false
        }
    }
}

extension Node {
    /// More than a second, so that the successor has seen all that any sliding second of ours holds.
    private static let overlap: UInt64 = 1_200_000_000

    func heed(_ request: Peers.Request) {
        switch request {
        case .yield(let successor):
            guard place == .ours else { return peers.kept(to: successor) }
            web = nil
            publisher?.giveUpSpool()
            outbox = nil
            bundleWatch?.write(false)
            place = .yielded(to: successor)
            peers.yielded(to: successor)
            log.write(.info, "a new agent takes this one's place")
        case .took(let successor):
            guard place == .yielded(to: successor) else { return }
            place = .overlapping(with: successor, until: Clock.monotonic + Self.overlap)
        }
    }

    /// From the tick.
    func lookAfterPlace(_ ticks: Int) {
        if case .overlapping(let successor, let until) = place, Clock.monotonic >= until {
            watch.letGo()
            place = .standingBy(successor)
            log.write(.info, "stands by: the new agent watches")
        }
        guard ticks % 10 == 0, let successor = place.successor, !peers.isThere(successor) else { return }
        do {
            web = try Web(settings.listen, webCounts)
            web?.show(self)
            if let web { try poller.add(web.descriptor, as: Source.http.rawValue) }
            outbox = try state?.open()
            publisher?.use(outbox)
            if case .standingBy = place { try watch.start(probe.hooks(enforcing: policy.mode == .enforce), log) }
            bundleWatch?.write(true)
            place = .ours
            resumeTrouble = ""
            peers.announce(watch.interfaces)
            log.write(.warning, "the agent that took this one's place is gone; this one goes on")
        } catch {
            // Somebody else may have come in between: tried again in a second, and nothing half.
            (web, outbox) = (nil, nil)
            publisher?.use(nil)
            if resumeTrouble != "\(error)" {
                log.write(.error, "the agent that took this one's place is gone, and this one cannot go on yet: \(error)")
            }
            resumeTrouble = "\(error)"
        }
    }
}
