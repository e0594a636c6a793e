internal import Archive
internal import ArchiveCore
internal import Arguments
internal import Front
internal import Linux
internal import Messages
internal import Spelling
internal import Terminal
internal import WeirCommands
internal import Units
internal import Vocabulary

/// `weir query --archive DIR`: what the archive's records come to, by source, hour, anomaly or whatever is asked for.
func queryArchive(_ arguments: Arguments<QueryOptions>) throws -> CInt {
    guard let folder = arguments.archive else {
        throw Refusal.wrong("query: --archive DIR is missing: the table that weir-archive writes")
    }
    var query = try archiveQuery(arguments)
    let scan: ArchiveScan
    do { scan = try ArchiveScan(folder) } catch { throw Refusal.cannot("query: \(error)") }
    for place in query.places where !scan.places.contains(place) {
        throw Refusal.wrong(
            "query: --place \(Spelling.quoted(place)): the archive has no such place"
                + Spelling.hint(for: place, among: scan.places.sorted()))
    }
    query.places = Set(arguments.places)
    Heap.keepLargeBlocks()
    let begun = Clock.monotonic, answer: (tally: Tally, read: ArchiveScan.Read)
    do { answer = try scan.run(query, threads: arguments.threads) } catch { throw Refusal.cannot("query: \(error)") }
    let result = QueryResult(answer.tally, query.grouping, top: arguments.top)
    let took = Duration.nanoseconds(Int64(Clock.monotonic - begun))
    if let path = arguments.svg {
        guard File.write(path, Array(queryPicture(result, query).utf8)) else {
            throw Refusal.cannot("query: --svg \(path): \(Errno.current)")
        }
    }
    let lines =
        if arguments.format == .json {
            result.json
        } else if arguments.plot {
            result.bars(Terminal(of: 1))
        } else {
            result.table(Terminal(of: 1), query.kind)
        }
    guard try Standard.output.write(Array(lines.map { $0 + "\n" }.joined().utf8)) else { return 0 }
    Standard.error.show(readFigures(answer.read, took))
    return 0
}

/// What it took, on standard error, so that pipes have the answer alone.
private func readFigures(_ read: ArchiveScan.Read, _ took: Duration) -> String {
    "weir: read \(Figures.count(read.files)) of \(Figures.count(read.allFiles)) files, \(Figures.count(read.groups)) of their "
        + "\(Figures.count(read.allGroups)) row groups, \(Figures.count(read.rows)) rows, \(Figures.bytes(read.bytes)) of "
        + "\(Figures.bytes(read.allBytes)), in \(Figures.latency(took))\n"
}

private func archiveQuery(_ arguments: Arguments<QueryOptions>) throws -> ArchiveQuery {
    let until = try arguments.until.map { text in
        guard let time = Instant(rfc3339: text) else {
            throw Refusal.wrong("query: --until \(Spelling.quoted(text)): a time such as 2026-11-24T10:00:00Z is expected (RFC 3339)")
        }
        return time
    }
    // What a node's clock has put a little ahead is asked for as well.
    let end = until ?? Instant(nanoseconds: Clock.wall) + .seconds(3600)
    let from = (until ?? Instant(nanoseconds: Clock.wall)) - arguments.last
    var query = ArchiveQuery(from: from, until: end, by: arguments.grouping)
    query.kind = arguments.kind
    query.places = Set(arguments.places)
    query.source = arguments.source
    query.severity = arguments.severity
    query.heedsRehearsals = arguments.rehearsals
    if let text = arguments.anomaly {
        guard let anomaly = Anomaly.allCases.first(where: { $0.id == text }) else {
            throw Refusal.wrong(
                "query: --anomaly \(Spelling.quoted(text)): no such anomaly" + Spelling.hint(for: text, among: Anomaly.allCases.map(\.id)))
        }
        query.anomaly = anomaly
    }
    query.equal[.node] = arguments.node
    query.equal[.workload] = arguments.workload
    query.equal[.ja4] = arguments.ja4
    query.equal[.traceID] = arguments.trace
    return query
}
