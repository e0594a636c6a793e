// swift-tools-version: 6.3
import PackageDescription

// Four floors: a target depends only on floors below its own (ARCHITECTURE.md). The build checks it.

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// A C library of the distribution, as it is.
func library(_ name: String, pkgConfig: String? = nil) -> Target {
    .systemLibrary(name: name, path: "Sources/System/\(name)", pkgConfig: pkgConfig)
}

/// Our own C, small, where Swift cannot go.
func c(_ name: String, _ dependencies: [Target.Dependency] = [], path: String? = nil, linked: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: path ?? "Sources/System/\(name)",
            linkerSettings: linked.map { .linkedLibrary($0) })
}

func system(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/System/\(name)", swiftSettings: strict)
}

func core(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/Core/\(name)", swiftSettings: strict)
}

func adapter(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/Adapters/\(name)", swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: "Sources/Programs/\(name)", swiftSettings: strict)
}

/// What several programs are made of.
func part(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/Programs/\(name)", swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: exclude, swiftSettings: [.treatAllWarnings(as: .error)])
}

let package = Package(
    name: "weir",
    targets: [
        // System
        c("CWire", path: "bpf/shared"),
        c("CLinux"),
        c("CProbe"),
        c("CDemonstration"),
        library("CBPF", pkgConfig: "libbpf"),
        system("Units"),
        system("Vocabulary"),
        system("Wire", ["CWire", "Units", "Vocabulary"]),
        system("Linux", ["CLinux", "Units", "Vocabulary"]),
        library("CKafka", pkgConfig: "rdkafka"),
        c("CJSON", linked: ["simdjson"]),
        library("CYAML"),
        library("CCrypto"),
        c("CQUIC", ["CWire"], linked: ["crypto"]),
        library("CMicrohttpd"),
        library("CPcap"),
        library("CSQLite"),
        system("Crypto", ["CCrypto"]),
        library("CGRPC"),
        library("CCurl"),
        library("CZstd"),

        // Core
        core("Detection", ["Units", "Vocabulary"]),
        core("Messages", ["Units", "Vocabulary", "Detection"]),
        core("ControllerCore", ["Units", "Vocabulary", "Detection", "Messages"]),
        core("AgentCore", ["Units", "Vocabulary", "Wire", "Detection", "Messages"]),
        core("Rollout", ["Messages", "Units"]),
        core("Spelling"),
        core("Parquet"),
        core("ArchiveCore", ["Detection", "Messages", "Parquet", "Units", "Vocabulary"]),

        // Adapters
        adapter("PolicyFile", ["CYAML", "Crypto", "Linux", "Units", "Vocabulary", "Detection", "Messages", "Spelling"]),
        adapter("Arguments", ["Units", "Spelling"]),
        adapter("HTTP", ["CMicrohttpd", "Linux"]),
        adapter("Metrics"),
        adapter("Terminal", ["Units"]),
        adapter("Log", ["Linux", "Units", "Messages"]),
        adapter("Pcap", ["CPcap", "Linux", "Units"]),
        adapter("Fingerprints", ["AgentCore", "Detection", "Crypto", "Units", "Vocabulary", "Wire"]),
        adapter("Kafka", ["CKafka", "Linux", "Messages"]),
        adapter("Spool", ["CSQLite", "Linux"]),
        adapter("JSON", ["CJSON", "Units", "Vocabulary", "Detection", "Messages"]),
        adapter("Bundles", ["Crypto", "Detection", "JSON", "Linux", "Messages", "PolicyFile", "Rollout", "Units"]),
        adapter("Evidence", ["JSON", "Linux", "Messages", "Units"]),
        adapter("History", ["Detection", "Linux"]),
        adapter("GRPC", ["CGRPC"]),
        adapter("Envoy", ["GRPC", "Units", "Vocabulary"]),
        adapter("KEDA", ["GRPC"]),
        adapter("Requests", ["CCurl"]),
        adapter("OTLP", ["Messages", "Requests", "Units", "Vocabulary"]),
        adapter("Kubernetes", ["ControllerCore", "JSON", "Linux", "Messages", "Requests", "Units", "Vocabulary"]),
        adapter("Archive", ["ArchiveCore", "CZstd", "JSON", "Linux", "Messages", "Parquet", "Units", "Vocabulary"]),
        adapter("NetPoll", ["CLinux", "Linux"]),
        adapter("Startup", ["Linux", "Messages"]),
        adapter("Probe", ["CQUIC", "CWire", "Detection", "Units", "Vocabulary", "Wire"]),
        adapter("BPF", ["CBPF", "CProbe", "Linux", "Probe", "Units", "Vocabulary", "Wire"]),

        // Programs
        part("Commands", ["Arguments", "Detection", "Log"]),
        part("WeirCommands", ["ArchiveCore", "Arguments", "Commands", "Messages", "Units", "Vocabulary"]),
        part("Front", ["Arguments", "Commands", "HTTP", "Kafka", "Linux", "Log", "Metrics", "Startup"]),
        program("weir-agent", [
            "AgentCore", "Arguments", "BPF", "Bundles", "Commands", "Detection", "Evidence", "Fingerprints", "Front", "History", "HTTP",
            "JSON", "Kafka", "Linux", "Log", "Messages", "Metrics", "NetPoll", "PolicyFile", "Probe", "Rollout", "Spool", "Startup",
            "Units", "Vocabulary", "Wire"
        ]),
        program("weir-controller", [
            "Arguments", "Commands", "ControllerCore", "Detection", "Envoy", "Front", "GRPC", "HTTP", "JSON", "Kafka", "KEDA",
            "Kubernetes", "Linux", "Log", "Messages", "Metrics", "OTLP", "PolicyFile", "Startup", "Units", "Vocabulary"
        ]),
        program("weir-archive", [
            "Archive", "ArchiveCore", "Arguments", "Commands", "Front", "JSON", "Kafka", "Linux", "Log", "Messages", "Metrics",
            "Units"]),

        program("weir", [
            "AgentCore", "Archive", "ArchiveCore", "Arguments", "BPF", "Bundles", "CDemonstration", "Commands", "ControllerCore",
            "Detection", "Evidence", "Fingerprints", "Front", "History", "HTTP", "JSON", "Kafka", "Linux", "Messages", "Pcap", "PolicyFile",
            "Probe", "Rollout", "Spelling", "Terminal", "WeirCommands", "Units", "Vocabulary", "Wire"
        ]),

        part("Simulation", ["AgentCore", "ControllerCore", "Detection", "Messages", "Probe", "Support", "Units", "Vocabulary", "Wire"]),
        program("weir-sim", ["Linux", "Log", "Simulation"]),

        c("CSender", path: "bench/CSender"),
        c("CVisits", path: "bench/CVisits", linked: ["ssl", "crypto"]),
        .executableTarget(name: "weir-bench", dependencies: ["Archive", "ArchiveCore", "BPF", "Bundles", "CPcap", "CSender", "CVisits", "ControllerCore", "Detection", "Envoy", "HTTP", "History", "JSON", "Kafka", "Linux", "Messages", "Pcap", "Probe", "Rollout", "Support", "Terminal", "Units", "Vocabulary", "Wire"], path: "bench", exclude: ["archive.py", "cluster.py", "envoy.py", "events.py", "goodput.py", "honest.py", "lab.py", "CSender", "CVisits"],
                          swiftSettings: strict),

        // Tests
        .target(name: "Support", dependencies: ["BPF", "Linux", "Probe", "Units", "Vocabulary", "Wire"], path: "Tests/Support"),
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .target(name: "CTrial", dependencies: ["CLinux"], path: "Tests/CTrial"),
        tests("HotPathTests", ["AgentCore", "BPF", "CAllocationCounter", "Detection", "Fingerprints", "History", "Linux", "Messages",
            "NetPoll",
            "Probe", "Startup", "Support", "Units", "Vocabulary", "Wire", "weir-agent"]),
        tests("EndToEndTests", ["JSON", "Linux", "Units", "weir", "weir-agent", "weir-controller"],
              exclude: ["accounts.py", "bundles.py", "witness.py", "stage.py", "interfaces.py", "privilege.py", "rewind.py", "secure.py"]),
        tests("AttackTests", ["JSON", "Linux", "Vocabulary", "weir-agent"],
              exclude: ["answers.py", "attack.py", "balanced.py", "cuts.py", "datagrams.py", "decoys.py", "flood.py", "forgers.py", "hellos.py", "honest.py", "hunt.py", "mixed.py", "network.py", "openings.py", "crowd.py", "quic.py", "quic_peers.py", "server.py",
                        "stage.py", "wire.py", "witness.py"]),
        c("CFlow", ["CWire"], path: "fuzz/flow"),
        tests("FuzzTests", ["Archive", "Bundles", "CFlow", "Detection", "Fingerprints", "GRPC", "JSON", "Messages", "Parquet",
                            "Pcap", "PolicyFile", "Rollout", "Support", "Units", "Vocabulary"]),
        tests("ParityTests", ["Detection", "JSON", "Linux", "Pcap", "Probe", "Support", "Units", "Vocabulary", "Wire"]),
        tests("ReplayTests", ["Detection", "JSON", "Linux", "Support", "Units", "Vocabulary", "Wire", "weir"]),
        tests("AgentCoreTests", ["AgentCore", "ControllerCore", "Detection", "Messages", "Units", "Vocabulary", "Wire"]),
        tests("LinuxTests", ["CTrial", "Linux"]),
        tests("TidyTests", ["Linux"], exclude: ["tidy.py", "exceptions.tsv"]),
        tests("WireTests", ["CWire", "Linux", "Units", "Vocabulary", "Wire"]),
        tests("KafkaTests", ["CKafka", "Kafka", "Messages"]),
        tests("EvidenceTests", ["Detection", "Evidence", "Linux", "Messages", "Pcap", "Probe", "Support", "Units", "Vocabulary", "Wire"]),
        tests("HistoryTests", ["AgentCore", "Detection", "Evidence", "Fingerprints", "History", "JSON", "Linux", "Messages", "PolicyFile",
                               "Probe", "Support", "Units", "Vocabulary", "Wire", "weir"]),
        tests("NetPollTests", ["Kafka", "Messages", "NetPoll"]),
        tests("ControllerCoreTests", ["ControllerCore", "Messages", "Detection", "Units", "Vocabulary"]),
        tests("IntegrationTests", ["CKafka", "Kafka", "JSON", "PolicyFile", "ControllerCore", "Messages", "Detection", "Units", "Vocabulary", "weir", "weir-archive", "weir-controller"]),
        tests("EnvoyTests", ["JSON", "Linux", "weir", "weir-controller"], exclude: ["stage.py"]),
        tests("ManifestTests", ["Kafka", "Linux", "Messages", "Vocabulary", "weir", "weir-agent", "weir-archive", "weir-controller"],
              exclude: ["check.py", "licences.py", "metrics.py"]),
        tests("KubernetesTests", ["JSON", "Linux", "weir", "weir-controller"], exclude: ["stage.py", "api.py"]),
        tests("EdgeTests", ["Envoy", "GRPC", "Units", "Vocabulary"]),
        tests("MessagesTests", ["Messages", "JSON", "Detection", "Units", "Vocabulary"]),
        tests("SimulationTests", ["Simulation"]),
        tests("SpellingTests", ["Spelling"]),
        tests("SpoolTests", ["Spool"]),
        tests("ArchiveTests", ["Archive", "ArchiveCore", "Detection", "Kafka", "Linux",
                               "Messages", "Parquet", "Units", "Vocabulary", "weir"]),
        tests("StartupTests", ["Startup", "weir", "weir-controller"], exclude: ["trace.py"]),
        tests("BundlesTests", ["Bundles", "Crypto", "Linux", "Messages", "Rollout", "Units"]),
        tests("PolicyFileTests", ["PolicyFile", "Detection", "Units", "Vocabulary"]),
        tests("ArgumentsTests", ["Arguments", "Commands", "Linux", "WeirCommands", "Units", "Vocabulary"]),
        tests("HTTPTests", ["HTTP"]),
        tests("FrontTests", ["Arguments", "Commands", "Front", "HTTP", "Kafka", "Linux"]),
        tests("LogTests", ["Linux", "Log", "Units"]),
        tests("MetricsTests", ["Metrics"]),
        tests("DetectionTests", ["Detection", "Units", "Vocabulary"]),
        tests("FingerprintsTests", ["Fingerprints", "Detection", "Support"]),
        tests("PcapTests", ["Pcap", "Units"]),
        tests("TerminalTests", ["Terminal"]),
        tests("FixtureTests", ["Pcap", "Detection", "Fingerprints"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
