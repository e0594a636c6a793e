/// What came of one seed.
package struct Outcome: Sendable {
    package let scenario: Scenario
    /// Rule, time and what happened, in order.
    package let violations: [String]
    /// The first rule that was broken; `nil` when all held.
    package let rule: String?
    package let answers: Int
    package let refusals: Int
    package let events: Int
    package let limits: Int
    /// Milliseconds of simulated time.
    package static let length = Scenario.ends
}

package func simulate(_ scenario: Scenario, plant: Plant? = nil) -> Outcome {
    let cluster = Cluster(scenario, plant: plant)
    cluster.run()
    let auditor = cluster.auditor
    return Outcome(
        scenario: scenario, violations: auditor.violations.map { "\($0.rule.rawValue) at \($0.at) ms: \($0.what)" },
        rule: auditor.violations.first?.rule.rawValue,
        answers: auditor.answers, refusals: auditor.refusals, events: auditor.eventsMade, limits: auditor.limitsStored)
}

/// Leaves out what does not matter for a failure: faults, one after the other, as long as the same rule is broken.
package func shrink(_ outcome: Outcome, plant: Plant? = nil) -> Outcome {
    var smallest = outcome
    var size = max(1, smallest.scenario.kept.count / 2)
    while size >= 1 {
        var start = 0
        while start < smallest.scenario.kept.count {
            let kept = smallest.scenario.kept.sorted()
            var scenario = smallest.scenario
            scenario.kept.subtract(kept[start..<min(start + size, kept.count)])
            let tried = simulate(scenario, plant: plant)
            if tried.rule == outcome.rule { smallest = tried } else { start += size }
        }
        size = size == 1 ? 0 : size / 2
    }
    return smallest
}
