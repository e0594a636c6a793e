import Glibc
import JSON
import Linux
import Testing
import Vocabulary

/// What a stage observed that it should not, or that it could not be played.
struct Failure: Error, CustomStringConvertible { let description: String }

let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
/// Beside the test bundle: the programs of this very build.
let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
var isRoot: Bool { geteuid() == 0 }
var hasNftables: Bool { (["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"] as [StaticString]).contains { access("\($0)", X_OK) == 0 } }

private func program(_ name: String) -> String {
    for folder in [products, "\(root)/.build/debug", "\(root)/.build/release"] where access("\(folder)/\(name)", X_OK) == 0 {
        return "\(folder)/\(name)"
    }
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
    var attempted = 0, succeeded = 0, refused = 0, free = 0

    var description: String {
        "\(says), IPv\(family): "
            + (attempted > 0
                ? "\(succeeded) of \(attempted) succeeded, \(refused) refused"
                : "\(answered) of \(opened) answered, at most \(most) in a second; \(written) written, \(silent) told nothing, \(hanging) hang \(wrong.joined(separator: ", "))")
            + error
    }
}

private func integer(_ row: borrowing JSONObject, _ name: StaticString) throws(JSONError) -> Int { Int(try row.integer(name)) }

/// A stage in namespaces of its own: stage.py says what the words mean.
func play(_ shape: String, _ answer: String, _ set: String, secondsAtMost: Int = 500) throws -> (rows: [Row], badSums: Int) {
    let words = ["unshare", "-n", "python3", "-B", "\(root)/Tests/AttackTests/stage.py", program("weir-agent"), shape, answer, set]
    let (code, text) = try output(of: words, secondsAtMost: secondsAtMost)
    guard code == 0 else { throw Failure(description: "\(shape) \(answer) \(set): \(text.suffix(2000))") }
    var parser = JSONParser()
    var rows: [Row] = [], badSums = -1
    for line in text.split(separator: "\n") where line.hasPrefix("{") {
        let bytes = Array(line.utf8)
        try parser.object(bytes.span.bytes) { object throws(JSONError) in
            if let sums = try? integer(object, "bad_sums") {
                badSums = sums
            } else {
                rows.append(
                    try ["quic", "stopped"].contains(set)
                        ? quicRow(of: object) : row(of: object, isHonest: ["honest", "crowd", "forgers", "flood", "balanced"].contains(set))
                )
            }
        }
    }
    guard badSums >= 0 else { throw Failure(description: "\(shape) \(answer) \(set): \(text.suffix(2000))") }
    return (rows, badSums)
}

/// Of connections over QUIC, each with a name is attempted, each without is opened.
private func quicRow(of object: borrowing JSONObject) throws(JSONError) -> Row {
    var made = Row()
    made.says = try object.string("trick")
    made.family = try integer(object, "family")
    made.attempted = try integer(object, "attempted")
    made.succeeded = try integer(object, "succeeded")
    made.opened = try integer(object, "opened")
    made.answered = try integer(object, "answered")
    made.most = try integer(object, "most")
    made.free = try integer(object, "free")
    made.error = try object.strings("why").joined(separator: ", ")
    return made
}

private func row(of object: borrowing JSONObject, isHonest: Bool) throws(JSONError) -> Row {
    var made = Row()
    made.says = try object.string("trick")
    made.family = try integer(object, "family")
    if let error = try? object.string("error") {
        made.error = error
    } else if isHonest {
        made.attempted = try integer(object, "attempted")
        made.succeeded = try integer(object, "succeeded")
        made.refused = try integer(object, "refused")
        made.error = try object.strings("why").joined(separator: ", ")
    } else {
        made.opened = try integer(object, "opened")
        made.answered = try integer(object, "answered")
        made.most = try integer(object, "most")
        made.written = try integer(object, "written")
        made.silent = try integer(object, "silent")
        made.hanging = try integer(object, "hanging")
        made.wrong = try object.strings("wrong")
        made.least = try integer(object, "least")
        made.mayHang = try integer(object, "hangs")
        made.mayBeSilent = try integer(object, "may_be_silent")
        made.reaches = try object.boolean("reaches")
    }
    return made
}
