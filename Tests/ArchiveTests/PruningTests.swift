import Archive
import Glibc
import ArchiveCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

/// What a query reads, and what it need not.
@Suite struct PruningTests {
    private static let start = Instant(rfc3339: "2026-11-24T10:00:00Z")!

    /// Four hours of two places, a file each.
    private static func table(_ scratch: Scratch) throws -> String {
        let folder = "\(scratch.path)/table"
        var archive = try Archive(folder, cluster: "main", now: start), offset: Int64 = 0
        for hour in 0..<4 {
            var batch = ArchiveBatch()
            for (index, place) in ["eu", "us"].enumerated() {
                for number in 0..<100 {
                    let time = start + .seconds(hour * 3600 + number), source = Address(ipv4: 0xcb00_7100 | UInt32(index * 128 + number))
                    let event = ThrottleEvent(
                        id: "\(offset)", time: time, node: "n", sourceAddress: source, sourcePrefix: Prefix(source, length: 128),
                        destinationAddress: Address(ipv4: 1), anomalies: AnomalySet(.missingSNI), severity: .high, traceID: "")
                    let origin = LogOrigin(partition: 0, offset: offset, appended: time)
                    batch.take(LogPartition(topic: "t", partition: 0), offset: offset, appended: time, bytes: 1) {
                        $0.append(event, at: origin, in: place)
                    }
                    offset += 1
                }
            }
            try archive.commit(batch) { start }
        }
        return folder
    }

    private static func ask(_ folder: String, _ change: (inout ArchiveQuery) -> Void) throws -> (records: Int, read: ArchiveScan.Read) {
        var query = ArchiveQuery(from: start, until: start + .seconds(4 * 3600), by: .source)
        change(&query)
        let (tally, read) = try ArchiveScan(folder).run(query)
        return (tally.groups.reduce(0) { $0 + $1.sums.records }, read)
    }

    @Test("Place, time and source keep files from being opened")
    func files() throws {
        let scratch = Scratch(), folder = try Self.table(scratch)
        let all = try Self.ask(folder) { _ in }
        #expect(all.records == 800)
        #expect(all.read.files == 8 && all.read.allFiles == 8)
        // Files that are as small as these are read at once.
        #expect(all.read.bytes == all.read.allBytes)
        let place = try Self.ask(folder) { $0.places = ["eu"] }
        #expect(place.records == 400 && place.read.files == 4)
        let hour = try Self.ask(folder) { $0.from = Self.start + .seconds(2 * 3600) }
        #expect(hour.records == 400 && hour.read.files == 4)
        let source = try Self.ask(folder) { $0.source = Prefix("203.0.113.128/25") }
        #expect(source.records == 400 && source.read.files == 4)
        let nobody = try Self.ask(folder) { $0.source = Prefix("198.51.100.0/24") }
        #expect(nobody.records == 0 && nobody.read.files == 0 && nobody.read.bytes == 0)
        // The end is not with it, the beginning is.
        let edge = try Self.ask(folder) { ($0.from, $0.until) = (Self.start + .seconds(99), Self.start + .seconds(3600)) }
        #expect(edge.records == 2)
    }

    @Test("Row groups that cannot hold an answer are not read")
    func groups() throws {
        let scratch = Scratch(), folder = "\(scratch.path)/table", count = ArchiveFile.groupRows + 10
        var archive = try Archive(folder, cluster: "main", now: Self.start), batch = ArchiveBatch()
        for number in 0..<count {
            let source = Address(ipv4: 0x0a00_0000 | UInt32(number))
            let event = ThrottleEvent(
                id: "", time: Self.start, node: "n", sourceAddress: source, sourcePrefix: Prefix(source, length: 128),
                destinationAddress: Address(ipv4: 1), anomalies: AnomalySet(.missingSNI), severity: .high, traceID: "")
            batch.take(LogPartition(topic: "t", partition: 0), offset: Int64(number), appended: Self.start, bytes: 1) {
                $0.append(event, at: LogOrigin(partition: 0, offset: Int64(number), appended: Self.start), in: "p")
            }
        }
        try archive.commit(batch) { Self.start }
        let last = try Self.ask(folder) { $0.source = Prefix(Address(ipv4: 0x0a00_0000 | UInt32(count - 1)), length: 128) }
        #expect(last.records == 1)
        #expect(last.read.groups == 1 && last.read.allGroups == 2 && last.read.files == 1)
        #expect(last.read.bytes < last.read.allBytes)
    }

    @Test("A file that is gone or damaged is named")
    func damaged() throws {
        let scratch = Scratch(), folder = try Self.table(scratch), victim = try TableRows(folder).files[0]
        #expect(system("printf X | dd of=\(folder)/\(victim) bs=1 seek=200 conv=notrunc status=none") == 0)
        let error = #expect(throws: TableError.self) { _ = try Self.ask(folder) { _ in } }
        #expect(error?.description.contains(victim) == true)
        #expect(system("rm \(folder)/\(victim)") == 0)
        let gone = #expect(throws: TableError.self) { _ = try Self.ask(folder) { _ in } }
        #expect(gone?.description.contains("is gone") == true)
    }
}
