package import Vocabulary

/// What an agent has to account for, at one moment, since its start: whatever came in went somewhere, or is still here.
///
///     records   what the kernel saw  =  what became an event or went into one, what waits, what was left out on purpose, what was lost
///     events    what was made        =  what Kafka has, what waits or is on its way, what was not told on purpose, what was dropped
///
/// `Term` is the one table of all terms: `/status`, `/metrics`, `weir doctor`, the notices of loss and the tests read it. All are counts
/// since the start, or how many there are now; so between two readings that balance, the time between balances as well.
package struct Accounts: Sendable, Equatable {
    package enum Account: String, Sendable, CaseIterable { case records, events }

    /// What a term says of what it counts.
    package enum Kind: String, Sendable, CaseIterable {
        /// It came in.
        case came
        /// It arrived where it belongs.
        case told
        /// It is here and will be told.
        case waiting
        /// It was left out on purpose: nothing is missed.
        case suppressed
        /// It should have been told, and never will be.
        case lost
    }

    package enum Term: Int, Sendable, CaseIterable {
        case seen, quic, own, folded, together, gathering, inRing, clean, unproven, allowed, outweighed, ringFull, unreadable
        case made, notices, found, delivered, waiting, underWay, aside, handedOver, noBroker, successors
        case spoolFull, tooOld, diskFull, queueFull, refused, asideFull, clientLost, left
    }

    private var values = [Int](repeating: 0, count: Term.allCases.count)

    package init() {}

    package subscript(term: Term) -> Int {
        get { values[term.rawValue] }
        set { values[term.rawValue] = newValue }
    }

    /// By how much more came in than there is an account of; below zero where there is an account of more.
    package func imbalance(of account: Account) -> Int {
        Term.allCases.filter { $0.account == account }.reduce(0) { $0 + ($1.kind == .came ? self[$1] : -self[$1]) }
    }

    package var balance: Bool { Account.allCases.allSatisfy { imbalance(of: $0) == 0 } }

    package func sum(_ account: Account, _ kind: Kind) -> Int {
        Term.allCases.filter { $0.account == account && $0.kind == kind }.reduce(0) { $0 + self[$1] }
    }

    // MARK: The kernel's side

    /// The kernel counts on while it is read, so what it had seen at the moment when the ring was looked at lies between two readings.
    /// Of what lies there that is taken which agrees; what lies outside is an imbalance.
    /// - Parameters:
    ///   - before: read before the ring was looked at, and `after` after it.
    ///   - waiting: finished records in the ring.
    ///   - read: records that were read from it.
    package mutating func setKernel(before: Counters, after: Counters, inRing waiting: Int, read: Int) {
        func between(_ value: Int, _ counter: Counter) -> Int {
            let low = Int(clamping: before[counter]), high = Int(clamping: after[counter])
            return min(max(value, low), max(low, high))
        }
        let lost = Int(clamping: before[.lost]), emitted = between(read + waiting, .emitted)
        self[.inRing] = waiting
        self[.ringFull] = lost
        self[.seen] = between(emitted + lost, .seen)
    }
}

extension Accounts.Term {
    /// One line of the table.
    private struct Row {
        let account: Accounts.Account
        let kind: Accounts.Kind
        let id: StaticString
        let help: String
    }

    package var account: Accounts.Account { row.account }
    package var kind: Accounts.Kind { row.kind }
    /// As `/status`, metrics and notices call it.
    package var id: String { "\(row.id)" }
    /// The same, for readers that ask for a member by it.
    package var name: StaticString { row.id }
    package var help: String { row.help }
    /// It counts up from the start; others say how many there are now.
    package var isCount: Bool { kind != .waiting }

    private var row: Row {
        func records(_ kind: Accounts.Kind, _ id: StaticString, _ help: String) -> Row {
            Row(account: .records, kind: kind, id: id, help: help)
        }
        func events(_ kind: Accounts.Kind, _ id: StaticString, _ help: String) -> Row {
            Row(account: .events, kind: kind, id: id, help: help)
        }
        return switch self {
        case .seen: records(.came, "seen", "verdicts that the kernel reached")
        case .quic: records(.came, "quic", "verdicts about hellos over QUIC, which the agent reaches itself")
        case .own: records(.told, "own_event", "records that an event was made for")
        case .folded: records(.told, "folded", "records that another's event counts")
        case .together:
            records(
                .told, "together",
                "records that one event counts with those of other sources, because a minute has room for so many new ones")
        case .gathering: records(.waiting, "gathering", "records that the next event of their source will count")
        case .inRing: records(.waiting, "in_ring", "records in the ring that were not read yet")
        case .clean: records(.suppressed, "clean", "records without an anomaly that counts")
        case .unproven: records(.suppressed, "unproven", "anomalous records that nothing proves: they count against nobody")
        case .allowed: records(.suppressed, "allowed", "anomalous records of sources that the allow-list names")
        case .outweighed:
            records(.suppressed, "outweighed", "records that one destination alone proves, of a source of whom more is proven")
        case .ringFull: records(.lost, "ring_full", "verdicts that found the ring full")
        case .unreadable: records(.lost, "unreadable", "records that could not be read")

        case .made: events(.came, "made", "throttle events made")
        case .notices: events(.came, "notices", "notices of loss made")
        case .found: events(.came, "found", "events that an earlier run, or another agent, had left in the spool")
        case .delivered: events(.told, "delivered", "events that Kafka has")
        case .waiting: events(.waiting, "waiting", "events in the spool that wait for their turn")
        case .underWay: events(.waiting, "under_way", "events that Kafka's client has")
        case .aside: events(.waiting, "aside", "events in the spool that the broker refuses for what they are")
        case .handedOver: events(.suppressed, "handed_over", "events left to the agent that took this one's place")
        case .noBroker: events(.suppressed, "no_broker", "events made without --kafka")
        case .successors: events(.suppressed, "successors", "events that the agent in this one's place tells")
        case .spoolFull: events(.lost, "spool_full", "events that made room for newer ones (--state-size)")
        case .tooOld: events(.lost, "too_old", "events that waited longer than --state-age")
        case .diskFull: events(.lost, "disk_full", "events that could not be written, and memory had no room for")
        case .queueFull: events(.lost, "queue_full", "events that found the queue for Kafka full, without --state")
        case .refused: events(.lost, "refused", "events that the broker refused, without --state")
        case .asideFull: events(.lost, "aside_full", "refused events that made room for newer ones")
        case .clientLost: events(.lost, "client_lost", "events that went with Kafka's client, made anew, without --state")
        case .left: events(.lost, "left", "events left when the spool was given up and could not be written")
        }
    }
}
