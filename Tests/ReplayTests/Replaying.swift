import Glibc
import Linux
import Support
import Wire

let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""

var weir: String {
    [products, "\(root)/.build/debug", "\(root)/.build/release"].map { "\($0)/weir" }.first { access($0, X_OK) == 0 } ?? "weir"
}

func fixture(_ name: String) -> String { "\(root)/Tests/Fixtures/\(name)" }

/// Runs `weir replay` to its end; standard error is among the lines.
func replay(_ words: String...) throws -> (code: Int, lines: [String]) { try replay(words) }
func replay(_ words: [String]) throws -> (code: Int, lines: [String]) { try run([weir, "replay"] + words) }
/// The same for a line of shell.
func run(_ line: String) throws -> (code: Int, lines: [String]) { try run(["bash", "-c", line]) }

private func run(_ words: [String]) throws -> (code: Int, lines: [String]) {
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

/// The child's first `count` lines; fewer when it ends before.
func lines(_ count: Int, of child: borrowing Child) -> [String] {
    var bytes: [UInt8] = []
    while bytes.count(where: { $0 == 10 }) < count, let more = child.take() {
        bytes += more
        if more.isEmpty {
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            poll(&target, 1, 1000)
        }
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
}

/// A pcap of Ethernet frames with their times in nanoseconds.
func pcap(_ frames: [(time: UInt64, bytes: [UInt8])]) -> [UInt8] {
    func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    var file: [UInt8] = word(0xa1b2_3c4d) + [2, 0, 4, 0] + word(0) + word(0) + word(65535) + word(1)
    for frame in frames { file += word(Int(frame.time / 1_000_000_000)) + word(Int(frame.time % 1_000_000_000)) + word(frame.bytes.count) + word(frame.bytes.count) + frame.bytes }
    return file
}

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

/// What a security engineer would be asked about: many nameless hellos of one source, and somebody else who did nothing.
enum Attack {
    static let capture: [UInt8] = {
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        // 50 nameless hellos a second for 20 seconds, and somebody with a name once a second.
        for number in 0..<1000 as Range<UInt64> {
            let start = 1_700_000_000_000_000_000 + number * 20_000_000
            let c = Conversation(clientPort: 10_000 + UInt16(number))
            for (index, frame) in (c.handshake + [c.data(Hello(serverName: nil).stream(), at: 0)]).enumerated() { frames.append((start + UInt64(index) * 100_000, frame)) }
            if number % 50 == 0 {
                let good = Conversation(client: Address("203.0.113.10")!, clientPort: 20_000 + UInt16(number))
                for (index, frame) in (good.handshake + [good.data(Hello().stream(), at: 0)]).enumerated() { frames.append((start + 1_000_000 + UInt64(index) * 100_000, frame)) }
            }
        }
        return pcap(frames)
    }()

    static let policy = Array("""
    apiVersion: weir.dev/v1alpha1
    kind: ThrottlePolicy
    metadata: {name: replay}
    spec: {scaleOut: {targets: [{match: {ports: [443]}, workload: shop/web, min: 2, max: 6}]}}

    """.utf8)

    /// The same with a length in the header of frame 101 that no frame has.
    static let corrupt: [UInt8] = {
        var file = capture, at = 24
        func length(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(file[at + 8 + $1]) << ($1 * 8) } }
        for _ in 0..<100 { at += 16 + length(at) }
        for index in 8..<12 { file[at + index] = 0xff }
        return file
    }()
}
