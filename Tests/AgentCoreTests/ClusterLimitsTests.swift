import AgentCore
import Detection
import Messages
import Testing
import Units
import Vocabulary
import Wire

private func time(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite struct ClusterLimitsTests {
    func limit(_ prefix: String = "203.0.113.66", generation: Int = 1, origin: Limit.Origin = .controller, until: Int64 = 60_000)
        -> Limit
    {
        var limit = Limit(
            key: Limit.Key(prefix: Prefix(prefix)!, limitClass: .anomalous), perSecond: 3, answer: .reset, until: time(until),
            generation: generation, anomalies: AnomalySet(.missingSNI), traceID: "")
        limit.origin = origin
        return limit
    }

    /// The default policy's, except that an operator may limit wide blocks.
    private let own = LimitBounds(
        {
            var policy = Policy(); policy.trust.operators = Policy.PrefixLengths(ipv4: 7, ipv6: 7); return policy
        }())

    private func key(_ prefix: String = "203.0.113.66") -> LimitKey { LimitKey(prefix: Prefix(prefix)!, limitClass: .anomalous) }

    func refusal(_ limits: inout ClusterLimits, _ limit: Limit, at now: Int64 = 0) -> ClusterLimits.Refusal? {
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
        _ = limits.apply(limit("203.0.113.0/24", origin: .operator), at: time(0))
        #expect(limits.lengths == [120])
        limits.expire(at: time(59_999))
        #expect(limits.count == 1)
        limits.expire(at: time(60_000))
        #expect(limits.count == 0)
        #expect(limits.lengths == [])
    }

    @Test(
        "An operator's release lifts the limit and stands before a controller's word until its end; it is no limit that is held or lacking")
    func operatorsRelease() {
        var limits = ClusterLimits()
        _ = limits.use(AllowList([Prefix("10.0.0.0/8")!]), own, at: time(0))
        _ = limits.apply(limit(), at: time(0))
        #expect(limits.apply(limit().released(at: time(1000)), at: time(1000)) == .success(.release(key())))
        #expect(refusal(&limits, limit(generation: 1_000_000), at: 59_000) == .outranked)
        #expect(limits.standing == [.release(key())])
        #expect(limits.apply(limit("10.1.2.3").released(at: time(1000)), at: time(1000)) == .success(.release(key("10.1.2.3"))))
        let account = limits.account(naming: 8)
        #expect(account.held == 0 && account.lacking == 0)
        #expect(refusal(&limits, limit(generation: 1_000_000, until: 200_000), at: 61_000) == nil)
    }

    @Test(
        "A release lifts also where there is no room to remember it, and an unreadable record under a released key is no limit that is missing"
    )
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
        _ = limits.use(AllowList([Prefix("10.0.0.0/8")!]), own, at: time(0))
        #expect(refusal(&limits, limit("10.1.2.3")) == .allowed)
        #expect(refusal(&limits, limit("10.0.0.0/7", origin: .operator)) == nil, "in part only: the kernel's own list spares that part")
        var account = limits.account(naming: 8)
        #expect(account.held == 1 && account.lacking == 1)
        #expect(account.named == [NodeStatus.Lack(key: Limit.Key("10.1.2.3/32|anomalous")!, reason: .allowed)])
        #expect(limits.standing.count == 1)
        let set = ClusterLimits.Change.set(key("10.1.2.3"), perSecond: 3, answer: .reset, until: time(60_000))
        #expect(limits.use(AllowList(), own, at: time(0)) == [set])
        account = limits.account(naming: 8)
        #expect(account.held == 2 && account.lacking == 0)
        #expect(limits.use(AllowList([Prefix("10.1.2.0/24")!]), own, at: time(0)) == [.release(key("10.1.2.3"))])
        #expect(limits.account(naming: 8).lacking == 1)
        #expect(limits.use(AllowList([Prefix("10.1.2.0/24")!]), own, at: time(0)) == [])
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
        _ = limits.use(AllowList(), own, at: time(0))
        for length in [32, 8, 9, 10, 11, 12, 13] {
            _ = limits.apply(limit("\(length == 32 ? "203.0.113.1" : "16.0.0.0")/\(length)", origin: .operator), at: time(0))
        }
        #expect(limits.lengths == [8, 9, 10, 11, 12, 13].map { UInt8(96 + $0) })
        _ = limits.apply(limit("203.0.0.0/16", origin: .operator), at: time(0))
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
        _ = limits.use(AllowList([Prefix("10.0.0.0/8")!]), own, at: time(0))
        for number in 0..<500 { _ = limits.apply(limit("10.0.\(number / 250).\(number % 250)"), at: time(0)) }
        let account = limits.account(naming: NodeStatus.mostNamed)
        #expect(account.lacking == 500 && account.named.count == 32 && account.held == 0)
    }

    // MARK: The reader's own policy

    private func limit(_ change: (inout Limit) -> Void) -> Limit {
        var limit = limit()
        change(&limit)
        return limit
    }

    @Test(
        "A controller's limit holds within this node's policy only: one source's length, its rate, class and answer, its ladder's end, an anomaly that limits"
    )
    func beyond() {
        let week: Int64 = 7 * 86_400_000
        let beyond: [(ClusterLimits.Refusal, Limit)] = [
            (.tooWide, limit("203.0.113.66/31")), (.tooWide, limit("128.0.0.0/1")), (.tooWide, limit("2001:db8::/63")),
            (.tooWide, limit("2001:db8::/65")), (.tooWide, limit("::/0")),
            (.tooLong, limit(until: week + 60_001)),
            (.tooHard, limit { $0.perSecond = 2 }), (.tooHard, limit { $0.perSecond = 0 }), (.tooHard, limit { $0.key.limitClass = .all }),
            (.tooHard, limit { $0.answer = .drop }),
            (.notLimiting, limit { $0.anomalies = [] }), (.notLimiting, limit { $0.anomalies = AnomalySet(.emptySNI) }),
            (.rehearsal, limit { $0.isRehearsal = true })
        ]
        for (reason, limit) in beyond {
            var limits = ClusterLimits()
            #expect(refusal(&limits, limit) == reason, "\(limit)")
            #expect(limits.refusals == [reason: 1] && limits.count == 0 && limits.standing == [] && limits.lengths == [])
            #expect(limits.account(naming: 8).named.map(\.reason.rawValue) == [reason.rawValue] && limits.account(naming: 8).held == 0)
            #expect(limits.release(limit.key) == .release(LimitKey(prefix: limit.key.prefix, limitClass: limit.key.limitClass)))
            #expect(limits.account(naming: 8).lacking == 0)
        }
        var limits = ClusterLimits()
        #expect(refusal(&limits, limit("2001:db8::/64", until: week + 60_000)) == nil)
        #expect(refusal(&limits, limit("203.0.113.67")) == nil)
        #expect(refusal(&limits, limit { $0.perSecond = 200 }) == nil)
    }

    @Test("A policy that limits harder lets a controller limit as hard, for the anomalies that it says so for")
    func opted() {
        var policy = Policy()
        policy.detections[.missingSNI]?.limit = {
            var rule = Policy.LimitRule(perSecond: 1); (rule.limitClass, rule.answer, rule.duration) = (.all, .drop, .seconds(30 * 86_400));
            return rule
        }()
        var limits = ClusterLimits()
        _ = limits.use(AllowList(), LimitBounds(policy), at: time(0))
        let hard = limit { ($0.perSecond, $0.key.limitClass, $0.answer, $0.until) = (1, .all, .drop, time(30 * 86_400_000)) }
        #expect(refusal(&limits, hard) == nil)
        var other = hard
        other.anomalies = AnomalySet(.badRecord)
        #expect(refusal(&limits, other) == .tooHard)
    }

    @Test(
        "An operator's limit may be wider, of class all and of no anomaly, as far as the policy trusts operators; it ends with the ladder as well"
    )
    func operators() {
        var limits = ClusterLimits()
        func word(_ prefix: String, _ change: (inout Limit) -> Void = { _ in }) -> Limit {
            var limit = limit(prefix, origin: .operator)
            (limit.anomalies, limit.key.limitClass, limit.perSecond) = ([], .all, 1)
            change(&limit)
            return limit
        }
        for prefix in ["203.0.113.66", "203.0.0.0/16", "2001:db8::/32", "2001:db8::1"] { #expect(refusal(&limits, word(prefix)) == nil) }
        for prefix in ["128.0.0.0/1", "202.0.0.0/15", "::/0", "::/1", "2001:db8::/31", "0.0.0.0/0"] {
            #expect(refusal(&limits, word(prefix)) == .tooWide)
        }
        #expect(refusal(&limits, word("203.0.113.67") { $0.perSecond = 0 }) == .tooHard)
        #expect(refusal(&limits, word("203.0.113.67") { $0.until = time(8 * 86_400_000) }) == .tooLong)
        #expect(limits.count == 4)
    }

    @Test("What is refused outranks nothing: the limit that stands under its key stays, and later ones come")
    func refusedOutranksNothing() {
        var limits = ClusterLimits()
        #expect(refusal(&limits, limit(generation: 1)) == nil)
        var lie = limit(generation: 1_000_000, origin: .operator)
        lie.until = time(1_000_000_000_000)
        #expect(refusal(&limits, lie) == .tooLong)
        #expect(limits.standing == [.set(key(), perSecond: 3, answer: .reset, until: time(60_000))])
        #expect(refusal(&limits, limit(generation: 2)) == nil)
        #expect(limits.account(naming: 8).lacking == 0)
    }

    @Test("A new policy takes away what it does not allow, and applies what the last one refused")
    func policyChanges() {
        var limits = ClusterLimits()
        let four = limit { $0.perSecond = 4 }, two = limit("203.0.113.67")
        #expect(refusal(&limits, four) == nil)
        #expect(refusal(&limits, two) == nil)
        var policy = Policy()
        policy.detections[.missingSNI]?.limit?.perSecond = 4
        #expect(limits.use(AllowList(), LimitBounds(policy), at: time(0)) == [.release(key("203.0.113.67"))])
        #expect(limits.account(naming: 8).named.map(\.reason) == [.tooHard] && limits.count == 1)
        #expect(
            limits.use(AllowList(), LimitBounds(Policy()), at: time(0)) == [
                .set(key("203.0.113.67"), perSecond: 3, answer: .reset, until: time(60_000))
            ])
        #expect(limits.account(naming: 8).lacking == 0 && limits.count == 2)
        _ = limits.use(AllowList(), LimitBounds(policy), at: time(0))
        limits.expire(at: time(60_000))
        #expect(limits.use(AllowList(), LimitBounds(Policy()), at: time(60_000)) == [], "it has ended meanwhile")
    }

    @Test("A node that was started for rehearsals applies their limits")
    func rehearsals() {
        var limits = ClusterLimits()
        _ = limits.use(AllowList(), LimitBounds(Policy(), heedsRehearsals: true), at: time(0))
        #expect(refusal(&limits, limit { $0.isRehearsal = true }) == nil)
    }
}
