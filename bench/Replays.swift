internal import Glibc
internal import Linux

/// `weir replay` beside tcpdump, ndpiReader and tshark over the same captures, made here and removed again.
func measureReplay(_ report: inout Report) throws {
    var folder = Array("\(temporaryFolder)/weir-bench-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&folder) != nil else { throw Errno.current }
    let path = String(decoding: folder.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unsafe _ = rmdir(path) }
    // What is warm last: a cache that holds every stack says little of the world.
    for (kind, hellos) in [(CaptureMaker.Kind.diverse, 1_000_000), (.short, 300_000), (.hellos, 1_000_000), (.mixed, 200_000)] {
        let file = "\(path)/\(kind).pcap"
        defer { unsafe _ = unlink(file) }
        let made = try makeCapture(kind, hellos: hellos, at: file)
        if kind == .diverse || kind == .short {
            try measureDiverse(&report, file, kind, frames: made.frames, megabytes: made.bytes / 1_000_000, hellos: hellos)
            continue
        }
        try measure(&report, file, kind, frames: made.frames, megabytes: made.bytes / 1_000_000, hellos: hellos)
    }
}

func makeCapture(_ kind: CaptureMaker.Kind, hellos: Int, at file: String) throws -> (frames: Int, bytes: Int) {
    var maker = try CaptureMaker(writing: file, fixtures: fixtures)
    return try maker.make(kind, hellos: hellos)
}

private var temporaryFolder: String { unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp" }
private var fixtures: String { #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 } + "/Tests/Fixtures" }
private var weir: String { ownExecutable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/weir" }

private func run(_ turns: Int, _ commands: [String]...) throws -> [Timed] {
    try zip(commands, Timed.best(of: turns, commands)).map { words, best in
        guard let best, best.code == 0 else {
            throw Trouble(description: "\(words[0]) failed; `make bench` needs tcpdump, tshark and libndpi-bin")
        }
        return best
    }
}

/// By processor time, of which several threads take more and not less; and what a second core brings, by the clock.
private func measureDiverse(_ report: inout Report, _ file: String, _ kind: CaptureMaker.Kind, frames: Int, megabytes: Int, hellos: Int)
    throws
{
    let title = "replay of \(thousands(hellos)) \(kind) hellos (\(thousands(frames)) frames, \(megabytes) MB)"
    let runs = try run(
        5, ["tcpdump", "-r", file, "-w", "/dev/null"], [weir, "replay", "--summary-only", file], [weir, "replay", "--format", "json", file],
        [weir, "replay", "--jobs", "2", "--format", "json", file])
    let (floor, summary, json, two) = (runs[0], runs[1], runs[2], runs[3])
    func perSecond(_ count: Int, _ run: Timed) -> Double { Double(count) * 1e9 / Double(run.cpuNanoseconds) }
    let ratio = Double(floor.cpuNanoseconds) / Double(summary.cpuNanoseconds), goal = kind == .diverse ? 0.33 : 0.6
    report.add(
        "\(title): summary only", "\(millions(perSecond(frames, summary))) frames per processor second",
        baseline: "tcpdump -w /dev/null \(millions(perSecond(frames, floor)))", goal: "\(goal) of it: \(rounded(ratio))",
        isMet: ratio >= goal)
    report.add(
        "a JSON line for each, JA3 and JA4 in it", "\(thousands(Int(perSecond(hellos, json)))) per processor second",
        baseline: "summary \(thousands(Int(perSecond(hellos, summary))))", goal: "900,000", isMet: perSecond(hellos, json) >= 900_000)
    report.add(
        "the same with --jobs 2", "\(thousands(Int(Double(hellos) * 1e9 / Double(two.wallNanoseconds)))) a second by the clock",
        baseline: "one job \(thousands(Int(Double(hellos) * 1e9 / Double(json.wallNanoseconds))))")
    let most = max(summary.maximumResidentKilobytes, json.maximumResidentKilobytes, two.maximumResidentKilobytes) / 1024
    report.add("resident memory of it", "\(most) MB", baseline: "file \(megabytes) MB", goal: "under 64 MB", isMet: most < 64)
}

private func measure(_ report: inout Report, _ file: String, _ kind: CaptureMaker.Kind, frames: Int, megabytes: Int, hellos: Int) throws {
    let title = "replay of \(thousands(hellos)) \(kind) (\(thousands(frames)) frames, \(megabytes) MB)"
    // Of each the quickest of five, one after the other in every turn; the slow two once.
    let quick = try run(
        5, ["tcpdump", "-r", file, "-w", "/dev/null"], [weir, "replay", "--summary-only", file], [weir, "replay", "--format", "json", file])
    let slow = try run(
        1, ["ndpiReader", "-q", "-i", file],
        [
            "tshark", "-r", file, "-Y", "tls.handshake.type==1", "-T", "fields", "-e", "tls.handshake.extensions_server_name", "-e",
            "tls.handshake.ja3"
        ])
    let (floor, summary, json, deep, shark) = (quick[0], quick[1], quick[2], slow[0], slow[1])
    func perSecond(_ count: Int, _ run: Timed) -> Double { Double(count) * 1e9 / Double(run.wallNanoseconds) }
    func times(_ left: Timed, _ right: Timed) -> Double { Double(right.wallNanoseconds) / Double(left.wallNanoseconds) }
    func memory(_ run: Timed) -> String { "\(run.maximumResidentKilobytes / 1024) MB" }
    report.add(
        "\(title): summary only", "\(millions(perSecond(frames, summary))) frames/s",
        baseline: "tcpdump -w /dev/null \(millions(perSecond(frames, floor)))",
        goal: "a third of it: \(rounded(times(summary, floor)))", isMet: times(summary, floor) * 3 >= 1)
    // Where most is bulk, reading alone is a smaller part of ndpiReader's time than the goal asks: then the ratio is stated, not judged.
    let isJudged = times(floor, deep) > 60
    report.add(
        "the same in hellos", "\(thousands(Int(perSecond(hellos, summary))))/s, \(memory(summary))",
        baseline: "ndpiReader -q \(thousands(Int(perSecond(hellos, deep)))), \(memory(deep))",
        goal: "40 times: \(rounded(times(summary, deep)))\(isJudged ? "" : " (tcpdump: \(rounded(times(floor, deep))))")",
        isMet: isJudged ? times(summary, deep) >= 40 : nil)
    report.add(
        "a JSON line for each, JA3 and JA4 in it", "\(thousands(Int(perSecond(hellos, json))))/s, \(memory(json))",
        baseline: "tshark \(thousands(Int(perSecond(hellos, shark)))), \(memory(shark))",
        goal: "15 times ndpiReader: \(rounded(times(json, deep)))", isMet: isJudged ? times(json, deep) >= 15 : nil)
    let most = max(summary.maximumResidentKilobytes, json.maximumResidentKilobytes) / 1024
    report.add("resident memory of it", "\(most) MB", baseline: "file \(megabytes) MB", goal: "under 64 MB", isMet: most < 64)
}

private func millions(_ value: Double) -> String { "\(Double(Int(value / 10_000)) / 100) M" }
private func rounded(_ value: Double) -> String { value < 10 ? "\(Double(Int(value * 100)) / 100)" : "\(Int(value))" }
private func thousands(_ value: Int) -> String {
    value < 1000 ? "\(value)" : "\(thousands(value / 1000)),\(String(value % 1000 + 1000).dropFirst())"
}
