import AgentCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

private func time(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

extension ClusterLimitsTests {
    private func budgeted(_ most: Int) -> ClusterLimits {
        var policy = Policy(), limits = ClusterLimits()
        policy.trust.newLimits = most
        _ = limits.use(AllowList([Prefix("10.0.0.0/8")!]), LimitBounds(policy), at: time(0))
        limits.isRead = true
        return limits
    }

    @Test(
        "A minute brings so many new sources and no more; what stands is renewed and lifted as ever, and the others hold in the next minute"
    )
    func budget() {
        var limits = budgeted(3)
        let found = (1...6).map { refusal(&limits, limit("203.0.113.\($0)", until: 300_000)) }
        #expect(found == [nil, nil, nil, .overBudget, .overBudget, .overBudget] && limits.count == 3 && limits.deferredCount == 3)
        #expect(refusal(&limits, limit("203.0.113.1", generation: 2, until: 400_000)) == nil, "it is no news")
        #expect(refusal(&limits, limit("10.1.2.3", until: 300_000)) == .allowed, "who is never limited costs nothing")
        #expect(
            limits.account(naming: 9).named.filter { $0.reason == .overBudget }.map(\.key.prefix)
                == (4...6).map { Prefix("203.0.113.\($0)")! })
        #expect(limits.admitDeferred(atMost: 9, at: time(59_999)).isEmpty)
        // A tombstone of one that waits, and a release of another: neither comes back.
        _ = limits.release(limit("203.0.113.4").key)
        #expect(refusal(&limits, limit("203.0.113.5", generation: 2, until: 300_000).released(at: time(0))) == nil)
        #expect(limits.admitDeferred(atMost: 9, at: time(60_000)).map(\.limit.key.prefix) == [Prefix("203.0.113.6")!])
        #expect(limits.deferredCount == 0 && limits.account(naming: 9).named.allSatisfy { $0.reason == .allowed })
    }

    @Test("Operators' limits and those that have refused somebody come first; the networks of one /48 are one source")
    func budgetOrder() {
        var limits = budgeted(1)
        for number in 1...9 {
            var limit = limit("203.0.113.\(number)", origin: number == 8 ? .operator : .controller, until: 600_000)
            limit.hasRefused = number == 5
            _ = limits.apply(limit, at: time(0))
        }
        let first = [60_000, 120_000].flatMap { limits.admitDeferred(atMost: 9, at: time($0)).map(\.limit.key.prefix) }
        #expect(Set(first) == [Prefix("203.0.113.5")!, Prefix("203.0.113.8")!])
        let six = (0..<4).map { refusal(&limits, limit("2001:db8:7:\($0)::/64", until: 600_000), at: 180_000) }
        #expect(six == [nil, nil, nil, nil])
        #expect(refusal(&limits, limit("2001:db8:8::/64", until: 600_000), at: 180_000) == .overBudget)
    }

    @Test("What stood on the topic before the node did has no budget; what waits has a bound, and ends with its own time")
    func budgetBounds() {
        var limits = budgeted(1)
        limits.isRead = false
        #expect((1...50).allSatisfy { refusal(&limits, limit("203.0.113.\($0)")) == nil })
        limits.isRead = true
        _ = limits.apply(limit("203.0.113.51"), at: time(0))
        _ = limits.apply(limit("203.0.113.52"), at: time(0))
        #expect(limits.deferredCount == 1)
        limits.expire(at: time(60_000))
        #expect(limits.count == 0 && limits.deferredCount == 0)
    }
}
