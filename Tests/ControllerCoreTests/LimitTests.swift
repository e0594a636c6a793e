import ControllerCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

@Suite struct LimitTests {
    let key = Limit.Key(prefix: Script.source(1), limitClass: .anomalous)

    @Test("The first event of a source spreads its limit to every node; the next ones have nothing to add")
    func first() throws {
        var script = Script()
        let limits = script.flood(0..<200).limits
        let limit = try #require(limits.first)
        #expect(limits.count == 1)
        #expect(
            (limit.key, limit.perSecond, limit.answer, limit.until, limit.step, limit.generation) == (key, 3, .reset, Script.at(600), 0, 1))
        #expect(
            (limit.origin, limit.scope, limit.eventIDs, limit.eventsInWindow, limit.traceID) == (
                .controller, "cluster", ["node-a:1:100000"], 1, "t100000"
            ))
    }

    @Test("A source that goes on is renewed before its limit ends, once each half of its length")
    func renewed() {
        var script = Script()
        // The node's own limit stands until 600 and is not renewed by it.
        let limits = (0..<1000).flatMap { second in script.see(Script.event(Double(second), id: second) { $0.action = .alreadyLimited }) }
            .limits
        #expect(limits.map(\.until) == [600, 900, 1200, 1500].map { Script.at($0) })
        #expect(limits.map(\.generation) == [1, 2, 3, 4])
        #expect(limits.map(\.step) == [0, 0, 0, 0])
    }

    @Test("A source limited again within a day climbs the ladder; after a day of quiet it begins anew")
    func escalation() {
        var script = Script()
        var id = 0
        func limit(_ seconds: Double) -> Limit? { id += 1; return script.see(Script.event(seconds, id: id)).limits.first }
        let day = 86_400.0
        #expect(limit(0)?.step == 0)
        #expect(limit(601)?.step == 1)
        #expect(limit(601 + 3601)?.step == 2)
        #expect(limit(601 + 3601 + day + 1)?.step == 3)
        // The last step repeats, and ends a week later.
        let last = limit(601 + 3601 + day + 1 + 7 * day + 1)
        #expect(last?.step == 3 && last?.until == Script.at(601 + 3601 + day + 1 + 14 * day + 1))
        #expect(limit(601 + 3601 + day + 1 + 14 * day + 1 + day)?.step == 0)
    }

    @Test("Whatever limit a node says that it set, class, rate, answer and end are the controller's own")
    func ownPolicy() throws {
        var script = Script()
        let event = Script.event(0, id: 1) {
            $0.limit = ThrottleEvent.Limit(limitClass: .all, perSecond: 1, answer: .drop, until: Script.at(1e9), enforced: true)
            ($0.policyName, $0.severity) = ("another", .critical)
        }
        let limit = try #require(script.see(event).limits.first)
        #expect((limit.key, limit.perSecond, limit.answer, limit.until) == (key, 3, .reset, Script.at(600)))
        var another = Script {
            $0.detections[.missingSNI]?.limit = {
                var rule = Policy.LimitRule(perSecond: 9); (rule.limitClass, rule.answer, rule.duration) = (.all, .drop, .seconds(5));
                return rule
            }()
        }
        let theirs = try #require(another.see(Script.event(0, id: 1)).limits.first)
        #expect((theirs.key.limitClass, theirs.perSecond, theirs.answer, theirs.until) == (.all, 9, .drop, Script.at(5)))
    }

    @Test(
        "What is worth a limit is the controller's to say: a node that only counts is no reason to spare, one that limits no reason to limit"
    )
    func ownSeverity() {
        var script = Script()
        let counted = script.see(Script.event(0, id: 1) { ($0.severity, $0.action, $0.limit) = (.low, .none, nil) })
        #expect(counted.limits.count == 1)
        #expect(
            script.see(Script.event(0, source: 2, id: 2) { ($0.anomalies, $0.severity) = (AnomalySet(.emptySNI), .critical) }).limits == [])
        #expect(
            script.see(Script.event(0, source: 3, id: 3) { ($0.anomalies, $0.severity) = (AnomalySet(.fallbackSCSV), .critical) }) == [])
        #expect(script.controller.counts.minor == 1)
        var off = Script { $0.detections[.missingSNI] = nil }
        #expect(off.see(Script.event(0, id: 1)) == [] && off.controller.counts.minor == 1)
    }

    @Test(
        "An event whose source is wider or narrower than the controller's own policy counts one is refused and counted",
        arguments: [1, 24, 31, 97, 127])
    func otherPrefix(length: Int) {
        var script = Script()
        let address = Address("203.0.113.9")!
        let wide = Prefix(address, length: length < 33 ? 96 + length : length)
        #expect(script.flood(0..<20, change: { ($0.sourceAddress, $0.sourcePrefix) = (address, wide) }) == [])
        #expect(script.controller.counts.otherPrefix == 20 && script.controller.sourceCount == 0)
        #expect(
            script.see(
                Script.event(21, id: 1000) {
                    ($0.sourceAddress, $0.sourcePrefix) = (Address("203.0.113.10")!, Prefix(address, length: 128))
                }) == [])
        #expect(script.controller.counts.otherPrefix == 21, "nor one that another address stands for")
    }

    @Test(
        "A limit that has refused nobody does not reach the edge; the first refusal is said at once, with the limit's end as it was; an operator's always reaches it"
    )
    func refusedNobody() throws {
        var script = Script()
        func slow(_ seconds: Double, id: Int, _ counts: (reset: Int, dropped: Int, wouldRefuse: Int) = (0, 0, 0)) -> [Limit] {
            script.see(
                Script.event(seconds, id: id) {
                    ($0.counts.seen, $0.counts.reset, $0.counts.dropped, $0.counts.wouldRefuse) = (
                        5, counts.reset, counts.dropped, counts.wouldRefuse
                    )
                }
            ).limits
        }
        let first = try #require(slow(0, id: 1).first)
        #expect(
            !first.hasRefused && script.controller.standingLimit(key, at: Script.at(1)) != nil
                && script.controller.standingLimitAtTheEdge(key, at: Script.at(1)) == nil)
        #expect(slow(1, id: 2) == [])
        let second = try #require(slow(2, id: 3, (0, 1, 0)).first)
        #expect(second.hasRefused && second.until == first.until && second.generation == 2)
        #expect(script.controller.standingLimitAtTheEdge(key, at: Script.at(3))?.until == first.until)
        #expect(slow(3, id: 4, (1, 0, 0)) == [])
        #expect(slow(301, id: 5).map(\.hasRefused) == [true], "what it refused is not forgotten with a renewal")
        var observed = Script()
        #expect(
            observed.see(Script.event(0, id: 1) { ($0.counts.reset, $0.counts.wouldRefuse) = (0, 1) }).limits.map(\.hasRefused) == [true])
        var fresh = Script(), word = first
        fresh.controller.apply(first, id: nil, at: Script.at(0))
        #expect(fresh.controller.standingLimitAtTheEdge(key, at: Script.at(1)) == nil)
        (word.origin, word.generation) = (.operator, 9)
        fresh.controller.apply(word, id: nil, at: Script.at(0))
        #expect(fresh.controller.standingLimitAtTheEdge(key, at: Script.at(1)) != nil)
    }

    @Test("Events of a rehearsal are counted and nothing else, unless the controller was started for them; its limits are then marked")
    func rehearsal() {
        var script = Script()
        #expect(script.flood(0..<20, change: { $0.isRehearsal = true }) == [])
        #expect(script.controller.counts.rehearsals == 20 && script.controller.sourceCount == 0)
        script.controller.heedsRehearsals = true
        let outputs = script.flood(20..<40, change: { $0.isRehearsal = true })
        #expect(outputs.limits.map(\.isRehearsal) == [true] && outputs.decisions.count == 1)
        #expect(script.see(Script.event(60, source: 2, id: 7)).limits.map(\.isRehearsal) == [false])
    }

    @Test(
        "A record on the topic beyond the controller's policy is as if it had not been written: it outranks nothing and is never said again"
    )
    func liarOnTheTopic() {
        var script = Script()
        func record(_ prefix: String, _ change: (inout Limit) -> Void = { _ in }) -> Limit {
            var limit = Limit(
                key: Limit.Key(prefix: Prefix(prefix)!, limitClass: .anomalous), perSecond: 3, answer: .reset, until: Script.at(60),
                generation: 99, anomalies: AnomalySet(.missingSNI), traceID: "")
            change(&limit)
            return limit
        }
        let id = LogPosition(partition: 0, offset: 1).id
        func isKnown(_ limit: Limit) -> Bool { script.controller.apply(limit, id: id, at: Script.at(0)) }
        for wide in ["0.0.0.0/1", "203.0.113.0/31"] { #expect(!isKnown(record(wide))) }
        #expect(!isKnown(record("203.0.0.1") { $0.until = Script.at(8 * 86_400) }))
        #expect(!isKnown(record("203.0.0.1") { $0.perSecond = 0 }))
        #expect(!isKnown(record("0.0.0.0/1") { ($0.origin, $0.generation) = (.operator, .max) }))
        #expect(!isKnown(record("203.0.0.1") { $0.isRehearsal = true }))
        #expect(script.controller.counts.limitsRefused == 6 && script.controller.limitCount == 0)
        #expect(isKnown(record("203.0.0.1")))
        // A lesser word would make the controller say again what stands; what stands is never the liar's.
        _ = script.controller.apply(record("0.0.0.0/1") { $0.generation = 1 }, id: id, at: Script.at(1))
        #expect(script.controller.tick(at: Script.at(2), partitions: [0]).outputs == [])
    }

    @Test(
        "One node brings so many new sources a minute, and no more; what stands is renewed, other nodes go on, and the networks of an IPv6 /48 are one"
    )
    func budget() {
        var script = Script { $0.trust.newSources = 10 }
        var id = 0
        func see(_ seconds: Double, _ source: Int, node: String = "liar") -> Int {
            id += 1
            return script.see(Script.event(seconds, source: source, id: id) { $0.node = node }).limits.count
        }
        #expect((1...50).map { see(0, $0) }.reduce(0, +) == 10 && script.controller.counts.limitsOverBudget == 40)
        #expect(see(0, 11, node: "honest") == 1)
        #expect(see(59, 12) == 0 && see(60, 12) == 1 && see(61, 13) == 1)
        #expect((100...150).map { see(61, $0) }.reduce(0, +) == 8)
        #expect((1...10).map { see(301 + Double($0), $0) }.reduce(0, +) == 10, "renewals cost nothing")
        var six = Script { $0.trust.newSources = 10 }
        let limits = (0..<1000).flatMap { number in
            let address = Address("2001:db8:1:\(String(number, radix: 16))::1")!
            return six.see(Script.event(0, id: number) { ($0.sourceAddress, $0.sourcePrefix) = (address, Prefix(address, length: 64)) })
                .limits
        }
        #expect(limits.count == 1000)
    }

    @Test("Where two nodes must agree, one alone moves nothing however often it tells; two within the window do")
    func agreement() {
        var script = Script { $0.trust.nodes = 2 }
        func see(_ seconds: Double, node: String, id: Int) -> Int {
            script.see(Script.event(seconds, id: id) { $0.node = node }).limits.count
        }
        #expect((0..<20).map { see(Double($0), node: "a", id: $0) }.reduce(0, +) == 0 && script.controller.counts.limitsAwaitingNodes == 20)
        #expect(see(20, node: "b", id: 100) == 1)
        var late = Script { $0.trust.nodes = 2 }
        _ = late.see(Script.event(0, id: 1) { $0.node = "a" })
        #expect(late.see(Script.event(300, id: 2) { $0.node = "b" }).limits == [])
        // Read again after a restart, what one node told before counts as it did.
        var again = Script { $0.trust.nodes = 2 }
        _ = again.see(Script.event(0, id: 1) { $0.node = "a" }, isReplay: true)
        #expect(again.see(Script.event(1, id: 2) { $0.node = "b" }).limits.count == 1)
    }

    @Test("A record on the topic that hits whom the controller never limits is not known to it, so that no Envoy hears of it; a release is")
    func allowedOnTheTopic() {
        var script = Script { $0.allow.cidrs = [Prefix("203.0.0.0/24")!] }
        var record = Limit(
            key: key, perSecond: 3, answer: .reset, until: Script.at(60), generation: 1, anomalies: AnomalySet(.missingSNI), traceID: "")
        for prefix in ["203.0.0.1", "203.0.0.0/16"] {
            (record.origin, record.key.prefix) = (.operator, Prefix(prefix)!)
            script.controller.apply(record, id: nil, at: Script.at(0))
        }
        #expect(script.controller.limitCount == 0 && script.controller.counts.limitsAllowed == 2)
        script.controller.apply(record.released(at: Script.at(0)), id: nil, at: Script.at(0))
        #expect(script.controller.limitCount == 1)
    }

    @Test("A limit that stands is not said again once the allow-list covers its source")
    func allowedMeanwhile() {
        var script = Script()
        _ = script.see(Script.event(0, id: 1))
        script.controller.policy.allow.cidrs = [Prefix("203.0.0.0/24")!]
        script.controller.limitsWereLost()
        #expect(script.controller.republish(at: Script.at(1), partitions: [0]).isEmpty)
    }

    @Test("A rule's own length is the first step's")
    func ruleLength() {
        var script = Script { $0.detections[.missingSNI]?.limit?.duration = .seconds(60) }
        let limits = (0..<70).flatMap { second in script.see(Script.event(Double(second), id: second) { $0.limit?.until = Script.at(60) }) }
            .limits
        #expect(limits.map(\.until) == [60, 90, 120].map { Script.at($0) })
    }

    @Test("Who is in the allow-list is never limited, in part or whole", arguments: ["203.0.0.0/8", "203.0.0.1/32"])
    func allowed(cidr: String) {
        var script = Script { $0.allow.cidrs = [Prefix(cidr)!] }
        #expect(script.flood(0..<20).limits == [])
        #expect(script.controller.counts.limitsAllowed == 20)
    }

    @Test("An operator's entry outranks the controller until its end")
    func operatorEntry() {
        var script = Script()
        var entry = Limit(key: key, perSecond: 100, answer: .drop, until: Script.at(50), generation: 9, anomalies: [], traceID: "")
        entry.origin = .operator
        script.controller.apply(entry, id: "anything", at: Script.at(0))
        #expect(script.flood(0..<50).limits == [])
        #expect(script.controller.counts.limitsOverruled == 50)
        // The controller's own older words do not undo it either; when it is over, the next generation follows.
        let limits = script.flood(50..<60).limits
        #expect(limits.map(\.generation) == [10])
    }

    @Test("An operator's release holds until the limit would have ended")
    func released() {
        var script = Script()
        _ = script.see(Script.event(0, id: 1))
        script.controller.release(key, at: Script.at(10))
        #expect((10..<600).flatMap { script.see(Script.event(Double($0), id: $0)) }.limits == [])
        #expect(script.see(Script.event(600, id: 700)).limits.map(\.step) == [0])
    }

    @Test(
        "A release is known from its record alone, which is all that compaction leaves: a controller that starts anew answers none of the source's events"
    )
    func releaseOutlivesCompaction() throws {
        var script = Script()
        let limit = try #require(script.see(Script.event(0, id: 1)).limits.first)
        let release = limit.released(at: Script.at(10))
        #expect(release.until == limit.until && release.generation > limit.generation && release.origin == .operator)
        var fresh = Script()
        fresh.controller.apply(release, id: "operator:release:1", at: Script.at(10))
        #expect(fresh.controller.standingLimit(key, at: Script.at(11)) == nil && fresh.controller.activeLimits(at: Script.at(11)) == 0)
        #expect((0..<600).flatMap { fresh.see(Script.event(Double($0), id: $0)) }.limits == [])
        #expect(fresh.see(Script.event(600, id: 700)).limits.map(\.step) == [0])
        // What a tombstone leaves is nothing, so nobody knows of it.
        var ignorant = Script()
        #expect(ignorant.see(Script.event(11, id: 2)).limits.count == 1)
    }

    @Test("A limit long over is forgotten with a tombstone, which is not mistaken for an operator's release when it comes back")
    func forgotten() {
        var script = Script()
        _ = script.see(Script.event(0, id: 1))
        #expect(script.controller.tick(at: Script.at(600 + 86_399), partitions: [0]).outputs == [])
        #expect(script.controller.tick(at: Script.at(600 + 86_500), partitions: [7]).outputs == [])
        #expect(script.controller.tick(at: Script.at(600 + 86_600), partitions: [0]).outputs == [.forget(key)])
        #expect(script.see(Script.event(87_300, id: 2)).limits.map(\.generation) == [1])
        script.controller.release(key, at: Script.at(87_301))
        #expect(script.controller.activeLimits(at: Script.at(87_302)) == 1)
    }

    @Test("When there is no room for more limits the source passes, and that is counted")
    func full() {
        var script = Script(limits: 2)
        for source in 1...5 { _ = script.see(Script.event(0, source: source, id: source)) }
        #expect((script.controller.counts.limitsSet, script.controller.counts.limitsFull) == (2, 3))
    }

    @Test(
        "Into a topic that was made anew every limit that stands is said again, as it was, with its cause; by the replica that answers its events; once"
    )
    func republished() throws {
        var script = Script()
        let said = (1...3).flatMap { source in script.see(Script.event(0, source: source, id: source)).limits }
        // The first has ended by then; of the second an operator has spoken; the third is released.
        var short = said[0], word = said[1]
        short.until = Script.at(5)
        short.generation = 2
        (word.origin, word.perSecond, word.generation) = (.operator, 7, 9)
        script.controller.apply(short, id: "p0/o0", at: Script.at(1))
        script.controller.apply(word, id: "operator:1", at: Script.at(1))
        script.controller.apply(said[2].released(at: Script.at(1)), id: "operator:2", at: Script.at(1))
        #expect(script.controller.republish(at: Script.at(10), partitions: [0]).isEmpty, "the topic is what it was")

        script.controller.limitsWereLost()
        #expect(script.controller.republish(at: Script.at(10), partitions: []).isEmpty, "nothing is answered here yet")
        var other = script.controller
        #expect(other.republish(at: Script.at(10), partitions: [1, 2]).isEmpty, "another replica answers its events")
        let again = script.controller.republish(at: Script.at(10), partitions: [0, 1]).sorted { $0.limit.key.prefix < $1.limit.key.prefix }
        #expect(again.map(\.limit.key) == [said[1].key, said[2].key])
        #expect(again.map(\.limit.perSecond) == [7, Limit.mostPerSecond] && again.map(\.limit.isRelease) == [false, true])
        #expect(
            again.map(\.limit.generation) == [9, said[2].released(at: Script.at(1)).generation]
                && again.allSatisfy { $0.limit.origin == .operator })
        #expect(
            again.map(\.limit.traceID) == ["t2", "t3"]
                && again.allSatisfy { $0.limit.anomalies == AnomalySet(.missingSNI) && $0.limit.until == Script.at(600) })
        #expect(again.map(\.cause) == [1, 2].map { LogPosition(partition: 0, offset: $0) })
        #expect(script.controller.republish(at: Script.at(11), partitions: [0]).isEmpty && script.controller.counts.limitsRepublished == 2)
    }

    @Test("What has come back on the new topic by itself is not said again, and many limits go a thousand at a time")
    func republishedInPart() throws {
        var script = Script(sources: 3000, limits: 3000) { $0.trust.newSources = 3000 }
        let said = (0..<2500).flatMap { source in script.see(Script.event(0, source: source, id: source)).limits }
        script.controller.limitsWereLost()
        for limit in said.prefix(300) { script.controller.apply(limit, id: nil, at: Script.at(1)) }
        var rounds: [Int] = []
        while true {
            let some = script.controller.republish(at: Script.at(10), partitions: [0])
            if some.isEmpty { break }
            rounds.append(some.count)
        }
        #expect(rounds == [1000, 1000, 200])
    }

    @Test("Another policy may know what the last one did not let be said, and Envoys are told nothing that it would not let be said")
    func anotherPolicy() throws {
        var script = Script { $0.allow.cidrs = [Script.source(1)] }
        var limit = Limit(
            key: key, perSecond: 3, answer: .reset, until: Script.at(100), generation: 7, anomalies: AnomalySet(.missingSNI), traceID: "")
        limit.hasRefused = true
        #expect(
            !script.controller.apply(limit, id: nil, at: Script.at(0))
                && script.controller.standingLimitAtTheEdge(key, at: Script.at(1)) == nil)
        var next = script.controller.policy
        next.allow.cidrs = []
        let free = script.controller.use(next, at: Script.at(2))
        #expect(free == [key] && script.controller.standingLimitAtTheEdge(key, at: Script.at(2))?.until == Script.at(100))
        next.detections[.missingSNI]?.limit = nil
        _ = script.controller.use(next, at: Script.at(3))
        #expect(script.controller.standingLimitAtTheEdge(key, at: Script.at(3)) == nil, "nothing is limited for it any more")
        #expect(script.controller.use(next, at: Script.at(4)) == [], "the same policy changes nothing")
    }

    @Test("What has ended meanwhile is known as well: the next limit of its key counts from it")
    func endedMeanwhile() throws {
        var script = Script { $0.allow.cidrs = [Script.source(1)] }
        let limit = Limit(
            key: key, perSecond: 3, answer: .reset, until: Script.at(10), generation: 7, anomalies: AnomalySet(.missingSNI), traceID: "")
        _ = script.controller.apply(limit, id: nil, at: Script.at(0))
        var next = script.controller.policy
        next.allow.cidrs = []
        _ = script.controller.use(next, at: Script.at(20))
        let said = try #require(script.see(Script.event(30, id: 1)).limits.first)
        #expect(said.generation == 8 && said.step == 1)
    }

    @Test("What was proved to one destination only is counted, and followed by nothing")
    func oneDestination() {
        var script = Script()
        let outputs = (0..<50).flatMap { second in script.see(Script.event(Double(second), id: second) { $0.reach = .destination }) }
        #expect(outputs.isEmpty)
        #expect(script.controller.counts.oneDestination == 50)
        #expect(script.see(Script.event(51, id: 51)).limits.count == 1)
    }
}
