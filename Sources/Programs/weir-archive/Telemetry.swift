internal import Archive
internal import ArchiveCore
internal import Front
internal import HTTP
internal import Linux
internal import Log
internal import Metrics

/// What the writer shows: metrics, health, and log lines that a flood cannot multiply.
final class Telemetry {
    let metrics = Metrics()
    var malformed = 0, passedOver = 0, madeAnew = 0, tableFailures = 0
    var malformedLog = LimitedLog(interval: 60_000_000_000)
    /// By what could not be done: tending the table does not hide that nothing is committed.
    private var tableLogs: [String: LimitedLog] = [:]

    func failed(_ error: TableError, _ what: String, _ log: Log) {
        tableFailures += 1
        tableLogs[what, default: LimitedLog(interval: 60_000_000_000)].write(log, .error, "\(what): \(error)", [])
    }

    func committed(seconds: Double) { metrics.observe(seconds, in: commits) }

    func flush(_ log: Log) {
        malformedLog.flush(log)
        for what in tableLogs.keys { tableLogs[what]?.flush(log) }
    }

    private lazy var commits = metrics.histogram(
        "weir_archive_commit_seconds", "What a commit took, with the files in it.", bounds: [0.01, 0.03, 0.1, 0.3, 1, 3, 10])
    private lazy var records = ["written", "covered", "malformed"].map {
        metrics.counter(
            "weir_archive_records_total", "Records of the topics, by what became of them; covered ones were in the table already.",
            labels: [("outcome", $0)])
    }
    private lazy var files = ["written", "compacted", "expired", "deleted"].map {
        metrics.counter("weir_archive_files_total", "Files of the table, by what was done with them.", labels: [("what", $0)])
    }
    private lazy var bytes = metrics.counter("weir_archive_bytes_total", "Bytes of files that were written from records.")
    private lazy var failures = [
        "commit_lost", "table", "kafka", "broker_loss", "topic_made_anew", "place_refused", "log_dropped", "http_evicted"
    ]
    .map { metrics.counter("weir_archive_failures_total", "What went wrong and was survived.", labels: [("what", $0)]) }
    private static let levels: [(name: String, help: String)] = [
        ("files", "Files of the table."), ("version", "The table's version."), ("waiting", "Rows that wait for the next commit."),
        ("partitions", "Partitions of the topics that this replica has."), ("broker_up", "1 while Kafka answers.")
    ]
    private lazy var gauges = Self.levels.map { metrics.gauge("weir_archive_\($0.name)", $0.help) }

    func set(_ counts: Archive.Counts, _ broker: BrokerState, failures others: [Int], gauges values: [Int]) {
        _ = commits
        let numbers = zip(records, [counts.rows, counts.covered + passedOver, malformed])
        let more = zip(files, [counts.files, counts.compacted, counts.expired, counts.deleted])
        let wrong = zip(failures, [counts.lost, tableFailures, broker.failures, broker.losses, madeAnew] + others)
        for (counter, number) in Array(numbers) + Array(more) + Array(wrong) { metrics.set(counter, to: UInt64(clamping: number)) }
        metrics.set(bytes, to: UInt64(clamping: counts.bytes))
        for (gauge, value) in zip(gauges, values) { metrics.set(gauge, to: Double(value)) }
    }
}

extension Service: Pages {
    var unready: String? {
        switch state {
        case _ where !broker.isUp: "Kafka does not answer"
        case .idle: "no partition is assigned to it"
        case .given: "finding where to begin"
        case .reading: nil
        }
    }

    func metricsPage() -> [UInt8] {
        var count = 0
        if case .reading(let partitions) = state { count = partitions.count }
        telemetry.set(
            archive.counts, broker, failures: [places.refused, log.dropped, web.counts.evicted],
            gauges: [
                archive.table.snapshot.files.count, Int(archive.table.snapshot.version), batch.rows.count, count,
                broker.isUp ? 1 : 0
            ])
        return telemetry.metrics.render()
    }
}
