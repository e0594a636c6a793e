/// A policy file whose workloads are this test's own, so that a broker with a past does not matter.
struct TestPolicy {
    let workloads: [String]
    let path = Place.temporary("policy.yaml")

    /// - Parameters:
    ///   - cooldown: with none, each event beyond the threshold is answered with a decision.
    ///   - first: how long the first limit of a hello without a name lasts.
    init(workloads count: Int, mode: String = "enforce", cooldown: String = "4s", first: String = "10m") {
        let run = UInt32.random(in: 0 ... .max)
        workloads = (0..<count).map { "test/w\(run)-\($0)" }
        let targets = workloads.enumerated().map {
            "      - {match: {ports: [\(10_000 + $0.offset)]}, workload: \($0.element), min: 2, max: 30, step: 1, cooldown: \(cooldown), budgetPerHour: 20}"
        }
        write(
            path,
            """
            apiVersion: weir.dev/v1alpha1
            kind: ThrottlePolicy
            metadata: {name: test}
            spec:
              mode: \(mode)
              detections: {missing_sni: {limit: {for: \(first)}}}
              scaleOut:
                window: 5m
                moreThan: 12
                targets:
            \(targets.joined(separator: "\n"))

            """)
    }
}
