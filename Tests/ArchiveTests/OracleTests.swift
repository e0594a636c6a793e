import Archive
import ArchiveCore
import Glibc
import Linux
import Messages
import Testing
import Units

/// The table as pyarrow, DuckDB and delta-rs read it.
@Suite(.timeLimit(.minutes(5))) struct OracleTests {
    static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    static let python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"
    static let missing =
        system("\(python) -c 'import pyarrow, duckdb, deltalake' 2>/dev/null") == 0
        ? nil : "pyarrow, duckdb and deltalake are not installed (make deps)"
    static let programs = ownExecutable.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }

    static func ask(_ words: [String]) throws -> (code: CInt, text: String) {
        let log = Scratch(), file = "\(log.path)/out"
        let line = ([python, "\(root)/Tests/oracles/archive.py"] + words).map { "'\($0)'" }.joined(separator: " ")
        let status = system("\(line) >\(file) 2>&1")
        return (status >> 8 & 0xff, File.read(file, limit: 1 << 24) ?? "")
    }

    /// Several commits of many records, and what the oracles are told of them.
    private static func table(_ scratch: Scratch, seed: UInt64, commits: Int, each: Int, compacting: Bool) throws -> (
        table: String, records: String
    ) {
        let folder = "\(scratch.path)/table", now = Instant(rfc3339: "2026-11-25T12:00:00Z")!
        var archive = try Archive(folder, cluster: "main", now: now), sample = Sample(seed: seed), lines: [UInt8] = []
        var places = Places(cluster: "main", rules: ["eu-*=eu", "us-*=us", "*=*"].compactMap { Places.Rule($0) })
        for _ in 0..<commits {
            var batch = ArchiveBatch()
            for _ in 0..<each {
                let record = sample.record()
                record.take(into: &batch, &places)
                lines += record.line(place: record.node.map { places.place(of: $0) } ?? "main")
            }
            try archive.commit(batch) { now }
        }
        if compacting {
            while try archive.compact(now: now) {}
            try archive.checkpoint(now)
            // All that the readers have is the checkpoint.
            #expect(system("rm \(folder)/_delta_log/*.json") == 0)
        }
        #expect(File.write("\(scratch.path)/records", lines))
        return (folder, "\(scratch.path)/records")
    }

    @Test(
        "Every reader finds every record, with every member, once", .enabled(if: missing == nil),
        arguments: [(1, false), (2, true)] as [(UInt64, Bool)])
    func rows(seed: UInt64, compacting: Bool) throws {
        let scratch = Scratch(), (table, records) = try Self.table(scratch, seed: seed, commits: 6, each: 500, compacting: compacting)
        let (code, text) = try Self.ask(["rows", table, records])
        #expect(code == 0, "\(text)")
        #expect(text.contains("3000 records"), "\(text)")
    }

    @Test("weir query says what DuckDB says of the same rows", .enabled(if: missing == nil), arguments: [false, true])
    func query(compacting: Bool) throws {
        let scratch = Scratch(), (table, _) = try Self.table(scratch, seed: 7, commits: 5, each: 500, compacting: compacting)
        let (code, text) = try Self.ask(["query", "\(Self.programs)/weir", table])
        #expect(code == 0, "\(text)")
        #expect(text.contains("questions, 0 differ"), "\(text)")
    }
}
