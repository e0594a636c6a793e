import Glibc
import Metrics
import Testing

private func sample() -> Metrics {
    let metrics = Metrics()
    let seen = metrics.counter("weir_hellos_total", "Handshakes by outcome.\nWith a \\ in its help.", labels: [("outcome", "reset")])
    let passed = metrics.counter("weir_hellos_total", "Handshakes by outcome.\nWith a \\ in its help.", labels: [("outcome", "passed")])
    let limits = metrics.gauge("weir_limits", "Limits in force.")
    let policy = metrics.gauge("weir_policy_info", "The active policy.", labels: [("version", "builtin")])
    let latency = metrics.histogram(
        "weir_decision_seconds", "From seen to decided.", bounds: [0.00001, 0.001, 1], labels: [("node", "a\"b\\c\nd")])
    metrics.add(to: seen)
    metrics.add(41, to: seen)
    metrics.set(passed, to: 7)
    metrics.set(limits, to: 2.5)
    metrics.set(policy, to: 1)
    metrics.relabel(policy, labels: [("version", "sha256:1c9e")])
    for value in [0, 0.0009765625, 0.5, 2] { metrics.observe(value, in: latency) }
    return metrics
}

@Suite struct MetricsTests {
    @Test("The exposition is the text format, to the letter")
    func exposition() {
        #expect(
            String(decoding: sample().render(), as: UTF8.self) == #"""
                # HELP weir_hellos_total Handshakes by outcome.\nWith a \\ in its help.
                # TYPE weir_hellos_total counter
                weir_hellos_total{outcome="reset"} 42
                weir_hellos_total{outcome="passed"} 7
                # HELP weir_limits Limits in force.
                # TYPE weir_limits gauge
                weir_limits 2.5
                # HELP weir_policy_info The active policy.
                # TYPE weir_policy_info gauge
                weir_policy_info{version="sha256:1c9e"} 1
                # HELP weir_decision_seconds From seen to decided.
                # TYPE weir_decision_seconds histogram
                weir_decision_seconds_bucket{node="a\"b\\c\nd",le="1e-05"} 1
                weir_decision_seconds_bucket{node="a\"b\\c\nd",le="0.001"} 2
                weir_decision_seconds_bucket{node="a\"b\\c\nd",le="1"} 3
                weir_decision_seconds_bucket{node="a\"b\\c\nd",le="+Inf"} 4
                weir_decision_seconds_sum{node="a\"b\\c\nd"} 2.5009765625
                weir_decision_seconds_count{node="a\"b\\c\nd"} 4

                """#)
    }

    @Test("promtool has nothing to say against it", .enabled(if: access("/usr/bin/promtool", X_OK) == 0, "promtool is not installed"))
    func promtool() throws {
        let pipe = try #require(popen("/usr/bin/promtool check metrics >&2", "w"))
        let bytes = sample().render()
        #expect(fwrite(bytes, 1, bytes.count, pipe) == bytes.count)
        #expect(pclose(pipe) == 0)
    }

    @Test(
        "What Prometheus spells in its own way is spelled so",
        arguments: [
            (Double.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (0, "0"), (-3, "-3"), (1e20, "1e+20"), (0.1, "0.1")
        ])
    func numbers(value: Double, text: String) {
        let metrics = Metrics()
        metrics.set(metrics.gauge("g", "h"), to: value)
        #expect(String(decoding: metrics.render(), as: UTF8.self).hasSuffix("\ng \(text)\n"))
    }

    @Test("Every observation falls into exactly one bucket, NaN into the last")
    func buckets() {
        let metrics = Metrics()
        let histogram = metrics.histogram("h", "h", bounds: [1, 2])
        for value in [-1, 1, 1.5, 2, 3, Double.nan] { metrics.observe(value, in: histogram) }
        let text = String(decoding: metrics.render(), as: UTF8.self)
        #expect(
            text.contains("le=\"1\"} 2\n") && text.contains("le=\"2\"} 4\n") && text.contains("le=\"+Inf\"} 6\n")
                && text.contains("h_count 6\n"))
    }

    @Test("A name that breaks the format, or comes twice, is our own mistake")
    func names() async {
        await #expect(processExitsWith: .failure) { _ = Metrics().counter("weir_hellos", "no _total") }
        await #expect(processExitsWith: .failure) { _ = Metrics().gauge("weir-limits", "h") }
        await #expect(processExitsWith: .failure) { _ = Metrics().gauge("g", "h", labels: [("a-b", "c")]) }
        await #expect(processExitsWith: .failure) {
            let metrics = Metrics()
            _ = metrics.gauge("g", "h", labels: [("a", "b")])
            _ = metrics.gauge("g", "h", labels: [("a", "b")])
        }
    }
}
