import Glibc
import JSON
import Linux
import Testing
import Units

/// What a scenario of stage.py observed.
struct Failure: Error, CustomStringConvertible { let description: String }

let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
/// Beside the test bundle: the programs of this very build.
let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
var hasNoida: Bool { access("\(root)/.deps/venv/bin/noida-db", X_OK) == 0 }
var isRoot: Bool { geteuid() == 0 }

func program(_ name: String) -> String {
    for folder in [products, "\(root)/.build/debug", "\(root)/.build/release"] where access("\(folder)/\(name)", X_OK) == 0 {
        return "\(folder)/\(name)"
    }
    return name
}

/// Runs a program to its end and gives all that it printed.
func output(of words: [String], secondsAtMost: Int = 180) throws -> (code: Int, text: String) {
    var child = try Child(words[0], words, output: true, errorsToo: true)
    let end = Clock.monotonic + UInt64(secondsAtMost) * 1_000_000_000
    var bytes: [UInt8] = []
    while let more = child.take(), Clock.monotonic < end {
        bytes += more
        if more.isEmpty { waitForOutput(child.outputDescriptor) }
    }
    while Clock.monotonic < end {
        if let code = child.poll() { return (code, String(decoding: bytes, as: UTF8.self)) }
        sched_yield()
    }
    throw Failure(description: "\(words.joined(separator: " ")) did not end: \(String(decoding: bytes.suffix(500), as: UTF8.self))")
}

private func waitForOutput(_ descriptor: CInt) {
    var target = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    poll(&target, 1, 100)
}

/// Processes that carry a test's mark in their environment, which they hand down to all that they start. A network namespace
/// without a name lasts as long as its processes, and with it its links and qdiscs: so none of them means none of those.
func marked(_ mark: String) -> [String] {
    guard let folder = opendir("/proc") else { return ["/proc cannot be read"] }
    defer { closedir(folder) }
    var found: [String] = []
    while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard CInt(name) != nil, let environment = File.read("/proc/\(name)/environ", limit: 1 << 20),
            environment.split(separator: "\0").contains("WEIR_TEST=\(mark)")
        else { continue }
        found.append("\(name) \((File.read("/proc/\(name)/cmdline", limit: 200) ?? "").replacing("\0", with: " "))")
    }
    return found
}

/// A mark that no other process has.
func newMark() -> String { "\(getpid())-\(Clock.monotonic)" }

/// What of ours stands in the machine's own network: none of it ever should.
func leftOutside() -> [String] {
    let ours: Set<String> = ["inner", "innerc", "late0", "late0c", "br0"]
    return Interfaces.all.map(\.name).filter { ours.contains($0) || $0.hasPrefix("edge") }
}

/// Plays a scenario and reads its observations; nothing may be left of it.
/// - Parameter file: where the scenario stands.
func play<Result>(_ scenario: String, of file: String = "stage.py", _ read: (borrowing JSONObject) throws(JSONError) -> Result) throws
    -> Result
{
    let mark = newMark()
    let (code, text) = try output(of: [
        "env", "WEIR_TEST=\(mark)", "unshare", "-n", "python3", "\(root)/Tests/EndToEndTests/\(file)", program("weir-agent"), scenario
    ])
    guard code == 0, let line = text.split(separator: "\n").last else { throw Failure(description: "\(scenario): \(text.suffix(2000))") }
    var parser = JSONParser()
    let bytes = Array(line.utf8)
    #expect(marked(mark) == [])
    #expect(leftOutside() == [])
    return try parser.object(bytes.span.bytes) { object throws(JSONError) in
        #expect(try object.strings("left") == [])
        return try read(object)
    }
}
