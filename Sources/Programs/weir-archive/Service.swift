internal import Archive
internal import ArchiveCore
internal import Front
internal import Glibc
internal import JSON
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import Units

/// The archive's loop: records in, commits out, on one thread.
///
/// A life goes: join the group; for the partitions given, begin behind what the table has of them; collect; commit to the table; tell
/// Kafka. Kafka's offsets only show how far it has come: what counts is in the table.
final class Service {
    let log: Log
    let settings: Settings
    var archive: Archive
    var reader = MessageReader()
    let consumer: KafkaConsumer
    let telemetry = Telemetry()
    let broker: BrokerState
    let web: Web

    var state = State.idle
    var reading: [KafkaPartition: Position] = [:]
    /// The last offset of each that the group was told.
    var told: [KafkaPartition: Int64] = [:]
    var batch = ArchiveBatch()
    var places: Places
    /// When the oldest record of the batch came.
    var batchSince: UInt64 = 0
    private var tellAt: UInt64 = 0
    private var maintainAt: UInt64 = 0
    private var clearAt: UInt64 = 0

    enum State {
        /// It has no partitions.
        case idle
        /// The group has given these; where to begin is still to be found, not before that time.
        case given([KafkaPartition], notBefore: UInt64)
        case reading([KafkaPartition])
    }

    struct Position {
        var partition: LogPartition
        /// The lowest offset that may come.
        var next: Int64
    }

    /// What a batch may hold: of as many rows a file is made in a second or two.
    static let mostRows = 100_000
    static let mostBytes = 64 << 20
    private static let recordsPerTurn = 2000

    var now: Instant { Instant(nanoseconds: Clock.wall) }

    init(_ settings: Settings, log: Log) throws {
        self.log = log
        self.settings = settings
        broker = BrokerState(log, meanwhile: "nothing is archived")
        web = try Web(settings.listen)
        do {
            archive = try Archive(settings.folder, cluster: settings.cluster, now: Instant(nanoseconds: Clock.wall))
        } catch { throw Refusal.cannot("--archive: \(error)") }
        consumer = try KafkaConsumer(settings.kafka, group: "weir-archive", name: "weir-archive")
        places = Places(cluster: settings.cluster, rules: settings.rules)
        for file in archive.table.snapshot.files.values { if let place = file.partition["place"] { places.learn(place) } }
        web.show(self)
        try consumer.subscribe([Topic.events.name, Topic.limits.name, Topic.decisions.name])
    }

    /// Runs until SIGTERM or SIGINT.
    func run(until signals: borrowing Signals) -> Never {
        var nextTick = Clock.monotonic, isBusy = false
        while true {
            wait(signals.eventDescriptor, milliseconds: isBusy ? 0 : max(0, Int(nextTick) - Int(Clock.monotonic)) / 1_000_000 + 1)
            if signals.next() != nil { return stop() }
            isBusy = consumer.drain(atMost: Self.recordsPerTurn, handle)
            if batch.rows.count >= Self.mostRows || batch.bytes >= Self.mostBytes { commit() }
            web.run()
            guard Clock.monotonic >= nextTick else { continue }
            nextTick = Clock.monotonic + 250_000_000
            tick()
        }
    }

    private func wait(_ signals: CInt, milliseconds: Int) {
        var polls = [signals, consumer.eventDescriptor, web.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        unsafe poll(&polls, nfds_t(polls.count), CInt(clamping: min(milliseconds, web.timeoutMilliseconds ?? milliseconds)))
    }

    private func handle(_ event: borrowing KafkaConsumer.Event) {
        switch event {
        case .record(let record): take(record)
        case .assigned(let partitions):
            state = .given(partitions, notBefore: 0)
            begin()
        case .revoked(let partitions): revoke(partitions)
        case .committed(let error): if let error { commitFailed(error) }
        case .notice(let notice): broker.hear(notice)
        }
    }

    private func tick() {
        begin()
        if !batch.isEmpty, Clock.monotonic - batchSince >= UInt64(settings.interval.wholeNanoseconds) { commit() }
        if Clock.monotonic >= tellAt {
            tellAt = Clock.monotonic + 5_000_000_000
            commitOffsets()
        }
        maintain()
        telemetry.flush(log)
        log.flush()
    }

    /// One writer of the group keeps the table small: the one that has the first partition of the events.
    private func maintain() {
        guard case .reading(let partitions) = state, partitions.contains(KafkaPartition(topic: Topic.events.name, partition: 0)),
            Clock.monotonic >= maintainAt
        else { return }
        var isBusy = false, hasFailed = false
        // What fails keeps nothing else from being done.
        func tend(_ step: () throws(TableError) -> Void) {
            do throws(TableError) { try step() } catch {
                hasFailed = true
                telemetry.failed(error, "the table cannot be tended, tried again in a minute", log)
            }
        }
        tend { () throws(TableError) in isBusy = try archive.compact(now: now) }
        tend { () throws(TableError) in try archive.expire(olderThan: settings.keep, now: now) }
        tend { () throws(TableError) in try archive.checkpointIfDue(now: now) }
        if Clock.monotonic >= clearAt {
            clearAt = Clock.monotonic + 3600 * 1_000_000_000
            tend { () throws(TableError) in try archive.clear(now: now) }
        }
        maintainAt = Clock.monotonic + (hasFailed ? 60_000_000_000 : isBusy ? 1_000_000_000 : 30_000_000_000)
    }

    /// What is in the batch goes into the table, the group is told, and that is all: nothing else is owed to anybody.
    private func stop() -> Never {
        commit()
        commitOffsets(waiting: 200)
        consumer.close(withinMilliseconds: 500)
        log.write(.info, "stopped", [("rows", "\(archive.counts.rows)"), ("version", "\(archive.table.snapshot.version)")])
        log.close(withinMilliseconds: 100)
        leave()
    }
}
