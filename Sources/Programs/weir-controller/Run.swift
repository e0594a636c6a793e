internal import Arguments
internal import Detection
internal import Glibc
internal import Kafka
internal import Linux
internal import Log
internal import PolicyFile

let version = "0.1.0"

/// Exit codes: 0 well, 2 wrong use or input, 3 this machine cannot.
func run() {
    let arguments: Arguments
    do {
        switch try Command.controller.parse(Array(CommandLine.arguments.dropFirst()), version: version) {
        case .show(let text): return print(text, terminator: "")
        case .run(let parsed): arguments = parsed
        }
    } catch { refuse("\(error)", code: 2) }
    let log = Log(program: "weir-controller", format: arguments.text("log") == "json" ? .json : .text)
    do {
        let signals = try Signals([Signals.terminate, Signals.interrupt, Signals.hangUp])
        let policy = try PolicySource(path: arguments.text("policy"), mode: arguments.text("mode").flatMap { Policy.Mode(rawValue: $0) })
        let kafka = try kafkaConfiguration(arguments)
        let service = try Service(policy: policy, kafka: kafka, listen: arguments.endpoint("listen")!, log: log)
        log.write(.info, "started", [
            ("version", version), ("kafka", kafka.value(of: "bootstrap.servers") ?? ""), ("policy", policy.current.name), ("policy.version", policy.current.version),
            ("mode", policy.current.mode.rawValue), ("listen", "\(arguments.endpoint("listen")!.host):\(service.port)"),
        ])
        service.run(until: signals)
    } catch let error as Refusal { refuse(error.description, code: error.code) } catch { refuse("weir-controller: \(error)", code: 2) }
}

/// Why the program does not start, in one line.
struct Refusal: Error, CustomStringConvertible {
    let description: String
    let code: CInt
}

private func kafkaConfiguration(_ arguments: Arguments) throws -> KafkaConfiguration {
    var kafka = try arguments.text("kafka").map { bootstrap throws(KafkaConfiguration.Problem) in try KafkaConfiguration(bootstrap: bootstrap) } ?? KafkaConfiguration()
    if let file = arguments.text("kafka-config") { try kafka.load(file) }
    guard kafka.value(of: "bootstrap.servers") != nil else {
        throw Refusal(description: "weir-controller: no broker: --kafka HOST:PORT is wanted, or bootstrap.servers in the file of --kafka-config", code: 2)
    }
    return kafka
}

private func refuse(_ message: String, code: CInt) -> Never {
    let line = Array("\(message)\n".utf8)
    unsafe _ = write(2, line, line.count)
    exit(code)
}
