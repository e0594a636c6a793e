internal import Archive
internal import ArchiveCore
internal import Front
internal import Kafka
internal import Linux
internal import Log

// Membership: which partitions, from where, and when Kafka is told.

extension Service {
    /// After a commit that failed.
    private static let pause: UInt64 = 5_000_000_000

    /// Begins behind what the table has, or with the oldest record there is: what the group has committed belongs to whatever table it
    /// wrote then. What fails is tried again.
    func begin() {
        guard case .given(let partitions, let notBefore) = state, Clock.monotonic >= notBefore else { return }
        do {
            try archive.update()
            var starts: [KafkaPosition] = []
            (reading, told) = ([:], [:])
            for partition in partitions {
                let (known, covered) = archive.covered(partition.topic, partition.partition)
                let start = covered.map { $0 + 1 }
                starts.append(KafkaPosition(partition, offset: start ?? KafkaPosition.beginning))
                reading[partition] = Position(partition: known, next: start ?? 0)
            }
            try consumer.assign(starts)
            state = .reading(partitions)
            log.write(
                .info, "partitions assigned", [("partitions", "\(partitions.count)"), ("version", "\(archive.table.snapshot.version)")])
        } catch let error as TableError {
            state = .given(partitions, notBefore: Clock.monotonic + Self.pause)
            telemetry.failed(error, "the table cannot be read, tried again", log)
        } catch { if let error = error as? KafkaError { broker.failed(error) } }
    }

    /// Others take over: what has been read is committed before they begin.
    func revoke(_ partitions: [KafkaPartition]) {
        commit()
        commitOffsets(waiting: 500)
        batch = ArchiveBatch()
        reading = [:]
        state = .idle
        try? consumer.unassign()
        log.write(.info, "partitions revoked", [("partitions", "\(partitions.count)")])
    }

    /// Puts the batch into the table. Where that fails the batch is dropped and read again a little later: memory stays bounded, and
    /// Kafka has it.
    func commit() {
        guard !batch.isEmpty else { return }
        let begun = Clock.monotonic
        do throws(TableError) {
            try archive.commit(batch) { now }
            telemetry.committed(seconds: Double(Clock.monotonic - begun) / 1e9)
            batch = ArchiveBatch()
            commitOffsets()
        } catch {
            batch = ArchiveBatch()
            reading = [:]
            if case .reading(let partitions) = state {
                // Still a member, and given nothing to read meanwhile.
                try? consumer.assign([])
                state = .given(partitions, notBefore: Clock.monotonic + Self.pause)
            }
            telemetry.failed(error, "the batch is not in the table, and is read again", log)
        }
    }

    /// Tells the group how far the table is, where it has not heard it: for people who look at the group's lag.
    func commitOffsets(waiting milliseconds: Int? = nil) {
        var positions: [KafkaPosition] = []
        for (partition, position) in reading {
            guard let offset = archive.offset(of: position.partition), told[partition] != offset else { continue }
            positions.append(KafkaPosition(partition, offset: offset + 1))
            told[partition] = offset
        }
        guard !positions.isEmpty else { return }
        do throws(KafkaError) {
            if let milliseconds {
                try consumer.commit(positions, withinMilliseconds: milliseconds)
            } else {
                try consumer.commit(positions)
            }
        } catch { commitFailed(error) }
    }

    /// Said again a little later.
    func commitFailed(_ error: KafkaError) {
        told = [:]
        broker.failed(error)
    }
}
