import Glibc

/// weir-controller as a process, with files of its own.
final class ControllerProcess {
    let process: Process
    let port: Int

    /// - Parameter replica: its number in a group of several; one that is alone is let in at once where another was killed.
    init(_ broker: Broker, policy: String, log: String = Place.temporary("log"), replica: Int? = nil, arguments: [String] = []) throws {
        let configuration = Place.temporary("kafka.conf")
        write(configuration, replica.map { broker.properties(ofReplica: $0) } ?? broker.properties)
        port = Place.freePort()
        process = try Process(
            [
                "\(Place.programs)/weir-controller", "--kafka", broker.bootstrap, "--kafka-config", configuration, "--policy", policy,
                "--listen", "127.0.0.1:\(port)", "--grpc", "127.0.0.1:0"
            ] + arguments, log: log)
    }

    /// The body of a page, by way of a client that is not ours; `nil` when it does not answer 200.
    func page(_ path: String) -> String? {
        let file = Place.temporary("page")
        defer { unlink(file) }
        return system("curl -sf -m 2 -o \(file) http://127.0.0.1:\(port)\(path)") == 0 ? read(file) : nil
    }

    /// Events that this life answered itself.
    var answered: Int {
        guard let considered = metric("weir_controller_events_total{outcome=\"considered\"}"),
            let replayed = metric("weir_controller_events_total{outcome=\"replayed\"}")
        else { return 0 }
        return considered - replayed
    }

    /// How many partitions of the events it answers.
    var partitions: Int { metric("weir_controller_partitions") ?? 0 }

    /// Where it answers Envoys and KEDA: the kernel has chosen the port, and the controller says which.
    var grpcPort: String? {
        process.output.split(separator: "\n").first { $0.contains(": started ") }?.split(separator: ":").last.map(String.init)
    }

    /// What /readyz says, whatever its status.
    var reason: String {
        let file = Place.temporary("page")
        defer { unlink(file) }
        return system("curl -s -m 2 -o \(file) http://127.0.0.1:\(port)/readyz") == 0 ? read(file) : ""
    }

    var isReady: Bool { page("/readyz") == "ok\n" }
    func metric(_ line: String) -> Int? {
        page("/metrics")?.split(separator: "\n").first { $0.hasPrefix("\(line) ") }.flatMap { Int($0.dropFirst(line.utf8.count + 1)) }
    }
}
