import Simulation
import Testing

@Suite struct SimulationTests {
    @Test("A seed is one story: told twice, it is the same")
    func repeats() {
        let (one, two) = (simulate(Scenario(seed: 8)), simulate(Scenario(seed: 8)))
        #expect(
            one.answers == two.answers && one.refusals == two.refusals && one.events == two.events && one.limits == two.limits
                && one.violations == two.violations)
        #expect(one.answers > 100 && one.events > 10 && one.rule == nil, "\(one.violations)")
    }

    @Test(
        "Each planted fault is found by the rule that it breaks",
        arguments: [
            (.forgetsAnswers, "atMostThreeAnswers"), (.losesEvents, "nothingIsLostUncounted"), (.countsNothing, "accountsBalance"),
            (.doublesEvents, "noEventWithoutMaker"), (.keepsReleased, "nobodyInnocentIsRefused"),
            (.forgetsDisk, "limitsOfTheDiskHold"), (.ignoresAllowList, "nobodyInnocentIsRefused"),
            (.ignoresOneLimit, "operatorsLimitHolds"), (.deafToTombstones, "nobodyInnocentIsRefused"),
            (.neverCommits, "everybodyCommits"), (.forgetsWindows, "windowsAreALogsFunction"), (.limitsForever, "everyLimitEnds"),
            (.edgeForgetsNothing, "listsAgree")
        ] as [(Plant, String)])
    func planted(plant: Plant, rule: String) {
        let found = (1...40).lazy.map { simulate(Scenario(seed: $0), plant: plant) }.first { $0.rule != nil }
        #expect(found?.rule == rule, "\(found?.violations ?? ["no seed of forty finds it"])")
    }

    @Test("Every plant has a rule that finds it")
    func complete() { #expect(Plant.allCases.count == 13) }

    @Test("Of a failing seed's faults those are left that matter")
    func shrinks() throws {
        let found = try #require(
            (1...40).lazy.map { simulate(Scenario(seed: $0), plant: .keepsReleased) }.first { $0.rule != nil && $0.scenario.kept.count > 3 }
        )
        let smallest = shrink(found, plant: .keepsReleased)
        #expect(smallest.rule == found.rule && smallest.scenario.kept.count < found.scenario.kept.count && !smallest.scenario.kept.isEmpty)
        #expect(smallest.scenario.kept.contains { smallest.scenario.faults[$0].description.contains("operatorLimits") })
    }
}
