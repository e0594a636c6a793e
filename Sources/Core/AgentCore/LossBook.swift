package import Messages
package import Units

/// What of a node's losses was told, and when the rest is due: as a notice among the events (`LossNotice`), once these can go again.
package struct LossBook: Sendable {
    /// Between two notices: however much is lost, telling of it takes one event in so long.
    package static let interval = Duration.seconds(10)

    private let node: String
    private let bootID: String
    private var told = Accounts()
    private var since: Instant
    private var last: Instant?
    private var sequence = 0

    /// - Parameter start: when the accounts began.
    package init(node: String, bootID: String, start: Instant) {
        self.node = node
        self.bootID = bootID
        since = start
    }

    /// Once a second. `nil` when nothing was lost since the last notice, or it is not its time.
    /// - Parameters:
    ///   - steady: of a clock that nobody sets.
    ///   - isFree: events can go: a broker answers, and the spool is not at its bound.
    package mutating func notice(of accounts: Accounts, at now: Instant, steady: Instant, isFree: Bool) -> LossNotice? {
        let losses = Accounts.Term.allCases.filter { $0.kind == .lost && accounts[$0] > told[$0] }.map { term in
            LossNotice.Loss(what: term.account == .records ? .records : .events, cause: term.id, count: accounts[term] - told[term])
        }
        guard !losses.isEmpty else {
            since = now
            return nil
        }
        guard isFree, last.map({ steady - $0 >= Self.interval }) ?? true else { return nil }
        sequence += 1
        defer { (told, since, last) = (accounts, now, steady) }
        let id = "\(node):\(bootID):loss:\(sequence)"
        return LossNotice(id: id, time: now, node: node, since: min(since, now), until: now, losses: losses)
    }
}
