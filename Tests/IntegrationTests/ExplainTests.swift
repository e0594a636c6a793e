import Kafka
import Messages
import Testing
import Units

@Suite(.serialized, .timeLimit(.minutes(3))) struct ExplainTests {
    @Test(
        "Why a source is limited, from the three topics: what holds, on what evidence, what was decided; and one detection's way by its trace",
        arguments: BrokerKind.availableAndEmpty.filter { $0 != .apache })
    func explained(kind: BrokerKind) throws {
        let broker = try Broker(kind), producer = try KafkaProducer(try broker.configuration(), name: "weir-test"),
            policy = TestPolicy(workloads: 1, first: "1h")
        let attacker = Source(attacking: policy.workloads[0]), other = Source(attacking: policy.workloads[0])
        let controller = try ControllerProcess(broker, policy: policy.path), group = try Group(broker)
        try #require(eventually { controller.isReady })
        let start = Instant.now - .seconds(20), end = start + .seconds(3600)
        #expect(
            try producer.deliver(
                (0..<14).map { attacker.event($0, at: start + .seconds($0), until: end) } + [other.event(0, at: start, until: end)]))
        try #require(eventually { group.hasAnsweredEverything }, "\(controller.process.output)")
        func weir(_ words: String..., code: CInt = 0) throws -> [String] {
            let process = try Process(["\(Place.programs)/weir"] + words + ["--kafka", broker.bootstrap], log: Place.temporary("explain"))
            #expect(process.wait() == code, "\(process.output)")
            return process.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        }

        let told = try weir("explain", "\(attacker.prefix.address)")
        #expect(
            told[0].hasPrefix("\(attacker.prefix) is limited: anomalous handshakes, 3 in any second, answered by reset, for another 59m ")
                && told[0].hasSuffix(" (by controller, step 0)"), "\(told[0])")
        #expect(
            told[1].hasPrefix("seen: 70 anomalous hellos in 14 events of 1 node within 13s, the last ")
                && told[1].hasSuffix(" ago: missing_sni; 28 reset, 0 dropped"), "\(told[1])")
        #expect(told[2] == "last: to 0.0.0.1 port 0 (\(policy.workloads[0]))")
        func rows(_ lines: [String], _ word: String) -> [String] {
            lines.filter { $0.split(separator: " ").dropFirst().first == word[...] }
        }
        #expect(
            rows(told, "limited").count == 1 && rows(told, "already_limited").count == 13 && rows(told, "anomalous").count == 1, "\(told)")
        #expect(
            rows(told, "scale").count == 1
                && rows(told, "scale")[0].contains("\(policy.workloads[0])  2 → 3 (enforce): 13 events in 5m, more than 12"), "\(told)")

        let block = Prefix(attacker.prefix.address, length: 120)
        #expect(try weir("limits", "release", "\(attacker.prefix)") == ["\(attacker.prefix): released (anomalous)", ""])
        let after = try weir("explain", "\(block)", "--all")
        #expect(
            after.contains {
                $0.hasPrefix("\(attacker.prefix) is released by the operator (anomalous), whatever a controller says, for another 59m ")
            }, "\(after)")
        #expect(
            rows(after, "released").count == 1 && rows(after, "limited").count == 1, "a block is what lies in it, and nobody else: \(after)"
        )

        let trace = try weir("trace", "4bf92f3577b34da6a3ce929d0e0e4736", "--format", "json")
        // Both sources' events, their limits, the release, the decision.
        #expect(trace.filter { $0.contains("weir.dev/throttle-event/v1") }.count == 15)
        #expect(
            trace.filter { $0.contains("weir.dev/limit/v1") }.count == 3
                && trace.filter { $0.contains("weir.dev/scale-decision/v1") }.count == 1)
        #expect(
            try weir("explain", "192.0.2.1", code: 1) == ["weir: nothing is known of 192.0.2.1/32: no event, no limit, no decision", ""])
        #expect(try weir("trace", String(repeating: "0", count: 32), code: 1)[0].hasPrefix("weir: no record bears the trace 0000"))
        #expect(try weir("trace", "4bf9", code: 2)[0].hasPrefix("weir: trace: `4bf9`: a trace id is 32 lowercase hexadecimal digits"))
        #expect(controller.process.terminate().code == 0)
    }
}
