import Glibc
import Linux
import Testing

let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""

var program: String {
    [products, "\(root)/.build/debug", "\(root)/.build/release"].map { "\($0)/weir" }.first { access($0, X_OK) == 0 } ?? "weir"
}

func fixture(_ name: String) -> String { "\(root)/Tests/Fixtures/\(name)" }

/// Runs `weir replay` to its end; standard error is among the lines.
func replay(_ words: String...) throws -> (code: Int, lines: [String]) { try run([program, "replay"] + words) }

func weir(_ words: String...) throws -> (code: Int, lines: [String]) { try run([program] + words) }

/// A shell's pipeline, in which `weir` is the program under test.
func shell(_ line: String) throws -> (code: Int, lines: [String]) {
    try run(["/bin/bash", "-o", "pipefail", "-c", "weir() { \(program) \"$@\"; }; \(line)"])
}

/// Another program's output, by its name or path.
func output(of words: [String]) throws -> (code: Int, text: String) {
    let (code, lines) = try run(["/usr/bin/env"] + words)
    return (code, lines.joined(separator: "\n"))
}

func run(_ words: [String]) throws -> (code: Int, lines: [String]) {
    var child = try Child("weir", words, output: true, errorsToo: true)
    var bytes: [UInt8] = []
    while let more = child.take() {
        bytes += more
        if more.isEmpty {
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            poll(&target, 1, 1000)
        }
    }
    var code: Int?
    while code == nil { code = child.poll() }
    return (code!, String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init))
}

/// A pcap of Ethernet frames with their times in nanoseconds.
func capture(_ frames: [(time: UInt64, bytes: [UInt8])]) -> [UInt8] {
    func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    var file: [UInt8] = word(0xa1b2_3c4d) + [2, 0, 4, 0] + word(0) + word(0) + word(65535) + word(1)
    for frame in frames {
        file +=
            word(Int(frame.time / 1_000_000_000)) + word(Int(frame.time % 1_000_000_000)) + word(frame.bytes.count)
            + word(frame.bytes.count) + frame.bytes
    }
    return file
}

/// A file that goes when its owner does.
final class TemporaryFile {
    let path: String
    init(_ bytes: [UInt8]) throws {
        var template = Array("/tmp/weir-replay-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        close(descriptor)
        guard File.write(path, bytes) else { throw Errno.current }
    }
    deinit { unlink(path) }
}
