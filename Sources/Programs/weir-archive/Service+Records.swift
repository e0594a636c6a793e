internal import Archive
internal import ArchiveCore
internal import JSON
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import Units

// Records become rows.

extension Service {
    func take(_ record: borrowing KafkaRecord) {
        let key = KafkaPartition(topic: record.topic, partition: record.partition)
        // What a partition that was taken away has still sent.
        guard var position = reading[key] else { return }
        let appended = record.timestamp.map { Instant(nanoseconds: $0.milliseconds &* 1_000_000) } ?? now
        if record.offset < position.next {
            // Brokers that have lost their end hand out again what they still have. What is younger than all that was read is
            // something else.
            let known = [archive.time(of: position.partition), batch.times[position.partition]].compactMap(\.self).max()
            guard appended > known ?? .distantPast else {
                telemetry.passedOver += 1
                return
            }
            // Somebody has deleted the topic and made it anew, or its end was lost: its offsets mean other records now.
            commit()
            // A commit that failed has taken the partitions' places with it: they are looked for again.
            guard reading[key] != nil else { return }
            position.partition.epoch += 1
            telemetry.madeAnew += 1
            log.write(.warning, "a topic was made anew", [("topic", record.topic), ("partition", "\(record.partition)")])
        }
        position.next = record.offset + 1
        reading[key] = position
        if let covered = archive.offset(of: position.partition), record.offset <= covered {
            telemetry.passedOver += 1
            return
        }
        if batch.isEmpty { batchSince = Clock.monotonic }
        let origin = LogOrigin(partition: record.partition, offset: record.offset, appended: appended)
        batch.take(position.partition, offset: record.offset, appended: appended, bytes: record.size) { rows in
            do throws(JSONError) { try append(record, origin, &rows) } catch {
                telemetry.malformed += 1
                telemetry.malformedLog.write(
                    log, .warning, "malformed record passed over: \(error)",
                    [("topic", record.topic), ("partition", "\(record.partition)"), ("offset", "\(record.offset)")])
            }
        }
    }

    /// Nothing is appended when it throws.
    private func append(_ record: borrowing KafkaRecord, _ origin: LogOrigin, _ rows: inout ArchiveRows) throws(JSONError) {
        let id = record.header("ce_id"), cluster = settings.cluster
        let time = record.header("ce_time").flatMap { Instant(rfc3339: $0) } ?? origin.appended
        switch record.topic {
        case Topic.events.name where record.isLossNotice:
            let notice = try record.withValue { value throws(JSONError) in try reader.lossNotice(value) }
            rows.append(notice, at: origin, in: places.place(of: notice.node))
        case Topic.events.name:
            let event = try record.withValue { value throws(JSONError) in try reader.throttleEvent(value) }
            rows.append(event, at: origin, in: places.place(of: event.node))
        case Topic.decisions.name:
            // A workload's decision may be deleted like any compacted record; there is nothing in it to keep.
            if record.isTombstone { return }
            let decision = try record.withValue { value throws(JSONError) in try reader.scaleDecision(value) }
            rows.append(decision, id: id, time: time, at: origin, in: cluster)
        default:
            if record.isTombstone {
                guard let key = Limit.Key(record.key) else { throw JSONError("key", .wrongValue(wanted: "prefix|class")) }
                rows.append(ended: key, id: id, time: time, at: origin, in: cluster)
            } else {
                let limit = try record.withValue { value throws(JSONError) in try reader.limit(value) }
                rows.append(limit, id: id, time: time, at: origin, in: cluster)
            }
        }
    }
}
