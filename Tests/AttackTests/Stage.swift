import Glibc
import JSON
import Linux
import Testing
import Wire

/// What a stage observed that it should not, or that it could not be played.
struct Failure: Error, CustomStringConvertible { let description: String }

let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
/// Beside the test bundle: the programs of this very build.
let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
var isRoot: Bool { geteuid() == 0 }
var hasNftables: Bool { (["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"] as [StaticString]).contains { access("\($0)", X_OK) == 0 } }

private func program(_ name: String) -> String {
    for folder in [products, "\(root)/.build/debug", "\(root)/.build/release"] where access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
    return name
}

/// Runs a program to its end and gives all that it printed.
private func output(of words: [String], secondsAtMost: Int) throws -> (code: Int, text: String) {
    var child = try Child(words[0], words, output: true, errorsToo: true)
    let end = Clock.monotonic + UInt64(secondsAtMost) * 1_000_000_000
    var bytes: [UInt8] = []
    while let more = child.take(), Clock.monotonic < end {
        bytes += more
        if more.isEmpty {
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            poll(&target, 1, 100)
        }
    }
    while Clock.monotonic < end {
        if let code = child.poll() { return (code, String(decoding: bytes, as: UTF8.self)) }
        sched_yield()
    }
    throw Failure(description: "\(words.joined(separator: " ")) did not end: \(String(decoding: bytes.suffix(500), as: UTF8.self))")
}

/// What became of one trick's connections, or of one kind of honest visit.
struct Row: CustomStringConvertible {
    var says = "", family = 0, error = ""
    var opened = 0, answered = 0, most = 0, written = 0, silent = 0, hanging = 0, wrong: [String] = []
    var least = 0, mayHang = 0, mayBeSilent = 0, reaches = false
    var attempted = 0, succeeded = 0, refused = 0

    var description: String {
        "\(says), IPv\(family): " + (attempted > 0 ? "\(succeeded) of \(attempted) succeeded, \(refused) refused"
            : "\(answered) of \(opened) answered, at most \(most) in a second; \(written) written, \(silent) told nothing, \(hanging) hang \(wrong.joined(separator: ", "))") + error
    }
}

private func integer(_ row: borrowing JSONObject, _ name: StaticString) throws(JSONError) -> Int { Int(try row.integer(name)) }

/// A stage in namespaces of its own: stage.py says what the words mean.
func play(_ shape: String, _ answer: String, _ set: String, secondsAtMost: Int = 170) throws -> (rows: [Row], badSums: Int) {
    let words = ["unshare", "-n", "python3", "-B", "\(root)/Tests/AttackTests/stage.py", program("weir-agent"), shape, answer, set]
    let (code, text) = try output(of: words, secondsAtMost: secondsAtMost)
    guard code == 0, let line = text.split(separator: "\n").last else { throw Failure(description: "\(shape) \(answer) \(set): \(text.suffix(2000))") }
    var parser = JSONParser()
    let bytes = Array(line.utf8)
    return try parser.object(bytes.span.bytes) { object throws(JSONError) in
        var rows: [Row] = []
        try object.objects("rows") { row throws(JSONError) in
            var made = Row()
            made.says = try row.string("trick")
            made.family = try integer(row, "family")
            if let error = try? row.string("error") {
                made.error = error
            } else if set == "honest" {
                made.attempted = try integer(row, "attempted")
                made.succeeded = try integer(row, "succeeded")
                made.refused = try integer(row, "refused")
                made.error = try row.strings("why").joined(separator: ", ")
            } else {
                made.opened = try integer(row, "opened")
                made.answered = try integer(row, "answered")
                made.most = try integer(row, "most")
                made.written = try integer(row, "written")
                made.silent = try integer(row, "silent")
                made.hanging = try integer(row, "hanging")
                made.wrong = try row.strings("wrong")
                made.least = try integer(row, "least")
                made.mayHang = try integer(row, "hangs")
                made.mayBeSilent = try integer(row, "may_be_silent")
                made.reaches = try row.boolean("reaches")
            }
            rows.append(made)
        }
        return (rows, try integer(object, "bad_sums"))
    }
}
