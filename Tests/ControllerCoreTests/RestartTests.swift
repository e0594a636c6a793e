import ControllerCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

/// A controller that may die at any record and come back, over a log and two topics that keep what was delivered.
private struct Story {
    struct Record: Equatable {
        var id: String
        var time: Instant
        var output: Controller.Output
    }

    let log: [ThrottleEvent]
    var policy: (inout Policy) -> Void = { _ in }
    var topic: [Record] = []
    var committed = 0

    /// Reads until `death`; of what is produced on the way, the last `lost` answers never arrive, and the last `lag` records' commit neither.
    mutating func live(until death: Int, lost: Int, lag: Int) {
        var script = Script(policy)
        for record in topic {
            switch record.output {
            case .limit(let limit): script.controller.apply(limit, id: record.id, at: record.time)
            case .scale(let decision): script.controller.apply(decision, id: record.id, at: record.time)
            case .forget(let key): script.controller.release(key, at: record.time)
            }
        }
        // A window's worth before the committed place, all of it here.
        var produced: [(offset: Int, record: Record)] = []
        for offset in 0..<death {
            let position = LogPosition(partition: 0, offset: Int64(offset))
            for output in script.controller.consider(log[offset], at: position, isReplay: offset < committed) {
                produced.append((offset, Record(id: position.id, time: log[offset].time, output: output)))
            }
        }
        let delivered = produced.dropLast(lost)
        topic += delivered.map(\.record)
        let firstLost = produced.dropFirst(delivered.count).first?.offset ?? death
        committed = max(committed, min(firstLost, death - lag))
    }
}

@Suite struct RestartTests {
    private static func log(seed: UInt64) -> [ThrottleEvent] {
        var random = SplitMix64(seed)
        var seconds = 0.0
        return (0..<1500).map { id in
            seconds += Double.random(in: 0...2, using: &random)
            let source = Int.random(in: 1...4, using: &random)
            // The network repeats and delays.
            let isRepeated = Int.random(in: 0..<20, using: &random) == 0
            return Script.event(seconds - Double.random(in: 0...5, using: &random), source: source, id: isRepeated ? max(0, id - 3) : id)
        }
    }

    /// With no cooldown and limits of a second almost every event is answered, so nothing but its place in the log tells an answered one.
    @Test(
        "Killed at any moment, before or after its answers arrived, a controller neither loses nor doubles one",
        arguments: 1...20 as ClosedRange<UInt64>, [true, false])
    func killed(seed: UInt64, isTalkative: Bool) {
        let log = Self.log(seed: seed).map { event in
            var event = event
            if isTalkative { event.limit?.until = event.time + .seconds(1) }
            return event
        }
        let policy: (inout Policy) -> Void = { policy in
            guard isTalkative else { return }
            policy.scaleOut.targets[0].cooldown = .zero
            policy.escalation = [.seconds(1)]
        }
        var undisturbed = Story(log: log, policy: policy)
        undisturbed.live(until: log.count, lost: 0, lag: 0)
        #expect(undisturbed.topic.count > 10)

        var random = SplitMix64(seed &* 977)
        var story = Story(log: log, policy: policy)
        var death = 0
        while death < log.count {
            death = min(log.count, death + Int.random(in: 1...200, using: &random))
            let isLast = death == log.count
            story.live(
                until: death, lost: isLast ? 0 : Int.random(in: 0...2, using: &random),
                lag: isLast ? 0 : Int.random(in: 0...300, using: &random))
        }
        #expect(story.topic == undisturbed.topic)
    }

    @Test("What was answered under one policy is not answered again under the next")
    func policyChanged() throws {
        var before = Script(), event = Script.event(0, id: 1)
        event.limit?.until = Script.at(600)
        let limit = try #require(before.see(event).limits.first)
        var after = Script { $0.detections[.missingSNI]?.limit?.duration = .seconds(86_400) }
        after.controller.apply(limit, id: LogPosition(partition: 0, offset: 0).id, at: Script.at(0))
        #expect(after.see(event) == [])
        #expect(after.see(Script.event(1, id: 2)).limits.map(\.generation) == [2])
    }

    @Test(
        "The ladder outlives the controller: a new one knows each source's step from its latest record, and forgets it after a day of quiet"
    )
    func escalation() throws {
        let hour = 3600.0, day = 86_400.0
        // What compaction leaves of the limits topic: the latest record of a key, here of one source.
        var latest: (limit: Limit, id: String, time: Instant)?
        func restartedThenSees(_ seconds: Double, id: Int) throws -> Limit {
            var script = Script()
            script.offset = Int64(id)
            if let latest { script.controller.apply(latest.limit, id: latest.id, at: latest.time) }
            let position = LogPosition(partition: 0, offset: script.offset)
            let limit = try #require(script.see(Script.event(seconds, id: id)).limits.first)
            latest = (limit, position.id, Script.at(seconds))
            return limit
        }
        var now = 0.0
        for (id, length) in [600, hour, day, 7 * day, 7 * day].enumerated() {
            let limit = try restartedThenSees(now, id: id)
            #expect((limit.step, limit.until, limit.generation) == (min(id, 3), Script.at(now + length), id + 1))
            now += length + hour
        }
        #expect(try restartedThenSees(now + day, id: 5).step == 0)
    }

    @Test("A place in the log names what was decided there, and is read back")
    func names() {
        let position = LogPosition(partition: 11, offset: 1 << 40)
        #expect(LogPosition(id: position.id) == position)
        for wrong in [
            "", "weir-controller", "weir-controller:1", "weir-controller:-1:2", "weir-controller:1:2:3", "node-a:1:2", "weir-controller:a:b"
        ] { #expect(LogPosition(id: wrong) == nil) }
    }

    @Test("Only what is answered and delivered is committed")
    func ledger() {
        var ledger = CommitLedger()
        ledger.start(3, liveFrom: 10)
        #expect(ledger.read(LogPosition(partition: 3, offset: 8), time: Script.at(1)) == true)
        #expect(ledger.due() == [])
        #expect(ledger.read(LogPosition(partition: 3, offset: 10), time: Script.at(2)) == false)
        ledger.expect(1, for: LogPosition(partition: 3, offset: 10))
        #expect(ledger.read(LogPosition(partition: 3, offset: 11), time: Script.at(9)) == false)
        #expect(ledger.due() == [])
        ledger.delivered(1)
        let due = ledger.due()
        #expect(due == [CommitLedger.Commit(partition: 3, offset: 12, newest: Script.at(9))])
        ledger.committed(due)
        #expect(ledger.due() == [])
        #expect(ledger.read(LogPosition(partition: 4, offset: 0), time: nil) == nil)
        ledger.stop()
        #expect(ledger.read(LogPosition(partition: 3, offset: 12), time: nil) == nil)
    }

    @Test("A commit short of what was read carries the time that belongs to it")
    func ledgerTime() {
        var ledger = CommitLedger()
        ledger.start(0, liveFrom: 0)
        for offset in 0..<10 as Range<Int64> {
            _ = ledger.read(LogPosition(partition: 0, offset: offset), time: Script.at(Double(offset)))
            if offset == 4 { ledger.expect(1, for: LogPosition(partition: 0, offset: 4)) }
        }
        #expect(ledger.due() == [CommitLedger.Commit(partition: 0, offset: 4, newest: Script.at(4))])
    }
}
