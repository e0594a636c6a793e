import ControllerCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

@Suite struct WindowTests {
    @Test("Twelve events in five minutes are borne, the thirteenth asks for a replica")
    func threshold() throws {
        var script = Script()
        #expect(script.flood(0..<12).decisions == [])
        let decision = try #require(script.flood(12..<13).decisions.first)
        #expect(
            decision
                == ScaleDecision(
                    workload: "shop/web", desiredReplicas: 3, previousReplicas: 2, mode: .enforce, sourcePrefix: Script.source(1),
                    eventsInWindow: 13, windowSeconds: 300, moreThan: 12,
                    sourcesOver: 1, until: Script.at(12 + 900), generation: 1, traceID: "t100012"))
    }

    @Test(
        "The window slides: an event exactly five minutes old is out, a millisecond younger is in",
        arguments: [(300.0, false), (299.999, true)])
    func edge(last: Double, isOver: Bool) {
        var script = Script()
        for index in 0..<12 { _ = script.see(Script.event(index == 0 ? 0 : 100, id: index)) }
        #expect(script.see(Script.event(last, id: 12)).decisions.isEmpty == !isOver)
    }

    @Test("The same event twice counts once, whenever it comes again")
    func duplicates() {
        var script = Script()
        for index in 0..<12 { for _ in 0..<3 { #expect(script.see(Script.event(Double(index), id: index)).decisions == []) } }
        #expect(script.see(Script.event(0, id: 0)).decisions == [])
        #expect(script.controller.counts.duplicates == 25)
        #expect(script.see(Script.event(12, id: 12)).decisions.count == 1)
    }

    @Test("Events that come late are placed where they belong")
    func late() {
        var script = Script()
        // Twelve in the first seconds, then one so much later that it is alone in its window.
        _ = script.flood(0..<12)
        #expect(script.see(Script.event(305, id: 500)).decisions == [])
        // It happened while the twelve still stood, so five minutes did hold thirteen.
        #expect(script.see(Script.event(290, id: 501)).decisions.first?.eventsInWindow == 13)
    }

    @Test("What is later than any window that matters is not counted, and is counted as such")
    func tooLate() {
        var script = Script()
        _ = script.see(Script.event(1000, id: 1))
        #expect(script.see(Script.event(600, id: 2)) == [])
        #expect(script.controller.counts.tooOld == 1)
    }

    @Test("A node's wrong clock moves its events by no more than thirty seconds from the broker's")
    func clamped() {
        var script = Script()
        // All at once, says the broker; spread over hours, says the node.
        for index in 0..<13 {
            let outputs = script.see(Script.event(Double(index) * 3600, id: index), appended: 0)
            #expect(outputs.decisions.isEmpty == (index < 12))
        }
        #expect(script.controller.counts.clamped == 12)
    }

    @Test("Sources do not add up; each is counted alone")
    func apart() {
        var script = Script()
        for source in 0..<100 { #expect(script.flood(0..<12, source: source).decisions == []) }
        #expect(script.controller.sourceCount == 100)
    }

    @Test("What is unproven, minor or refused altogether asks for nothing")
    func countsForNothing() {
        var script = Script()
        for index in 0..<40 {
            #expect(script.see(Script.event(Double(index), id: index) { $0.proof = .unproven }) == [])
            #expect(script.see(Script.event(Double(index), id: 100 + index) { $0.anomalies = AnomalySet(.ipLiteralSNI) }) == [])
            #expect(
                script.see(
                    Script.event(Double(index), id: 200 + index) { ($0.counts.seen, $0.counts.reset, $0.counts.dropped) = (5, 3, 2) }
                ).decisions == [])
        }
        #expect((script.controller.counts.unproven, script.controller.counts.minor, script.controller.counts.refused) == (40, 40, 40))
    }

    @Test("More sources than there is room for are not counted, and that is counted; room comes back when windows have passed")
    func capacity() {
        var script = Script(sources: 10)
        for source in 0..<20 { _ = script.see(Script.event(0, source: source, id: source)) }
        #expect(script.controller.sourceCount == 10)
        #expect(script.controller.counts.sourcesFull == 10)
        for source in 20..<30 { _ = script.see(Script.event(10_000, source: source, id: source)) }
        for source in 20..<30 { #expect(script.controller.eventsInWindow(of: Script.source(source), at: Script.at(10_000)) == 1) }
        #expect(script.controller.counts.sourcesFull == 10)
    }

    @Test(
        "No order, lateness or repetition of events makes the windows count other than by the definition",
        arguments: 1...8 as ClosedRange<UInt64>)
    func againstTheDefinition(seed: UInt64) {
        var random = SplitMix64(seed)
        var script = Script(sources: 100_000) {
            $0.scaleOut.window = .seconds(60); $0.scaleOut.targets = []
        }
        var model = Model(window: 60_000)
        var clock = 0
        for step in 0..<3000 {
            clock += Int.random(in: 0...40, using: &random)
            let source = Int.random(in: 0..<50, using: &random) * Int.random(in: 0...1, using: &random)
            let time = max(0, clock - (Bool.random(using: &random) ? 0 : Int.random(in: 0..<60_000, using: &random)))
            let id = Int.random(in: 0..<20, using: &random) == 0 ? max(0, step - Int.random(in: 1...50, using: &random)) : step
            let (expected, isDuplicate) = model.see(source: source, time: time, id: id)
            let before = script.controller.counts.duplicates
            _ = script.see(Script.event(Double(time) / 1000, source: source, id: id))
            let counted = script.controller.eventsInWindow(of: Script.source(source), at: Script.at(Double(time) / 1000))
            guard counted == expected, (script.controller.counts.duplicates > before) == isDuplicate else {
                Issue.record("seed \(seed), step \(step): \(counted) counted, \(expected) expected, duplicate \(isDuplicate)")
                return
            }
        }
    }
}

/// The definition, naively: every event kept for ever.
private struct Model {
    let window: Int
    var newest = 0
    var events: [Int: [(time: Int, id: Int)]] = [:]

    init(window: Int) { self.window = window }

    mutating func see(source: Int, time: Int, id: Int) -> (count: Int, isDuplicate: Bool) {
        newest = max(newest, time)
        // What is a window and a minute behind the newest is let go: it is too old to be counted, and no duplicate of anything.
        let oldest = newest - window - 60_000
        let isTooOld = time <= oldest
        let isKnown = events[source, default: []].contains { $0.id == id && $0.time > oldest }
        if !isTooOld && !isKnown { events[source, default: []].append((time, id)) }
        return (events[source]?.count { $0.time > time - window && $0.time <= time } ?? 0, isKnown && !isTooOld)
    }
}
