import Glibc
import JSON
import Testing

private let hasKafka = getenv("WEIR_KAFKA_DISTRIBUTION").map { access("\(String(cString: $0))/libs", R_OK) == 0 } ?? false

/// A real Apache Kafka with TLS, passwords, and the permissions of manifests/kafka/users.yaml.
@Suite(.serialized, .enabled(if: isRoot && hasKafka, "needs root, and an Apache Kafka in WEIR_KAFKA_DISTRIBUTION"))
struct SecureTests {
    /// RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, and 0 for what is allowed.
    private static let refused = 29, done = 0

    @Test("Agent and controller meet over TLS, by certificate and password, and each user of users.yaml can do what it needs and no more")
    func secured() throws {
        try play("secured", of: "secure.py") { seen throws(JSONError) in
            #expect(try seen.strings("allowed") == [], "the broker took every permission")
            #expect(try seen.integer("succeeded") == 3)
            #expect(
                try seen.strings("agent_threads").allSatisfy { $0.hasPrefix("Uid=65534,") },
                "the agent is nobody, and its secrets are root's")
            #expect(
                try seen.strings("controller_threads").allSatisfy { $0.hasSuffix("NoNewPrivs=1 Seccomp=2") },
                "gRPC's and Kafka's threads as well")
            #expect(try seen.integer("delivered") > 0)
            let agent = try seen.string("agent"), controller = try seen.string("controller"), doctor = try seen.string("doctor")
            #expect(!agent.contains("refuses") && !controller.contains("refuses"), "\(agent)\(controller)")
            #expect(doctor.contains("✓ topics") && doctor.contains("they are there, and the limits can be read"), "\(doctor)")
            let liar = try seen.string("liar")
            #expect(liar.lowercased().contains("authorization failed"), "\(liar)")
            let strangers = try seen.strings("strangers")
            #expect(strangers.first?.contains("the broker refuses this client's certificate") == true, "\(strangers)")
            #expect(strangers.last?.contains("check sasl.username, sasl.password") == true, "\(strangers)")
            let (refused, done) = (Self.refused, Self.done)
            // What each may write and read.
            typealias Two = (Int, Int)
            let expected: [(user: String, events: Two, limits: Two, decisions: Two, nodes: Two, policies: Two)] = [
                ("weir-agent", (done, refused), (refused, done), (refused, refused), (done, done), (refused, done)),
                ("weir-controller", (refused, done), (done, done), (done, done), (refused, refused), (refused, refused)),
                ("weir-operator", (refused, done), (done, done), (refused, done), (refused, done), (done, done)),
                ("weir-archive", (refused, done), (refused, done), (refused, done), (refused, refused), (refused, refused)),
                ("weir-autoscaler", (refused, refused), (refused, refused), (refused, done), (refused, refused), (refused, refused))
            ]
            let lines = expected.flatMap { user in
                [
                    ("throttle-events", user.events), ("throttle-limits", user.limits), ("scale-decisions", user.decisions),
                    ("throttle-nodes", user.nodes), ("throttle-policies", user.policies)
                ]
                .map { "\(user.user) security-\($0.0) \($0.1.0) \($0.1.1)" }
            }
            #expect(try seen.strings("trials") == lines)
            // RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, for each of them.
            #expect(try seen.strings("administrators") == ["31", "31", "31", "31", "31"])
            #expect(try seen.integer("code") == 0)
            #expect(try seen.integer("controller_code") == 0)
        }
    }
}
