import AgentCore
import Messages
import Testing
import Wire

private func time(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite struct ClusterLimitsTests {
    private func limit(_ prefix: String = "203.0.113.66", generation: Int = 1, origin: Limit.Origin = .controller, until: Int64 = 60_000) -> Limit {
        var limit = Limit(key: Limit.Key(prefix: Prefix(prefix)!, limitClass: .anomalous), perSecond: 3, answer: .reset, until: time(until), generation: generation, anomalies: [], traceID: "")
        limit.origin = origin
        return limit
    }

    private func key(_ prefix: String = "203.0.113.66") -> LimitKey { LimitKey(prefix: Prefix(prefix)!, limitClass: .anomalous) }

    private func refusal(_ limits: inout ClusterLimits, _ limit: Limit, at now: Int64 = 0) -> ClusterLimits.Refusal? {
        if case .failure(let rejection) = limits.apply(limit, at: time(now)) { rejection.reason } else { nil }
    }

    @Test("The newest generation counts, an operator's before the controller's, and nothing that has ended; every refusal is counted")
    func precedence() {
        var limits = ClusterLimits(capacity: 2)
        #expect(refusal(&limits, limit(generation: 5)) == nil)
        #expect(refusal(&limits, limit(generation: 4)) == .stale)
        #expect(refusal(&limits, limit(until: -1)) == .ended)
        #expect(refusal(&limits, limit(generation: 6, origin: .operator)) == nil)
        #expect(refusal(&limits, limit(generation: 7)) == .outranked)
        #expect(refusal(&limits, limit("203.0.113.67")) == nil)
        #expect(refusal(&limits, limit("203.0.113.68")) == .noRoom)
        #expect(limits.count == 2)
        #expect(refusal(&limits, limit(generation: 8, until: 200_000), at: 61_000) == nil, "the operator's own end lifts its rank")
        #expect(limits.refusals == [.stale: 1, .ended: 1, .outranked: 1, .noRoom: 1])
        #expect(limits.refused == 3, "what was over when it came is nobody's refusal")
    }

    @Test("A tombstone releases at once, and what has ended is taken out")
    func release() {
        var limits = ClusterLimits()
        _ = limits.apply(limit(), at: time(0))
        #expect(limits.release(limit().key) == .release(key()))
        _ = limits.apply(limit("203.0.113.0/24"), at: time(0))
        #expect(limits.lengths == [120])
        limits.expire(at: time(59_999))
        #expect(limits.count == 1)
        limits.expire(at: time(60_000))
        #expect(limits.count == 0)
        #expect(limits.lengths == [])
    }

    @Test("An operator's release lifts the limit and stands before a controller's word until its end; it is no limit that is held or lacking")
    func operatorsRelease() {
        var limits = ClusterLimits()
        _ = limits.use(AllowList([Prefix("10.0.0.0/8")!]), ownLengths: [128])
        _ = limits.apply(limit(), at: time(0))
        #expect(limits.apply(limit().released(at: time(1000)), at: time(1000)) == .success(.release(key())))
        #expect(refusal(&limits, limit(generation: 1_000_000), at: 59_000) == .outranked)
        #expect(limits.standing == [.release(key())])
        #expect(limits.apply(limit("10.1.2.3").released(at: time(1000)), at: time(1000)) == .success(.release(key("10.1.2.3"))))
        let account = limits.account(naming: 8)
        #expect(account.held == 0 && account.lacking == 0)
        #expect(refusal(&limits, limit(generation: 1_000_000, until: 200_000), at: 61_000) == nil)
    }

    @Test("A release lifts also where there is no room to remember it, and an unreadable record under a released key is no limit that is missing")
    func releaseAtTheBound() {
        var limits = ClusterLimits(capacity: 1)
        _ = limits.apply(limit(), at: time(0))
        #expect(refusal(&limits, limit("203.0.113.67")) == .noRoom)
        #expect(limits.apply(limit("203.0.113.67").released(at: time(0)), at: time(0)) == .success(.release(key("203.0.113.67"))))
        #expect(limits.account(naming: 8).lacking == 0 && limits.refusals[.noRoom] == 2)
        _ = limits.apply(limit().released(at: time(0)), at: time(0))
        limits.refuse(Limit.Key(prefix: Prefix("203.0.113.66")!, limitClass: .anomalous))
        #expect(limits.account(naming: 8).held == 0)
    }

    @Test("What the allow-list covers is not set but known, and comes and goes with the list")
    func allowed() {
        var limits = ClusterLimits()
        _ = limits.use(AllowList([Prefix("10.0.0.0/8")!]), ownLengths: [128])
        #expect(refusal(&limits, limit("10.1.2.3")) == .allowed)
        #expect(refusal(&limits, limit("10.0.0.0/7")) == nil, "in part only: the kernel's own list spares that part")
        var account = limits.account(naming: 8)
        #expect(account.held == 1 && account.lacking == 1)
        #expect(account.named == [NodeStatus.Lack(key: Limit.Key("10.1.2.3/32|anomalous")!, reason: .allowed)])
        #expect(limits.standing.count == 1)
        let set = ClusterLimits.Change.set(key("10.1.2.3"), perSecond: 3, answer: .reset, until: time(60_000))
        #expect(limits.use(AllowList(), ownLengths: [128]) == [set])
        account = limits.account(naming: 8)
        #expect(account.held == 2 && account.lacking == 0)
        #expect(limits.use(AllowList([Prefix("10.1.2.0/24")!]), ownLengths: [128]) == [.release(key("10.1.2.3"))])
        #expect(limits.account(naming: 8).lacking == 1)
        #expect(limits.use(AllowList([Prefix("10.1.2.0/24")!]), ownLengths: [128]) == [])
        _ = limits.release(limit("10.1.2.3").key)
        #expect(limits.account(naming: 8).lacking == 0)
    }

    @Test("What finds no room in the table is named until it ends, is released, or comes again when there is room")
    func full() {
        var limits = ClusterLimits(capacity: 1)
        _ = limits.apply(limit("203.0.113.1"), at: time(0))
        for number in 2...4 { _ = limits.apply(limit("203.0.113.\(number)", until: 1000 * Int64(number)), at: time(0)) }
        // The bound on what is named here is the table's own: the third and fourth are only counted.
        #expect(limits.account(naming: 8).named.map(\.key.description) == ["203.0.113.2/32|anomalous"])
        #expect(limits.refusals == [.noRoom: 3])
        limits.expire(at: time(2000))
        #expect(limits.account(naming: 8).lacking == 0)
        _ = limits.apply(limit("203.0.113.3"), at: time(2000))
        #expect(limits.account(naming: 8).lacking == 1)
        _ = limits.release(limit("203.0.113.1").key)
        #expect(refusal(&limits, limit("203.0.113.3"), at: 2000) == nil)
        let account = limits.account(naming: 8)
        #expect(account.held == 1 && account.lacking == 0)
    }

    @Test("What the kernel has no room for is lacking, waits, and holds once it is set")
    func kernel() {
        var limits = ClusterLimits()
        _ = limits.apply(limit(), at: time(0))
        #expect(limits.waiting(atMost: 8) == [])
        limits.note(key(), isSet: false)
        limits.note(key(), isSet: false)
        #expect(limits.refusals == [.noRoom: 1], "an attempt that fails again is no other refusal")
        var account = limits.account(naming: 8)
        #expect(account.held == 0 && account.lacking == 1 && account.named.map(\.reason) == [.noRoom])
        #expect(limits.waiting(atMost: 8) == [.set(key(), perSecond: 3, answer: .reset, until: time(60_000))])
        #expect(limits.waiting(atMost: 0) == [])
        let revision = limits.revision
        limits.note(key(), isSet: true)
        account = limits.account(naming: 8)
        #expect(account.held == 1 && account.lacking == 0 && limits.waiting(atMost: 8) == [])
        #expect(limits.revision != revision)
    }

    @Test("The kernel looks for six lengths beyond the policy's own; limits of a seventh are lacking until another length is gone")
    func lengths() {
        var limits = ClusterLimits()
        _ = limits.use(AllowList(), ownLengths: [128, 64])
        for length in [32, 8, 9, 10, 11, 12, 13] { _ = limits.apply(limit("\(length == 32 ? "203.0.113.1" : "16.0.0.0")/\(length)"), at: time(0)) }
        #expect(limits.lengths == [8, 9, 10, 11, 12, 13].map { UInt8(96 + $0) })
        _ = limits.apply(limit("203.0.0.0/16"), at: time(0))
        #expect(limits.lengths.count == 6)
        var account = limits.account(naming: 8)
        #expect(account.held == 7 && account.named == [NodeStatus.Lack(key: Limit.Key("203.0.0.0/16|anomalous")!, reason: .noRoom)])
        _ = limits.release(limit("16.0.0.0/10").key)
        #expect(Set(limits.lengths) == Set([8, 9, 11, 12, 13, 16].map { UInt8(96 + $0) }))
        account = limits.account(naming: 8)
        #expect(account.held == 7 && account.lacking == 0)
    }

    @Test("A record that cannot be read is lacking under its key until a readable one or a tombstone takes its place")
    func notUnderstood() {
        var limits = ClusterLimits()
        limits.refuse(limit().key)
        limits.refuse()
        #expect(limits.account(naming: 8).named.map(\.reason) == [.notUnderstood])
        #expect(limits.account(naming: 8).held == 0 && limits.refused == 2)
        limits.expire(at: time(1_000_000))
        #expect(limits.account(naming: 8).lacking == 1, "nobody knows when it ends")
        _ = limits.apply(limit(until: 2_000_000), at: time(1_000_000))
        #expect(limits.account(naming: 8).lacking == 0 && limits.account(naming: 8).held == 1)
        limits.refuse(limit().key)
        _ = limits.release(limit().key)
        #expect(limits.account(naming: 8).lacking == 0)
    }

    @Test("However many are lacking, a report names a few and says how many there are")
    func bounded() {
        var limits = ClusterLimits()
        _ = limits.use(AllowList([Prefix("10.0.0.0/8")!]), ownLengths: [128])
        for number in 0..<500 { _ = limits.apply(limit("10.0.\(number / 250).\(number % 250)"), at: time(0)) }
        let account = limits.account(naming: NodeStatus.mostNamed)
        #expect(account.lacking == 500 && account.named.count == 32 && account.held == 0)
    }
}
