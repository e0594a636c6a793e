import Archive
import ArchiveCore
import Glibc
import Linux
import Messages
import Testing
import Units

/// The table's log: who may commit, what is read of it, and what becomes of a folder that cannot keep writers apart.
@Suite(.timeLimit(.minutes(5))) struct TableTests {
    private static let now = Instant(rfc3339: "2026-11-25T12:00:00Z")!
    private static let columns = [Table.Column("a", "string"), Table.Column("b", "long")]

    private static func open(_ folder: String, _ columns: [Table.Column] = columns) throws(TableError) -> Table {
        try Table(writing: folder, columns: columns, partitions: ["a"], codec: Zstd(), now: 1)
    }

    @Test("Of two that commit the same version one does, and the other is told what it said")
    func race() throws {
        let scratch = Scratch()
        var one = try Self.open(scratch.path), other = try Self.open(scratch.path)
        let said = Action.transaction(name: "x", version: 5, at: 9)
        #expect(try one.commit([said]) == .committed(1))
        #expect(try other.commit([.transaction(name: "y", version: 1, at: 9)]) == .lost([said]))
        #expect(other.snapshot.transactions["x"]?.version == 5)
        #expect(other.snapshot.transactions["y"] == nil)
        #expect(try other.commit([.transaction(name: "y", version: 1, at: 9)]) == .committed(2))
        #expect(try one.update() == [.transaction(name: "y", version: 1, at: 9)])
        #expect(try TableFolder(scratch.path).names(in: "_delta_log").filter { !$0.hasSuffix(".json") } == [])
    }

    @Test("A checkpoint holds what the commits held, and they are not needed any more")
    func checkpoint() throws {
        let scratch = Scratch(), folder = TableFolder(scratch.path)
        var table = try Self.open(scratch.path)
        var chance = SplitMix64(1)
        for number in 1...40 {
            let file = TableFile(
                path: "a=ä \(number)/x", partition: number % 7 == 0 ? [:] : ["a": "ä \(number)", "b": ""], size: chance.below(1 << 40),
                modified: Int64(number), statistics: number % 3 == 0 ? "" : "{\"numRecords\":\(number)}")
            _ = try table.commit([.add(file, isNews: true), .transaction(name: "t\(number % 5)", version: Int64(number), at: 3)])
            if number % 4 == 0 { _ = try table.commit([.remove(path: "a=ä \(number)/x", at: Int64(number) * 1000, isNews: true)]) }
        }
        let before = table.snapshot
        try table.checkpoint(now: 1000, keeping: 1000)
        for name in try folder.names(in: "_delta_log") where name.hasSuffix(".json") {
            #expect(system("rm '\(scratch.path)/_delta_log/\(name)'") == 0)
        }
        let found = try Table(reading: scratch.path, codec: Zstd()).snapshot
        #expect(found.version == before.version)
        #expect(found.files == before.files)
        #expect(found.removed == before.removed)
        #expect(found.transactions.mapValues(\.version) == before.transactions.mapValues(\.version))
        #expect(found.metadata?.schema == before.metadata?.schema)
        #expect(found.metadata?.partitions == ["a"])
        // And writing goes on.
        var again = try Self.open(scratch.path)
        #expect(try again.commit([.transaction(name: "u", version: 1, at: 1)]) == .committed(before.version + 1))
    }

    @Test("A damaged checkpoint makes way for the commits, where they are all there; else it is named")
    func damaged() throws {
        let scratch = Scratch()
        var table = try Self.open(scratch.path)
        _ = try table.commit([.transaction(name: "x", version: 5, at: 9)])
        try table.checkpoint(now: 1, keeping: 1_000_000)
        let name = "_delta_log/00000000000000000001.checkpoint.parquet"
        #expect(File.write("\(scratch.path)/\(name)", Array("PAR1, it says PAR1".utf8)))
        #expect(try Table(reading: scratch.path, codec: Zstd()).snapshot.transactions["x"]?.version == 5)
        #expect(system("rm \(scratch.path)/_delta_log/00000000000000000000.json") == 0)
        let error = #expect(throws: TableError.self) { _ = try Table(reading: scratch.path, codec: Zstd()).snapshot.version }
        #expect(error?.description.contains(name) == true, "\(error?.description ?? "")")
    }

    @Test(
        "A log that is not one is refused by file and line",
        arguments: [
            "{", "[]", "{\"add\":{\"path\":1}}", "{\"remove\":{\"path\":\"../x\",\"dataChange\":true}}",
            "{\"remove\":{\"path\":\"/etc/x\",\"dataChange\":true}}", "{\"add\":5}",
            "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7}}", "\u{0}"
        ])
    func malformed(line: String) throws {
        let scratch = Scratch()
        _ = try Self.open(scratch.path)
        #expect(File.write("\(scratch.path)/_delta_log/00000000000000000001.json", Array("{\"commitInfo\":{}}\n\(line)\n".utf8)))
        let error = #expect(throws: TableError.self) { _ = try Table(reading: scratch.path, codec: Zstd()).snapshot.version }
        let words = error?.description ?? ""
        #expect(words.contains("line 2") || words.contains("reader version 3"), "\(words)")
        #expect(!words.contains("\n"))
    }

    @Test("A table of other columns is refused, and columns that are new are added")
    func columns() throws {
        let scratch = Scratch()
        _ = try Self.open(scratch.path)
        #expect(throws: TableError.self) {
            _ = try Self.open(scratch.path, [Table.Column("a", "string"), Table.Column("b", "string")]).snapshot.version
        }
        let more = Self.columns + [Table.Column("c", "boolean")]
        #expect(try Self.open(scratch.path, more).snapshot.version == 1)
        // An older program goes on with what it knows.
        #expect(try Self.open(scratch.path).snapshot.version == 1)
        #expect(try Self.open(scratch.path, more).snapshot.metadata?.schema.contains("\"c\"") == true)
    }

    @Test("A file system that lets a name be taken twice, or that cannot give one, is refused in one line")
    func probe() throws {
        let scratch = Scratch(), folder = TableFolder(scratch.path)
        _ = try Self.open(scratch.path)
        let replaces: Publisher.Way = { from, to in system("cp '\(from)' '\(to)'") == 0 ? 0 : EPERM }
        let refuses: Publisher.Way = { _, _ in EPERM }
        // It says that the name was taken, and has taken it all the same.
        let lies: Publisher.Way = { from, to in
            let isThere = File.exists(to)
            _ = system("cp '\(from)' '\(to)'")
            return isThere ? EEXIST : 0
        }
        // It says nothing, and does nothing.
        let idle: Publisher.Way = { _, _ in 0 }
        for ways in [[replaces], [refuses], [lies], [idle], [refuses, replaces, lies, idle], []] {
            let error = #expect(throws: TableError.self) { _ = try Publisher(folder, ways: ways) }
            #expect(error?.description.contains("local disk") == true)
            #expect(error?.description.contains("\n") == false)
        }
        _ = try Publisher(folder, ways: [refuses, Publisher.rename])
        _ = try Publisher(folder, ways: [Publisher.link])
        #expect(try folder.names(in: "_delta_log") == ["00000000000000000000.json"])
    }

    @Test("A damaged file is named, and keeps no other hour from being merged")
    func spoiled() throws {
        let scratch = Scratch(), path = "\(scratch.path)/table"
        var archive = try Archive(path, cluster: "main", now: Self.now), sample = Sample(seed: 3), places = Places(cluster: "main")
        for _ in 0..<4 {
            var batch = ArchiveBatch()
            for _ in 0..<100 { sample.record().take(into: &batch, &places) }
            try archive.commit(batch) { Self.now }
        }
        let victim = try TableRows(path).files.filter { $0.contains("T10/") }.sorted()[0]
        #expect(system("printf X | dd of=\(path)/\(victim) bs=1 seek=200 conv=notrunc status=none") == 0)
        do {
            while try archive.compact(now: Self.now) {}
            Issue.record("it was read")
        } catch { #expect(error.description.contains(victim)) }
        while try archive.compact(now: Self.now) {}
        // Four files of the hour with the damaged one, and one of each of the other five.
        #expect(archive.table.snapshot.files.count == 9)
    }

    @Test("Old hours go, and their files a day later; those of a dead writer go too, and no others")
    func retention() throws {
        let scratch = Scratch(), path = "\(scratch.path)/table"
        var archive = try Archive(path, cluster: "main", now: Self.now), sample = Sample(seed: 2), places = Places(cluster: "main")
        var batch = ArchiveBatch()
        for _ in 0..<200 { sample.record().take(into: &batch, &places) }
        try archive.commit(batch) { Self.now }
        let all = try TableRows(path)
        #expect(all.rows.count == 200)
        // A writer that died before its commit.
        let orphan = "\(path)/place=main/hour=2026-11-24T12/part-dead-1.parquet"
        #expect(File.write(orphan, [1]))
        try archive.clear(now: Self.now)
        #expect(File.exists(orphan), "a file that is new may be somebody's who is about to commit")
        // Hours 10 to 15 are there; 12 is the first that stays.
        try archive.expire(olderThan: .seconds(24 * 3600), now: Self.now)
        let kept = try TableRows(path)
        #expect(kept.known == 4)
        #expect(kept.files.count == all.known + 1, "readers of the version before still find their files")
        #expect(system("touch -d '2 days ago' \(orphan)") == 0)
        try archive.clear(now: Instant(nanoseconds: Clock.wall) + .seconds(2 * 86_400))
        let cleared = try TableRows(path)
        #expect(cleared.files.count == 4)
        #expect(cleared.rows.count == kept.rows.count)
        #expect(!File.exists(orphan))
    }
}
