import ControllerCore
import Detection
import Messages
import Testing
import Wire

@Suite struct LimitTests {
    private let key = Limit.Key(prefix: Script.source(1), limitClass: .anomalous)

    @Test("The first event of a source spreads its limit to every node; the next ones have nothing to add")
    func first() throws {
        var script = Script()
        let limits = script.flood(0..<200).limits
        let limit = try #require(limits.first)
        #expect(limits.count == 1)
        #expect((limit.key, limit.perSecond, limit.answer, limit.until, limit.step, limit.generation) == (key, 3, .reset, Script.at(600), 0, 1))
        #expect((limit.origin, limit.scope, limit.eventIDs, limit.eventsInWindow, limit.traceID) == (.controller, "cluster", ["node-a:1:100000"], 1, "t100000"))
    }

    @Test("A source that goes on is renewed before its limit ends, once each half of its length")
    func renewed() {
        var script = Script()
        // The node's own limit stands until 600 and is not renewed by it.
        let limits = (0..<1000).flatMap { second in script.see(Script.event(Double(second), id: second) { $0.limit?.until = Script.at(600); $0.action = .alreadyLimited }) }.limits
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
        #expect(last?.step == 3)
        #expect(last?.until == Script.at(601 + 3601 + day + 1 + 14 * day + 1))
        #expect(limit(601 + 3601 + day + 1 + 14 * day + 1 + day)?.step == 0)
    }

    @Test("No node can make a limit longer than the ladder's longest")
    func bounded() {
        var script = Script()
        let limits = script.see(Script.event(0, id: 1) { $0.limit?.until = Script.at(1e9) }).limits
        #expect(limits.map(\.until) == [Script.at(7 * 86_400)])
    }

    @Test("A rule's own length is the first step's")
    func ruleLength() {
        var script = Script { $0.detections[.missingSNI]?.limit?.duration = .seconds(60) }
        let limits = (0..<70).flatMap { second in script.see(Script.event(Double(second), id: second) { $0.limit?.until = Script.at(60) }) }.limits
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

    @Test("A release is known from its record alone, which is all that compaction leaves: a controller that starts anew answers none of the source's events")
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

    @Test("Into a topic that was made anew every limit that stands is said again, as it was, with its cause; by the replica that answers its events; once")
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
        #expect(again.map(\.limit.generation) == [9, said[2].released(at: Script.at(1)).generation] && again.allSatisfy { $0.limit.origin == .operator })
        #expect(again.map(\.limit.traceID) == ["t2", "t3"] && again.allSatisfy { $0.limit.anomalies == AnomalySet(.missingSNI) && $0.limit.until == Script.at(600) })
        #expect(again.map(\.cause) == [1, 2].map { LogPosition(partition: 0, offset: $0) })
        #expect(script.controller.republish(at: Script.at(11), partitions: [0]).isEmpty && script.controller.counts.limitsRepublished == 2)
    }

    @Test("What has come back on the new topic by itself is not said again, and many limits go a thousand at a time")
    func republishedInPart() throws {
        var script = Script(sources: 3000, limits: 3000)
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
}
