internal import Glibc
internal import Linux
internal import Terminal

/// `weir replay` beside what others take for the same file: tcpdump only reads and writes it (the floor), ndpiReader and tshark look for hellos too.
func measureReplay(_ report: inout Report) throws {
    let directory = try ScratchFile("replay", "")
    let hellos = "\(directory.path).hellos.pcap", mixed = "\(directory.path).mixed.pcap", few = "\(directory.path).few.pcap"
    defer { for path in [hellos, mixed, few] { _ = unsafe unlink(path) } }
    try writeHellos(hellos, count: 1_000_000)
    try writeHellos(few, count: 50_000)
    try writeMixed(mixed, count: 200_000)
    let weir = ownExecutable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/weir"

    let floor = try best(["tcpdump", "-r", hellos, "-w", "/dev/null"]), others = try timed(["ndpiReader", "-q", "-i", hellos]), dissector = try timed(["tshark", "-r", few, "-Y", "tls.handshake.type==1", "-T", "fields", "-e", "tls.handshake.ja3"])
    let summary = try best([weir, "replay", "--summary-only", hellos]), lines = try best([weir, "replay", "--format", "json", hellos])
    func rate(_ run: (seconds: Double, kilobytes: Int), _ count: Double) -> String { "\(Figures.count(Int(count / run.seconds))) a second" }
    report.add("replay of 1,000,000 hellos, summary only", rate(summary, 1e6), baseline: "tcpdump \(rate(floor, 1e6))", goal: "a third of it", isMet: summary.seconds < floor.seconds * 3)
    if others.seconds > 0 {
        report.add("the same", "\(ratio(others.seconds / summary.seconds)) times ndpiReader", baseline: "ndpiReader \(rate(others, 1e6))", goal: "40 times", isMet: others.seconds / summary.seconds >= 40)
        report.add("a JSON line for each, JA3 and JA4 in it", "\(ratio(others.seconds / lines.seconds)) times ndpiReader", baseline: rate(lines, 1e6), goal: "15 times", isMet: others.seconds / lines.seconds >= 15)
    }
    if dissector.seconds > 0 { report.add("tshark, hellos with JA3", rate(dissector, 5e4)) }
    report.add("memory, summary and lines", "\(summary.kilobytes / 1000) and \(lines.kilobytes / 1000) MB", baseline: "ndpiReader \(others.kilobytes / 1000) MB", goal: "under 64 MB", isMet: max(summary.kilobytes, lines.kilobytes) < 64_000)
    let mixedFloor = try best(["tcpdump", "-r", mixed, "-w", "/dev/null"]), mixedRun = try best([weir, "replay", "--summary-only", mixed])
    report.add("200,000 handshakes among bulk data, summary only", "\(Figures.count(Int(1.8e6 / mixedRun.seconds))) frames a second", baseline: "tcpdump \(Figures.count(Int(1.8e6 / mixedFloor.seconds)))",
               goal: "a third of it", isMet: mixedRun.seconds < mixedFloor.seconds * 3)
}

private func ratio(_ value: Double) -> String { "\(Double(Int(value * 10)) / 10)" }

/// The better of three: the first one also reads the disk.
private func best(_ words: [String]) throws -> (seconds: Double, kilobytes: Int) {
    let runs = try (0..<3).map { _ in try timed(words) }
    return runs.min { $0.seconds < $1.seconds }!
}

/// Wall time and the most memory that it had; 0 when there is no such program.
private func timed(_ words: [String]) throws -> (seconds: Double, kilobytes: Int) {
    let script = "import resource,subprocess,sys,time\nb=time.monotonic()\ntry: subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL)\nexcept OSError: print(0,0);sys.exit()\nprint(int((time.monotonic()-b)*1e6),resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    var child = try Child("python3", ["python3", "-c", script] + words, output: true)
    var text = ""
    while child.poll() == nil {
        text += String(decoding: child.take() ?? [], as: UTF8.self)
        usleep(1000)
    }
    text += String(decoding: child.take() ?? [], as: UTF8.self)
    let figures = text.split { $0 == " " || $0 == "\n" }.compactMap { Int($0) }
    return figures.count == 2 ? (Double(figures[0]) / 1e6, figures[1]) : (0, 0)
}
