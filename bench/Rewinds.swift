internal import Detection
internal import Glibc
internal import History
internal import Linux
internal import Pcap
internal import Probe
internal import Units
internal import Vocabulary
internal import Wire

/// What a history costs the loop and its thread, how large it is, and how fast `weir rewind` judges it: whole conversations, of many
/// stacks drawn evenly, and of few that make most.
func measureRewind(_ report: inout Report) throws {
    for (kind, hellos) in [(CaptureMaker.Kind.short, 300_000), (.mixed, 300_000)] { try measure(&report, kind, hellos) }
}

private func measure(_ report: inout Report, _ kind: CaptureMaker.Kind, _ hellos: Int) throws {
    var folder = Array("\(unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp")/weir-bench-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&folder) != nil else { throw Errno.current }
    let path = String(decoding: folder.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
        for name in (try? HistoryFiles.names(in: path)) ?? [] { unsafe unlink("\(path)/\(name)") }
        unsafe _ = rmdir(path)
    }
    let spent = try makeHistory(path, kind, hellos)
    let size = try HistoryFiles.names(in: path).reduce(0) { total, name in
        var status = stat()
        return unsafe stat("\(path)/\(name)", &status) == 0 ? total + Int(status.st_size) : total
    }
    func each(_ nanoseconds: UInt64) -> String { "\(nanoseconds / UInt64(max(1, spent.records))) ns" }
    let title =
        "a history of \(hellos) hellos of \(kind == .short ? "100,000 stacks drawn evenly" : "2,000 stacks, few of which make most")"
    report.add(
        "\(title): the loop's copy, a record", each(spent.loop),
        baseline: "its thread \(each(spent.thread)), \(size / max(1, spent.records)) B on the disk")
    let policy = "\(path)/next.yaml"
    defer { unsafe _ = unlink(policy) }
    _ = File.write(
        policy, Array("apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: next}\nspec: {mode: enforce}\n".utf8))
    let weir = ownExecutable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/weir"
    guard let run = Timed.best(of: 3, [[weir, "rewind", "--policy", policy, "--state", path, "--last", "3650d"]])[0], run.code == 0 else {
        throw Trouble(description: "weir rewind failed")
    }
    let perSecond = Double(spent.records) * 1e9 / Double(run.wallNanoseconds)
    report.add(
        "it judged again under two policies: records a second", "\(Int(perSecond))",
        baseline: "\(run.maximumResidentKilobytes / 1024) MB resident")
}

/// By the agent's own buffer and writer, over what the limiter says of a capture.
private func makeHistory(_ path: String, _ kind: CaptureMaker.Kind, _ hellos: Int) throws -> (records: Int, loop: UInt64, thread: UInt64) {
    let file = "\(path)/capture.pcap"
    defer { unsafe _ = unlink(file) }
    _ = try makeCapture(kind, hellos: hellos, at: file)
    var policy = Policy()
    (policy.mode, policy.capture) = (.enforce, .all)
    var engine = NativeEngine(KernelPolicy(policy, vouchesForAll: true), enforcing: true), capture = try Capture(path: file)
    let buffer = HistoryBuffer(capacity: 16 << 20)
    var writer = HistoryWriter(directory: path, node: "bench", bounds: HistoryWriter.Bounds(bytes: 4 << 30, age: .seconds(86_400)))
    var records = 0, loop: UInt64 = 0, thread: UInt64 = 0, frames = 0
    _ = buffer.add(HistoryPolicy(name: "default", version: "builtin", enforces: true, text: []))
    while try capture.next({ frame, bytes in
        engine.run(bytes, wireSize: frame.originalLength, at: UInt64(frame.time.nanoseconds)) { record in
            guard let handshake = Handshake(record), handshake.kind != .datagram else { return }
            let begun = Clock.monotonic
            buffer.add(record.extracting(first: Handshake.size + handshake.rawLength), offset: 0)
            loop += Clock.monotonic - begun
            records += 1
        }
    }) {
        frames += 1
        guard frames & 4095 == 0 else { continue }
        let begun = Clock.monotonic
        writer.drain(buffer, at: Clock.wall)
        thread += Clock.monotonic - begun
    }
    let begun = Clock.monotonic
    writer.end(buffer, at: Clock.wall)
    thread += Clock.monotonic - begun
    guard buffer.missedCount == 0 else { throw Trouble(description: "the history's buffer was full") }
    return (records, loop, thread)
}
