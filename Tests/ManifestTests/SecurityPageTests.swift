import Linux
import Messages
import Testing

/// docs/security.md against what it speaks of.
@Suite struct SecurityPageTests {
    private let page: String
    private let users: String

    init() throws {
        page = try #require(File.read("\(root)/docs/security.md", limit: 1 << 20))
        users = try #require(File.read("\(root)/manifests/kafka/users.yaml", limit: 1 << 20))
    }

    @Test("It says of each user of manifests/kafka/users.yaml what that one could do if it lied, and README leads to it")
    func principals() throws {
        let names = users.matches(of: /kind: KafkaUser\nmetadata: \{name: ([a-z-]+),/).map { String($0.1) }
        #expect(names.sorted() == page.matches(of: /(?m)^\| `(weir-[a-z]+)` \|/).map { String($0.1) }.sorted())
        #expect(try #require(File.read("\(root)/README.md", limit: 1 << 20)).contains("docs/security.md"))
    }

    @Test("Permissions are given for Weir's topics and groups only")
    func topics() {
        let given = Set(users.matches(of: /type: topic, name: ([a-z-]+)/).map { String($0.1) })
        #expect(given == Set(Topic.all.map(\.name)))
    }

    @Test("Files, options and metrics that it names exist")
    func names() throws {
        for path in page.matches(of: /(?:manifests|bpf|docs|Tests)\/[A-Za-z0-9_\/.-]+[a-z]/).map({ String($0.0) }) {
            #expect(File.exists("\(root)/\(path)"), "\(path)")
        }
        let commands = try ["Commands/Services", "Commands/AgentCommand", "Commands/ControllerCommand", "WeirCommands/ReplayCommands"].map {
            try #require(File.read("\(root)/Sources/Programs/\($0).swift", limit: 1 << 20))
        }.joined()
        for option in page.matches(of: /`--([a-z-]+)/).map({ String($0.1) }) { #expect(commands.contains("\"\(option)\""), "--\(option)") }
        let files = [
            "Programs/weir-agent/Node+Status.swift", "Programs/weir-agent/Node+Bundles.swift", "Programs/weir-controller/Telemetry.swift",
            "System/Vocabulary/Counter.swift"
        ]
        let sources = try files.map { try #require(File.read("\(root)/Sources/\($0)", limit: 1 << 20)) }.joined()
        for metric in page.matches(of: /weir_(?:agent|controller)_[a-z_]+/).map({ String($0.0) }) {
            #expect(sources.contains(metric), "\(metric)")
        }
        for counter in page.matches(of: /weir_probe_([a-z_]+)_total/).map({ String($0.1) }) {
            #expect(sources.contains("\"\(counter)\""), "\(counter)")
        }
    }
}
