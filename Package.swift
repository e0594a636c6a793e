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
        system("Wire", ["CWire"]),
        system("Linux", ["CLinux", "Wire"]),
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
        core("Detection", ["Wire"]),
        core("Messages", ["Wire", "Detection"]),
        core("ControllerCore", ["Wire", "Detection", "Messages"]),
        core("AgentCore", ["Wire", "Detection", "Messages"]),
        core("Spelling"),
        core("Parquet"),
        core("ArchiveCore", ["Detection", "Messages", "Parquet", "Wire"]),

        // Adapters
        adapter("PolicyFile", ["CYAML", "Crypto", "Linux", "Wire", "Detection", "Messages", "Spelling"]),
        adapter("Arguments", ["Wire", "Spelling"]),
        adapter("HTTP", ["CMicrohttpd", "Linux"]),
        adapter("Metrics"),
        adapter("Terminal", ["Wire"]),
        adapter("Log", ["Linux", "Wire", "Messages"]),
        adapter("Pcap", ["CPcap", "Linux", "Wire"]),
        adapter("Fingerprints", ["AgentCore", "Detection", "Crypto", "Wire"]),
        adapter("Kafka", ["CKafka", "Linux", "Messages"]),
        adapter("Spool", ["CSQLite", "Linux"]),
        adapter("JSON", ["CJSON", "Wire", "Detection", "Messages"]),
        adapter("Evidence", ["JSON", "Linux", "Messages"]),
        adapter("GRPC", ["CGRPC"]),
        adapter("Envoy", ["GRPC", "Wire"]),
        adapter("KEDA", ["GRPC"]),
        adapter("Requests", ["CCurl"]),
        adapter("OTLP", ["Messages", "Requests", "Wire"]),
        adapter("Kubernetes", ["ControllerCore", "JSON", "Linux", "Messages", "Requests", "Wire"]),
        adapter("Archive", ["ArchiveCore", "CZstd", "JSON", "Linux", "Messages", "Parquet", "Wire"]),
        adapter("NetPoll", ["CLinux", "Linux"]),
        adapter("Startup", ["Linux", "Messages"]),
        adapter("Probe", ["CQUIC", "CWire", "Detection", "Wire"]),
        adapter("BPF", ["CBPF", "CProbe", "Linux", "Probe", "Wire"]),

        // Programs
        program("weir-agent", ["AgentCore", "Arguments", "BPF", "Detection", "Evidence", "Fingerprints", "HTTP", "JSON", "Kafka", "Linux", "Log", "Messages", "Metrics", "NetPoll",
                               "PolicyFile", "Probe", "Spool", "Startup", "Wire"]),
        program("weir-controller", ["Startup", "Wire", "Linux", "Detection", "Messages", "ControllerCore", "Kafka", "JSON", "PolicyFile", "Arguments", "HTTP", "Metrics", "Log", "GRPC", "Envoy", "KEDA", "Kubernetes", "OTLP"]),
        program("weir-archive", ["Archive", "ArchiveCore", "Arguments", "HTTP", "JSON", "Kafka", "Linux", "Log", "Messages", "Metrics",
                                 "Wire"]),

        program("weir", ["AgentCore", "Archive", "ArchiveCore", "Arguments", "BPF", "CDemonstration", "ControllerCore", "Detection", "Evidence", "Fingerprints", "HTTP", "JSON", "Kafka", "Linux", "Messages", "Pcap",
                         "PolicyFile", "Probe", "Spelling", "Terminal", "Wire"]),

        .target(name: "Simulation", dependencies: ["AgentCore", "ControllerCore", "Detection", "Messages", "Probe", "Support", "Wire"],
            path: "Sources/Programs/Simulation", swiftSettings: strict),
        program("weir-sim", ["Linux", "Log", "Simulation"]),

        c("CSender", path: "bench/CSender"),
        .executableTarget(name: "weir-bench", dependencies: ["Archive", "ArchiveCore", "BPF", "CPcap", "CSender", "ControllerCore", "Detection", "Envoy", "HTTP", "JSON", "Kafka", "Linux", "Messages", "Pcap", "Probe", "Support", "Terminal", "Wire"], path: "bench", exclude: ["archive.py", "cluster.py", "envoy.py", "events.py", "goodput.py", "lab.py", "CSender"],
                          swiftSettings: strict),

        // Tests
        .target(name: "Support", dependencies: ["BPF", "Linux", "Probe", "Wire"], path: "Tests/Support"),
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .target(name: "CTrial", dependencies: ["CLinux"], path: "Tests/CTrial"),
        tests("HotPathTests", ["AgentCore", "BPF", "CAllocationCounter", "Detection", "Fingerprints", "Linux", "Messages", "NetPoll",
            "Probe", "Startup", "Support", "Wire", "weir-agent"]),
        tests("EndToEndTests", ["JSON", "Linux", "Wire", "weir", "weir-agent", "weir-controller"],
              exclude: ["accounts.py", "witness.py", "stage.py", "interfaces.py", "privilege.py", "secure.py"]),
        tests("AttackTests", ["JSON", "Linux", "Wire", "weir-agent"],
              exclude: ["answers.py", "attack.py", "balanced.py", "cuts.py", "datagrams.py", "decoys.py", "flood.py", "forgers.py", "hellos.py", "honest.py", "mixed.py", "network.py", "openings.py", "pump.py", "quic.py", "quic_peers.py", "server.py",
                        "stage.py", "wire.py", "witness.py"]),
        c("CFlow", ["CWire"], path: "fuzz/flow"),
        tests("FuzzTests", ["Archive", "CFlow", "Detection", "Fingerprints", "GRPC", "JSON", "Messages", "Parquet",
                            "Pcap", "PolicyFile", "Support", "Wire"]),
        tests("ParityTests", ["Detection", "JSON", "Linux", "Pcap", "Probe", "Support", "Wire"]),
        tests("ReplayTests", ["Detection", "JSON", "Linux", "Support", "Wire", "weir"]),
        tests("AgentCoreTests", ["AgentCore", "ControllerCore", "Detection", "Messages", "Wire"]),
        tests("LinuxTests", ["CTrial", "Linux"]),
        tests("TidyTests", ["Linux"], exclude: ["tidy.py", "exceptions.tsv"]),
        tests("WireTests", ["CWire", "Linux", "Wire"]),
        tests("KafkaTests", ["CKafka", "Kafka", "Messages"]),
        tests("EvidenceTests", ["Detection", "Evidence", "Linux", "Messages", "Pcap", "Probe", "Support", "Wire"]),
        tests("NetPollTests", ["Kafka", "Messages", "NetPoll"]),
        tests("ControllerCoreTests", ["ControllerCore", "Messages", "Detection", "Wire"]),
        tests("IntegrationTests", ["CKafka", "Kafka", "JSON", "PolicyFile", "ControllerCore", "Messages", "Detection", "Wire", "weir", "weir-archive", "weir-controller"]),
        tests("EnvoyTests", ["JSON", "Linux", "weir", "weir-controller"], exclude: ["stage.py"]),
        tests("ManifestTests", ["Kafka", "Linux", "Messages", "Wire", "weir", "weir-agent", "weir-archive", "weir-controller"],
              exclude: ["check.py", "licences.py", "metrics.py"]),
        tests("KubernetesTests", ["JSON", "Linux", "weir", "weir-controller"], exclude: ["stage.py", "api.py"]),
        tests("EdgeTests", ["Envoy", "GRPC", "Wire"]),
        tests("MessagesTests", ["Messages", "JSON", "Detection", "Wire"]),
        tests("SimulationTests", ["Simulation"]),
        tests("SpellingTests", ["Spelling"]),
        tests("SpoolTests", ["Spool"]),
        tests("ArchiveTests", ["Archive", "ArchiveCore", "Detection", "Kafka", "Linux", "Messages", "Parquet", "Wire", "weir"]),
        tests("StartupTests", ["Startup", "weir", "weir-controller"], exclude: ["trace.py"]),
        tests("PolicyFileTests", ["PolicyFile", "Detection", "Wire"]),
        tests("ArgumentsTests", ["Arguments", "Linux", "Wire"]),
        tests("HTTPTests", ["HTTP"]),
        tests("LogTests", ["Linux", "Log"]),
        tests("MetricsTests", ["Metrics"]),
        tests("DetectionTests", ["Detection", "Wire"]),
        tests("FingerprintsTests", ["Fingerprints", "Detection", "Support"]),
        tests("PcapTests", ["Pcap", "Wire"]),
        tests("TerminalTests", ["Terminal"]),
        tests("FixtureTests", ["Pcap", "Detection", "Fingerprints"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
