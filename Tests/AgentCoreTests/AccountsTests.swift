import AgentCore
import Messages
import Testing
import Units
import Vocabulary

@Suite struct AccountsTests {
    private func counters(seen: UInt64, emitted: UInt64, lost: UInt64) -> Counters {
        var values = [UInt64](repeating: 0, count: Counter.allCases.count)
        (values[Counter.seen.rawValue], values[Counter.emitted.rawValue], values[Counter.lost.rawValue]) = (seen, emitted, lost)
        return Counters(values)
    }

    @Test("Every term stands on one side of one account, under a name of its own, and moves its balance by one")
    func terms() {
        for account in Accounts.Account.allCases {
            let terms = Accounts.Term.allCases.filter { $0.account == account }
            #expect(Set(terms.map(\.id)).count == terms.count && terms.contains { $0.kind == .came } && terms.contains { $0.kind == .lost })
            for term in terms {
                var accounts = Accounts()
                accounts[term] = 1
                #expect(accounts.imbalance(of: account) == (term.kind == .came ? 1 : -1), "\(term.id)")
                #expect(!accounts.balance && accounts.sum(account, term.kind) == 1)
                for other in Accounts.Account.allCases where other != account { #expect(accounts.imbalance(of: other) == 0) }
            }
        }
    }

    @Test("What the kernel counts while it is read is no imbalance; what it lacks or has too much of is")
    func kernel() {
        func imbalance(_ before: Counters, _ after: Counters, inRing: Int, read: Int) -> Int {
            var accounts = Accounts()
            accounts[.clean] = read
            accounts.setKernel(before: before, after: after, inRing: inRing, read: read)
            return accounts.imbalance(of: .records)
        }
        let quiet = counters(seen: 12, emitted: 10, lost: 2)
        #expect(imbalance(quiet, quiet, inRing: 3, read: 7) == 0)
        #expect(imbalance(quiet, quiet, inRing: 2, read: 7) == 1, "one is neither read nor in the ring")
        #expect(imbalance(quiet, quiet, inRing: 3, read: 8) == -1)
        // Five more came, three of them before the ring was looked at.
        #expect(imbalance(quiet, counters(seen: 17, emitted: 14, lost: 3), inRing: 6, read: 7) == 0)
        #expect(imbalance(counters(seen: 13, emitted: 10, lost: 2), counters(seen: 13, emitted: 10, lost: 2), inRing: 3, read: 7) == 1)
    }

    @Test("A loss is told once, when events can go again, not before ten seconds have passed since the last notice, and never twice")
    func notices() throws {
        func at(_ seconds: Int) -> Instant { Instant(nanoseconds: Int64(seconds) * 1_000_000_000) }
        var book = LossBook(node: "a", bootID: "b", start: at(0)), accounts = Accounts()
        func notice(_ seconds: Int, isFree: Bool = true) -> LossNotice? {
            book.notice(of: accounts, at: at(seconds), steady: at(seconds), isFree: isFree)
        }
        #expect(notice(1) == nil)
        accounts[.ringFull] = 5
        #expect(notice(2, isFree: false) == nil)
        accounts[.spoolFull] = 2
        // What waits, was delivered or was left out on purpose is no loss.
        (accounts[.waiting], accounts[.delivered], accounts[.clean]) = (9, 9, 9)
        let first = try #require(notice(3))
        #expect(first.id == "a:b:loss:1" && first.since == at(1) && first.until == at(3) && first.node == "a")
        #expect(
            first.losses == [
                LossNotice.Loss(what: .records, cause: "ring_full", count: 5),
                LossNotice.Loss(what: .events, cause: "spool_full", count: 2)
            ])
        #expect(notice(4) == nil)
        accounts[.ringFull] = 6
        #expect(notice(5) == nil, "the last one is two seconds old")
        accounts[.ringFull] = 8
        let second = try #require(notice(13))
        #expect(second.id == "a:b:loss:2" && second.since == at(4) && second.losses.map(\.count) == [3] && notice(30) == nil)
    }
}
