import ControllerCore
import Detection
import Messages
import Testing
import Units

@Suite struct ScaleTests {
    @Test("A source that goes on gets one step each cooldown, up to the maximum, and then only more time")
    func ladder() {
        var script = Script()
        let decisions = script.flood(0..<1000).decisions
        #expect(decisions.map(\.desiredReplicas) == [3, 4, 5, 5, 5, 5])
        #expect(decisions.map(\.previousReplicas) == [2, 3, 4, 4, 4, 4])
        #expect(decisions.map(\.until) == [12, 192, 372, 552, 732, 912].map { Script.at($0 + 900) })
        #expect(decisions.map(\.generation) == Array(1...6))
    }

    @Test("The hour's budget bounds the steps, and comes back with time")
    func budget() {
        var script = Script {
            $0.scaleOut.targets[0].budgetPerHour = 2; $0.scaleOut.targets[0].max = 20
        }
        let decisions = script.flood(0..<3700).decisions
        let steps = decisions.indices.filter { $0 == 0 || decisions[$0].desiredReplicas > decisions[$0 - 1].desiredReplicas }
        #expect(steps.map { decisions[$0].until - .seconds(900) } == [12, 192, 3612].map { Script.at($0) })
        #expect(decisions.last?.desiredReplicas == 5)
    }

    @Test("Without budget nothing new begins, which is counted")
    func spent() {
        var script = Script { $0.scaleOut.targets[0].budgetPerHour = 0 }
        #expect(script.flood(0..<20).decisions == [])
        #expect(script.controller.counts.budgetSpent == 8)
    }

    @Test("A decision that nothing renews is over at its end, and the next attack begins at the bottom")
    func scaleIn() {
        var script = Script()
        _ = script.flood(0..<13)
        #expect(script.controller.tick(at: Script.at(911), partitions: [0]).ended == [])
        #expect(script.controller.wantedReplicas(at: Script.at(911)) == ["shop/web": 3])
        #expect(script.controller.tick(at: Script.at(912), partitions: [0]).ended == ["shop/web"])
        #expect(script.controller.tick(at: Script.at(913), partitions: [0]).ended == [])
        #expect(script.controller.wantedReplicas(at: Script.at(912)) == [:])
        let again = script.flood(2000..<2013).decisions
        #expect(again.map(\.desiredReplicas) == [3])
        #expect(again.map(\.generation) == [2])
    }

    @Test("Observing decides as enforcing would, says so, and limits nobody")
    func observe() {
        var script = Script { $0.mode = .observe }
        let outputs = script.flood(0..<13)
        #expect(outputs.decisions.map(\.mode) == [.observe])
        #expect(outputs.limits == [])
    }

    @Test(
        "Slow probes scale nothing, however many: a source counts only while something of its was refused within the window, or would have been"
    )
    func refusedNobody() {
        var script = Script()
        #expect(script.flood(0..<100, change: { $0.counts.reset = 0 }).decisions == [])
        #expect(script.controller.counts.borne == 88 && script.controller.counts.unknownWorkload == 0)
        #expect(script.see(Script.event(100, id: 1) { $0.counts.reset = 1 }).decisions.count == 1)
        var observed = Script { $0.mode = .observe }
        #expect(observed.flood(0..<13, change: { ($0.counts.reset, $0.counts.wouldRefuse) = (0, 2) }).decisions.count == 1)
        // A refusal longer ago than the window proves nothing of what comes now.
        var late = Script()
        _ = late.see(Script.event(0, id: 1))
        #expect(late.flood(302..<330, change: { $0.counts.reset = 0 }).decisions == [])
    }

    @Test("Several sources over the threshold are one decision that tells their number")
    func sourcesOver() {
        var script = Script { $0.scaleOut.targets[0].cooldown = .seconds(100) }
        var decisions: [ScaleDecision] = []
        for second in 0..<120 {
            for source in 1...3 {
                decisions += script.see(Script.event(Double(second), source: source, id: second * 10 + source)).decisions
            }
        }
        #expect(decisions.map(\.sourcesOver) == [1, 3])
    }

    @Test("Events of a workload that the policy does not know change nothing, and are counted")
    func unknown() {
        var script = Script()
        for index in 0..<20 { #expect(script.see(Script.event(Double(index), id: index) { $0.workload = nil }).decisions == []) }
        #expect(script.controller.counts.unknownWorkload == 8)
    }
}
