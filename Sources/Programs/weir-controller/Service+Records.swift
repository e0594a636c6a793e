internal import ControllerCore
internal import Detection
internal import Front
internal import JSON
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import Units
internal import Vocabulary

// Records: events to answer, and limits and decisions to know of.

extension Service: ReplicaWorld {
    func put(_ output: Controller.Output, from position: LogPosition?, at time: Instant) -> UInt64 {
        let number = outbox.put(output, from: position, at: time)
        tracing?.put(output, as: number, at: now)
        return number
    }
    func edge(_ key: Limit.Key, _ standing: (perSecond: Int, until: Instant)?) { peers.limit(key, standing) }

    private static let recordsPerTurn = 2000

    /// Returns whether there may be more.
    func consume() -> Bool {
        guard outbox.isComfortable else { return false }
        return consumer.drain(atMost: Self.recordsPerTurn) { event in
            switch event {
            case .record(let record): answer(record)
            case .assigned(let partitions):
                core.hear(.assigned(Set(partitions.map(\.partition))))
                advance()
            case .revoked(let partitions): revoke(partitions)
            case .committed(let error): if let error { commitFailed(error) }
            case .notice(let notice): broker.hear(notice)
            }
        }
    }

    private func answer(_ record: borrowing KafkaRecord) {
        let position = LogPosition(partition: record.partition, offset: record.offset)
        let appended = record.timestamp.map { Instant(nanoseconds: $0.milliseconds * 1_000_000) }
        // A node's word on what it has lost limits nobody, and is no event of any source.
        if record.isLossNotice { return passOver(record, at: position, appended) }
        do throws(JSONError) {
            let event = try record.withValue { value throws(JSONError) in try reader.throttleEvent(value) }
            let received = now
            core.answer(event, at: position, appended: appended, in: self)
            tracing?.answered(event, appended: appended, received: received, decided: now)
        } catch {
            core.answer(nil, at: position, appended: appended, in: self)
            malformed(record, "\(error)")
        }
    }

    private func passOver(_ record: borrowing KafkaRecord, at position: LogPosition, _ appended: Instant?) {
        core.answer(nil, at: position, appended: appended, in: self)
        do throws(JSONError) {
            let notice = try record.withValue { value throws(JSONError) in try reader.lossNotice(value) }
            telemetry.lossNotices += 1
            telemetry.lostRecords += notice.count(of: .records)
            telemetry.lostEvents += notice.count(of: .events)
            telemetry.lossLog.write(
                log, .warning, "a node has lost something",
                [
                    ("node", notice.node), ("records", "\(notice.count(of: .records))"), ("events", "\(notice.count(of: .events))"),
                    ("causes", notice.losses.map(\.cause).joined(separator: ",")), ("since", notice.since.rfc3339)
                ])
        } catch { malformed(record, "\(error)") }
    }

    func said(_ output: Controller.Output) {
        switch output {
        case .scale(let decision):
            log.write(
                .info, "scale decision",
                [
                    ("workload", decision.workload), ("desired_replicas", "\(decision.desiredReplicas)"),
                    ("previous_replicas", "\(decision.previousReplicas)"),
                    ("mode", decision.mode.rawValue), ("source.prefix", "\(decision.sourcePrefix)"),
                    ("events_in_window", "\(decision.eventsInWindow)"),
                    ("until", decision.until.rfc3339), ("generation", "\(decision.generation)"), ("trace_id", decision.traceID)
                ])
        case .limit(let limit):
            telemetry.limitLog.write(
                log, .info, "limit",
                [
                    ("limit", "\(limit.key)"), ("per_second", "\(limit.perSecond)"), ("step", "\(limit.step)"),
                    ("until", limit.until.rfc3339),
                    ("generation", "\(limit.generation)"), ("trace_id", limit.traceID)
                ])
        case .forget: break
        }
    }

    /// Returns whether there may be more.
    func follow() -> Bool {
        follower.drain(atMost: Self.recordsPerTurn) { event in
            switch event {
            case .record(let record): learn(record)
            case .madeAnew(let topic):
                log.write(.warning, "a topic was made anew", [("topic", topic)])
                if topic == Topic.limits.name { core.controller.limitsWereLost() }
            case .endOfPartition: if !core.membership.isAnswering, core.membership.state != .joined { advance() }
            case .notice(let notice): broker.hear(notice)
            }
        }
    }

    private func learn(_ record: borrowing KafkaRecord) {
        let time = record.timestamp.map { Instant(nanoseconds: $0.milliseconds * 1_000_000) } ?? now
        let id = record.header("ce_id")
        do throws(JSONError) {
            if record.topic == Topic.decisions.name {
                guard !record.isTombstone else { return }
                let decision = try record.withValue { value throws(JSONError) in try reader.scaleDecision(value) }
                core.learn(decision, id: id, at: record.header("ce_time").flatMap { Instant(rfc3339: $0) })
                tellWanted()
            } else if record.isTombstone {
                guard let key = Limit.Key(record.key) else { throw JSONError("key", .wrongValue(wanted: "prefix|class")) }
                core.lift(key, time: time, at: now, in: self)
            } else {
                let limit = try record.withValue { value throws(JSONError) in try reader.limit(value) }
                // Compaction goes by the key, so a limit under another one's key would undo that.
                guard record.key == limit.key.description else { throw JSONError("key", .wrongValue(wanted: "'\(limit.key)'")) }
                guard core.learn(limit, id: id, time: time, at: now, in: self) else {
                    telemetry.refusedLog.write(
                        log, .warning, "a limit on the topic goes beyond the policy or hits the allow-list, and is ignored",
                        [("limit", "\(limit.key)"), ("offset", "\(record.offset)")])
                    return
                }
                tracing?.learned(limit, written: time, at: now)
            }
        } catch { malformed(record, "\(error)") }
    }

    private func malformed(_ record: borrowing KafkaRecord, _ what: String) {
        telemetry.malformed += 1
        telemetry.malformedLog.write(
            log, .warning, "malformed record passed over: \(what)",
            [("topic", record.topic), ("partition", "\(record.partition)"), ("offset", "\(record.offset)")])
    }

    private func commitFailed(_ error: KafkaError) {
        telemetry.commitFailures += 1
        // What was not committed will be read again, and recognised.
        broker.failed(error)
    }
}
