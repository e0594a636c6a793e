import Glibc
import JSON
import Testing

/// What a replica tells an Envoy that asks for the first time, and KEDA.
struct Answer {
    static let canBeAsked = ConditionTrait.enabled(if: access(Place.python, X_OK) == 0, "Python's gRPC is not installed: make deps")

    let sources: [String]
    let wanted: [String]

    /// One line for each replica, by a client that is not ours: equal when every byte is.
    static func of(_ replicas: [ControllerProcess], _ workloads: [String]) -> [String] {
        let lines = output(of: [Place.python, "\(Place.root)/Tests/oracles/ask.py"] + replicas.compactMap(\.grpcPort) + ["--"] + workloads)
        return lines?.split(separator: "\n").filter { $0.hasPrefix("{") }.map(String.init) ?? []
    }

    init(_ line: String) throws {
        var parser = JSONParser()
        let bytes = Array(line.utf8)
        (sources, wanted) = try parser.object(bytes.span.bytes) { answer throws(JSONError) in
            (try answer.strings("sources").sorted(), try answer.strings("wanted"))
        }
    }

    static func desired(_ decision: [UInt8]) throws -> Int {
        var reader = MessageReader()
        return try reader.scaleDecision(decision.span.bytes).desiredReplicas
    }
}
