internal import ArchiveCore
internal import Arguments
internal import Commands
internal import Front
internal import Kafka
internal import Linux
internal import Log
internal import Units

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

func run() {
    Program(archiveCommand).serve([Signals.terminate, Signals.interrupt]) { begun in
        let settings = try settings(begun.arguments), log = begun.log, service = try Service(settings, log: log)
        log.write(
            .info, "started",
            [
                ("version", version), ("kafka", settings.kafka.value(of: "bootstrap.servers") ?? ""), ("archive", settings.folder),
                ("cluster", settings.cluster), ("keep", settings.keep.text),
                ("listen", "\(settings.listen.host):\(service.web.port)")
            ])
        filterSystemCalls(.controller, log)
        service.run(until: begun.signals)
    }
}

private func settings(_ arguments: Arguments<ArchiveOptions>) throws -> Settings {
    guard let folder = arguments.archive else {
        throw Refusal.wrong("--archive DIR is missing: where the table is, or is to be made")
    }
    let cluster = arguments.cluster
    guard Places.clean(cluster) == cluster else {
        throw Refusal.wrong(
            "--cluster `\(cluster)`: a place has lower-case letters, digits, -, . and _, at most 63, such as "
                + "`\(Places.clean(cluster))`")
    }
    let rules = try arguments.places.map { text in
        guard let rule = Places.Rule(text) else {
            throw Refusal.wrong("--place `\(text)`: PATTERN=PLACE is expected, such as eu-*=eu, or *=* for a place for each node")
        }
        return rule
    }
    return Settings(
        folder: folder, kafka: try brokers(arguments.service.brokers), listen: arguments.service.listen, cluster: cluster, rules: rules,
        interval: arguments.every, keep: arguments.keep)
}
