import Archive
import ArchiveCore
import Detection
import Glibc
import Kafka
import Linux
import Messages
import Testing
import Units
import Vocabulary

/// weir query as a person types it.
@Suite(.timeLimit(.minutes(2))) struct CommandTests {
    private let scratch = Scratch()
    private let table: String

    init() throws {
        table = "\(scratch.path)/table"
        let start = Instant(rfc3339: "2026-11-24T10:00:00Z")!
        var archive = try Archive(table, cluster: "main", now: start), batch = ArchiveBatch()
        for number in 0..<30 {
            let source = Address(ipv4: 0xcb00_7100 | UInt32(number % 3)), time = start + .seconds(number * 300)
            var event = ThrottleEvent(
                id: "\(number)", time: time, node: "<n&1>", sourceAddress: source, sourcePrefix: Prefix(source, length: 128),
                destinationAddress: Address(ipv4: 1), anomalies: AnomalySet(.missingSNI), severity: .high, traceID: "")
            (event.counts.seen, event.counts.reset) = (10, 4)
            batch.take(LogPartition(topic: "t", partition: 0), offset: Int64(number), appended: time, bytes: 1) {
                $0.append(event, at: LogOrigin(partition: 0, offset: Int64(number), appended: time), in: "eu")
            }
        }
        try archive.commit(batch) { start }
    }

    private func query(_ words: String...) -> (code: CInt, output: String, errors: String) {
        let all = ["\(OracleTests.programs)/weir", "query", "--archive", table, "--until", "2026-11-24T13:00:00Z", "--last", "3h"] + words
        let out = "\(scratch.path)/out", errors = "\(scratch.path)/errors"
        let status = system(all.map { "'\($0)'" }.joined(separator: " ") + " >\(out) 2>\(errors)")
        return (status >> 8 & 0xff, File.read(out, limit: 1 << 20) ?? "", File.read(errors, limit: 1 << 20) ?? "")
    }

    @Test("The table has the sums of each group, and standard error what was read")
    func table_() {
        let (code, output, errors) = query("--top", "2")
        #expect(code == 0)
        #expect(
            output == """
                source          events  hellos  refused  first                 last
                203.0.113.0/32      10     100       40  2026-11-24T10:00:00Z  2026-11-24T12:15:00Z
                203.0.113.1/32      10     100       40  2026-11-24T10:05:00Z  2026-11-24T12:20:00Z
                … 1 more

                """, "\(output)")
        #expect(errors.hasPrefix("weir: read 3 of 3 files, 3 of their 3 row groups, 30 rows, "), "\(errors)")
        #expect(query("--by", "hour", "--format", "json").output.split(separator: "\n").count == 3)
        #expect(query("--source", "198.51.100.1").output == "nothing matches\n")
    }

    @Test("Bars and a picture show the same")
    func pictures() {
        let bars = query("--by", "hour", "--plot").output.split(separator: "\n")
        #expect(bars.count == 3)
        #expect(bars.allSatisfy { $0.contains("█") })
        let svg = "\(scratch.path)/picture.svg"
        for by in ["hour", "node", "source"] {
            #expect(query("--by", by, "--svg", svg).code == 0)
            let picture = File.read(svg, limit: 1 << 20) ?? ""
            #expect(picture.hasPrefix("<svg ") && picture.hasSuffix("</svg>\n"))
            // Names of nodes are whatever a node says.
            #expect(!picture.contains("<n&1>"))
            if by == "node" { #expect(picture.contains("&lt;n&amp;1&gt;: 30")) }
            if by == "hour" { #expect(picture.matches(of: /<rect x/).count == 3) }
        }
    }

    @Test(
        "What cannot be answered is refused in one line that names it",
        arguments: [
            (["--anomaly", "missing_sno"], 2, "weir: query: --anomaly `missing_sno`: no such anomaly; did you mean missing_sni?"),
            (["--place", "ue"], 2, "weir: query: --place `ue`: the archive has no such place; did you mean eu?"),
            (["--until", "yesterday"], 2, "weir query: --until: given twice"),
            (["--source", "203.0.113.1/24"], 2, "weir query: --source: `203.0.113.1/24`; an address or a block is expected"),
            (["--by", "colour"], 2, "weir query: --by: `colour`; allowed are source, hour"),
            (["--svg", "/proc/none/x.svg"], 3, "weir: query: --svg /proc/none/x.svg:")
        ] as [([String], CInt, String)])
    func refused(words: [String], code: CInt, message: String) {
        let answer = words.count == 2 ? query(words[0], words[1]) : query()
        #expect(answer.code == code)
        #expect(answer.errors.hasPrefix(message), "\(answer.errors)")
        #expect(answer.errors.split(separator: "\n").count == 1 && answer.output.isEmpty, "\(answer.errors)")
    }

    @Test("weir explain tells what the archive knows of a source that the topics know no more")
    func explained() throws {
        let broker = try MockBroker(), out = "\(scratch.path)/explained"
        func explain(_ source: String) -> (code: CInt, text: String) {
            let status = system(
                "'\(OracleTests.programs)/weir' explain \(source) --archive \(table) --kafka \(broker.bootstrap) >\(out) 2>&1")
            return (status >> 8 & 0xff, File.read(out, limit: 1 << 16) ?? "")
        }
        let (code, text) = explain("203.0.113.0/31")
        #expect(code == 0)
        #expect(
            text.contains(
                "archive: 200 anomalous hellos in 20 earlier events of 1 node, from 2026-11-24T10:00:00Z to 2026-11-24T12:20:00Z: "
                    + "missing_sni; 80 refused\n"), "\(text)")
        #expect(explain("198.51.100.7").code == 1)
    }

    @Test("No table, another's table, and no folder are told apart")
    func noTable() {
        func ask(_ folder: String) -> String {
            let errors = "\(scratch.path)/errors"
            #expect(system("'\(OracleTests.programs)/weir' query --archive '\(folder)' 2>\(errors) >/dev/null") >> 8 & 0xff == 3)
            return File.read(errors, limit: 4096) ?? ""
        }
        #expect(ask("/proc/none").contains("there is no such directory"))
        #expect(ask(scratch.path).contains("there is no table"))
        #expect(system("mkdir -p \(scratch.path)/other/_delta_log") == 0)
        let metadata = """
            {"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
            {"metaData":{"id":"a","schemaString":"{}","partitionColumns":[],"configuration":{}}}

            """
        #expect(File.write("\(scratch.path)/other/_delta_log/00000000000000000000.json", Array(metadata.utf8)))
        #expect(ask("\(scratch.path)/other").contains("weir-archive has not made"))
    }
}
