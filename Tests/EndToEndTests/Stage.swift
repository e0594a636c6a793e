import Glibc
import JSON
import Linux
import Wire

/// What a scenario of stage.py observed.
struct Failure: Error, CustomStringConvertible { let description: String }

let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
/// Beside the test bundle: the programs of this very build.
let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
var isRoot: Bool { geteuid() == 0 }

func program(_ name: String) -> String {
    for folder in [products, "\(root)/.build/debug", "\(root)/.build/release"] where access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
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

/// Plays a scenario and reads its observations.
func play<Result>(_ scenario: String, _ read: (borrowing JSONObject) throws(JSONError) -> Result) throws -> Result {
    let (code, text) = try output(of: ["unshare", "-n", "python3", "\(root)/Tests/EndToEndTests/stage.py", program("weir-agent"), scenario])
    guard code == 0, let line = text.split(separator: "\n").last else { throw Failure(description: "\(scenario): \(text.suffix(2000))") }
    var parser = JSONParser()
    let bytes = Array(line.utf8)
    return try parser.object(bytes.span.bytes) { object throws(JSONError) in try read(object) }
}
