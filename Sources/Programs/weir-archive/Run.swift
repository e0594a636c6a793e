internal import ArchiveCore
internal import Arguments
internal import Glibc
internal import HTTP
internal import Kafka
internal import Linux
internal import Log

let version = "0.1.0"

/// What the archive's writer is started with: checked, and nothing opened yet.
struct Settings {
    let folder: String
    let kafka: KafkaConfiguration
    let listen: Endpoint
    let cluster: String
    let rules: [Places.Rule]
    let interval: Duration
    let keep: Duration
}

/// Why the program does not start, in one line.
struct Refusal: Error, CustomStringConvertible {
    let description: String
    let code: CInt
}

/// Exit codes: 0 well, 2 wrong use or input, 3 this machine cannot.
func run() {
    let arguments: Arguments
    do {
        switch try Command.archive.parse(Array(CommandLine.arguments.dropFirst()), version: version) {
        case .show(let text): return print(text, terminator: "")
        case .run(let parsed): arguments = parsed
        }
    } catch { refuse("\(error)", code: 2) }
    keepFilesPrivate()
    let log = Log(program: "weir-archive", format: arguments.text("log") == "json" ? .json : .text)
    do {
        let signals = try Signals([Signals.terminate, Signals.interrupt])
        let settings = try settings(arguments), service = try Service(settings, log: log)
        log.write(
            .info, "started",
            [
                ("version", version), ("kafka", settings.kafka.value(of: "bootstrap.servers") ?? ""), ("archive", settings.folder),
                ("cluster", settings.cluster), ("keep", arguments.text("keep") ?? ""), ("listen", "\(settings.listen.host):\(service.port)")
            ])
        // All threads are there by now; whichever comes later inherits it.
        do throws(Errno) { try SystemCalls.keep(.controller) } catch { log.write(.warning, "system calls are not filtered: \(error)") }
        service.run(until: signals)
    } catch let error as Refusal { refuse(error.description, code: error.code) } catch { refuse("weir-archive: \(error)", code: 2) }
}

private func settings(_ arguments: Arguments) throws -> Settings {
    guard let folder = arguments.text("archive") else {
        throw Refusal(description: "weir-archive: --archive DIR is missing: where the table is, or is to be made", code: 2)
    }
    let cluster = arguments.text("cluster")!
    guard Places.clean(cluster) == cluster else {
        throw Refusal(
            description: "weir-archive: --cluster `\(cluster)`: a place has lower-case letters, digits, -, . and _, at most 63, such as "
                + "`\(Places.clean(cluster))`", code: 2)
    }
    let rules = try arguments.texts("place").map { text in
        guard let rule = Places.Rule(text) else {
            throw Refusal(
                description:
                    "weir-archive: --place `\(text)`: PATTERN=PLACE is expected, such as eu-*=eu, or *=* for a place for each node",
                code: 2)
        }
        return rule
    }
    return Settings(
        folder: folder, kafka: try kafkaConfiguration(arguments), listen: arguments.endpoint("listen")!, cluster: cluster, rules: rules,
        interval: arguments.duration("every")!, keep: arguments.duration("keep")!)
}

private func kafkaConfiguration(_ arguments: Arguments) throws -> KafkaConfiguration {
    var kafka =
        try arguments.text("kafka").map { bootstrap throws(KafkaConfiguration.Problem) in try KafkaConfiguration(bootstrap: bootstrap) }
        ?? KafkaConfiguration()
    if let file = arguments.text("kafka-config") { try kafka.load(file) }
    guard kafka.value(of: "bootstrap.servers") != nil else {
        throw Refusal(
            description: "weir-archive: no broker: --kafka HOST:PORT is wanted, or bootstrap.servers in the file of --kafka-config", code: 2
        )
    }
    return kafka
}

private func refuse(_ message: String, code: CInt) -> Never {
    Log.lastWords(message)
    exit(code)
}
