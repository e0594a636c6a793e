import Archive
import ArchiveCore
import Linux
import Messages
import Testing
import Units
import Vocabulary

/// Each record of a topic is in the table once, whatever becomes of its writers. Several share a folder; chance gives and takes their
/// partitions, lets some stand still with what they have read, kills others between any two steps, and tends the table meanwhile.
@Suite(.timeLimit(.minutes(5))) struct OnceTests {
    /// A consumer as a group may have several, some of which do not know yet that they are out of it.
    private final class Writer {
        var archive: Archive
        var next: [LogPartition: Int64] = [:]
        var batch = ArchiveBatch()
        var places = Places(cluster: "main", rules: [Places.Rule("*=*")!])

        init(_ archive: consuming Archive) { self.archive = archive }

        func begin(_ partition: LogPartition) throws {
            try archive.update()
            next[partition] = (archive.covered(partition.topic, partition.partition).offset ?? -1) + 1
        }
    }

    private static func index(_ record: Sample.Record) -> String { "\(record.topic)/\(record.partition)/\(record.offset)" }

    /// What the table holds, read by its own reader: how often each offset of each partition is there.
    private static func found(_ folder: String) throws -> [String: Int] {
        var found: [String: Int] = [:]
        for row in try TableRows(folder).rows {
            let topic = ["limit": Topic.limits, "ended": Topic.limits, "decision": Topic.decisions][row.kind] ?? Topic.events
            found["\(topic.name)/\(row.partition)/\(row.offset)", default: 0] += 1
        }
        return found
    }

    @Test("Writers that die, stand still and race leave each record once", arguments: 1...5 as ClosedRange<UInt64>)
    func once(seed: UInt64) throws {
        let scratch = Scratch(), folder = "\(scratch.path)/table", now = Instant(rfc3339: "2026-11-25T12:00:00Z")!
        var chance = SplitMix64(seed), sample = Sample(seed: seed)
        sample.hours = 2
        var log: [LogPartition: [Sample.Record]] = [:]
        for _ in 0..<800 {
            let record = sample.record()
            log[record.log, default: []].append(record)
        }
        let partitions = log.keys.sorted()
        func open() throws -> Writer { Writer(try Archive(folder, cluster: "main", now: now)) }
        var writers = [try open(), try open(), try open()]
        // At first each has its share; then chance hands partitions on, and whoever had them reads on all the same.
        for partition in partitions { try writers[chance.below(3)].begin(partition) }
        var lost = 0
        for step in 0..<250 {
            let index = chance.below(writers.count), writer = writers[index]
            switch chance.below(12) {
            case 0..<6:
                for (partition, next) in writer.next.sorted(by: { $0.key < $1.key }) where chance.below(2) == 0 {
                    for record in log[partition]!.filter({ $0.offset >= next }).prefix(chance.below(40)) {
                        record.take(into: &writer.batch, &writer.places)
                        writer.next[partition] = record.offset + 1
                    }
                }
            case 6, 7:
                try writer.archive.commit(writer.batch) { now }
                lost += writer.archive.counts.lost
                writer.batch = ArchiveBatch()
            case 8: try writer.begin(partitions[chance.below(partitions.count)])
            case 9:
                // Killed: what it had read is gone, and another begins behind what the table has.
                writers[index] = try open()
                for partition in partitions where chance.below(3) == 0 { try writers[index].begin(partition) }
            case 10: _ = try writer.archive.compact(now: now)
            default: if step % 3 == 0 { try writer.archive.checkpoint(now) }
            }
        }
        let last = try open()
        for partition in partitions {
            try last.begin(partition)
            for record in log[partition]! where record.offset >= last.next[partition]! { record.take(into: &last.batch, &last.places) }
        }
        try last.archive.commit(last.batch) { now }
        let found = try Self.found(folder), wanted = log.values.joined().map { Self.index($0) }
        #expect(found.values.allSatisfy { $0 == 1 }, "seed \(seed): \(found.filter { $0.value != 1 }.keys.prefix(5))")
        #expect(Set(found.keys) == Set(wanted), "seed \(seed): \(wanted.count) records, \(found.count) rows")
        #expect(lost > 0, "no race was lost, so none was tried")
    }

    @Test("A writer that stood still while another had its partitions drops what that one committed, and no more")
    func stoodStill() throws {
        let scratch = Scratch(), folder = "\(scratch.path)/table", now = Instant(rfc3339: "2026-11-25T12:00:00Z")!
        var sample = Sample(seed: 4), places = Places(cluster: "main"), records: [Sample.Record] = []
        while records.count < 30 {
            let record = sample.record()
            if record.topic == Topic.limits.name { records.append(record) }
        }
        var slow = try Archive(folder, cluster: "main", now: now), fast = try Archive(folder, cluster: "main", now: now)
        var batch = ArchiveBatch(), others = ArchiveBatch()
        for record in records[..<20] { record.take(into: &batch, &places) }
        for record in records[..<12] { record.take(into: &others, &places) }
        try fast.commit(others) { now }
        try slow.commit(batch) { now }
        #expect(slow.counts.lost == 1)
        #expect(slow.counts.rows == 8)
        #expect(slow.counts.covered == 12)
        #expect(slow.offset(of: records[0].log) == records[19].offset)
        // And the other way round: all of it is there already.
        try fast.commit(batch) { now }
        #expect(fast.counts.rows == 12)
        let rows = try TableRows(folder).rows.map(\.offset)
        #expect(rows.sorted() == records[..<20].map(\.offset))
        // What the slow one had written before it lost is gone.
        let table = try TableRows(folder)
        #expect(table.files.count == table.known)
    }

    @Test("A writer whose files are an hour old when it loses writes them anew, for others may be clearing them away")
    func late() throws {
        let scratch = Scratch(), folder = "\(scratch.path)/table", now = Instant(rfc3339: "2026-11-25T12:00:00Z")!
        var sample = Sample(seed: 4), places = Places(cluster: "main")
        var slow = try Archive(folder, cluster: "main", now: now), fast = try Archive(folder, cluster: "main", now: now)
        var batch = ArchiveBatch(), others = ArchiveBatch(), record = sample.record()
        record.take(into: &batch, &places)
        repeat { record = sample.record() } while batch.ends[record.log] != nil
        record.take(into: &others, &places)
        try fast.commit(others) { now }
        var asked = 0
        try slow.commit(batch) {
            asked += 1
            return now + .seconds(asked == 1 ? 0 : 7200)
        }
        #expect(slow.counts.rows == 1)
        #expect(asked > 2)
        #expect(try TableRows(folder).rows.count == 2)
    }
}
