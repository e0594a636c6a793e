internal import AgentCore
internal import BPF
internal import Linux
internal import Log
internal import Messages
internal import Units
internal import Vocabulary

extension Node {
    /// Everything as it is now: the one place where the accounts are taken. `/status` and `/metrics` show this, and `weir doctor` reads it.
    func accounts() -> Accounts {
        var accounts = Accounts(), attempts = 0
        core.account(into: &accounts)
        events(into: &accounts)
        let read = [.own, .folded, .together, .gathering, .clean, .unproven, .allowed, .outweighed, .unreadable].reduce(0) {
            $0 + accounts[$1]
        }
        accounts[.quic] = quic.judged
        repeat {
            let before = probe.counters, waiting = ring.waiting
            accounts.setKernel(before: before, after: probe.counters, inRing: waiting, read: read - quic.judged)
            attempts += 1
            // A processor may be between a record and its count for some nanoseconds.
        } while accounts.imbalance(of: .records) != 0 && attempts < 5
        return accounts
    }

    private func events(into accounts: inout Accounts) {
        (accounts[.noBroker], accounts[.successors]) = (untold.noBroker, untold.successors)
        publisher?.account(into: &accounts)
    }

    /// Once a second: what was lost is said as an event of its own, once events can go.
    func tellLosses(at now: Instant) {
        guard place.isPublishing, let publisher else { return }
        var accounts = Accounts()
        core.account(into: &accounts, withGathering: false)
        events(into: &accounts)
        accounts[.ringFull] = Int(clamping: probe.counters[.lost])
        let steady = Instant(nanoseconds: Int64(bitPattern: Clock.monotonic))
        guard let notice = losses.notice(of: accounts, at: now, steady: steady, isFree: publisher.isFree) else { return }
        log.write(
            .warning, "something was lost, and the events topic is told",
            [
                ("records", "\(notice.count(of: .records))"), ("events", "\(notice.count(of: .events))"),
                ("causes", notice.losses.map(\.cause).joined(separator: ","))
            ])
        publisher.publish(notice)
    }
}
