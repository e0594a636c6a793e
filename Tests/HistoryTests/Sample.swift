import Glibc
import History
import Linux
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

/// A directory of its own, gone afterwards with the segments in it.
final class Directory {
    let path: String
    init() {
        path = "/tmp/weir-history-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        mkdir(path, 0o700)
    }
    deinit {
        for path in segments { unlink(path) }
        rmdir(path)
    }
    var segments: [String] { ((try? HistoryFiles.names(in: path)) ?? []).map { "\(path)/\($0)" } }
    var size: Int {
        segments.reduce(0) { total, path in
            var status = stat()
            return total + (stat(path, &status) == 0 ? Int(status.st_size) : 0)
        }
    }

    /// All that is told of it.
    func read(_ note: (HistoryItem, borrowing HistoryStream) -> Void = { _, _ in }) throws -> (
        records: [Sample], damage: HistoryStream.Damage
    ) {
        var stream = HistoryStream(segments), records: [Sample] = []
        while let item = try stream.next() {
            note(item, stream)
            guard case .record(let words, let number, let isOwn) = item else { continue }
            records.append(Sample(words, number.flatMap { stream.hello($0) }.map(withoutRandom), isOwn: isOwn))
        }
        return (records, stream.damage)
    }
}

/// A record as it goes in or comes out.
struct Sample: Equatable {
    var words: [UInt64]
    var hello: [UInt8]?
    var isOwn: Bool

    init(_ words: RecordWords, _ hello: [UInt8]?, isOwn: Bool) {
        self.words = words.indices.map { words[$0] }
        (self.hello, self.isOwn) = (hello, isOwn)
    }

    /// As the ring has it, where its clock began `offset` before.
    init(seen: Int, source: UInt32, fingerprint: UInt64, name: String?, offset: Int64 = 0) {
        var handshake = Handshake()
        handshake.seenNanoseconds = UInt64(bitPattern: Int64(seen) - offset)
        handshake.source = Address(ipv4: source)
        handshake.destination = Address("198.51.100.2")!
        (handshake.sourcePort, handshake.destinationPort) = (UInt16(truncatingIfNeeded: source ^ 0x9c40), 443)
        handshake.fingerprint = fingerprint
        handshake.anomalies = name == nil ? AnomalySet(.missingSNI) : AnomalySet()
        handshake.proof = .tracked
        words = withUnsafeBytes(of: handshake) { Array($0.bindMemory(to: UInt64.self)) }
        hello = Hello(serverName: name, number: seen).message
        isOwn = true
    }

    /// The ring's bytes. Without its hello, it did not travel.
    func bytes(withHello: Bool = true) -> [UInt8] {
        var words = words
        let hello = withHello ? hello ?? [] : []
        words[RecordLayout.rawLength] = words[RecordLayout.rawLength] & ~0xffff | UInt64(hello.count)
        return words.withUnsafeBytes { Array($0) } + hello
    }

    /// With the wall's times, as it is told again.
    func told(offset: Int64 = 0, hello: [UInt8]?, isOwn: Bool) -> Sample {
        var copy = self
        for index in [RecordLayout.seen, RecordLayout.first, RecordLayout.until] where copy.words[index] != 0 {
            copy.words[index] = copy.words[index] &+ UInt64(bitPattern: offset)
        }
        (copy.hello, copy.isOwn) = (hello, isOwn)
        return copy
    }
}

/// What is the hello's alone is no part of a history.
func withoutRandom(_ hello: [UInt8]) -> [UInt8] {
    var hello = hello
    for index in 6..<38 where index < hello.count { hello[index] = 0 }
    return hello
}

extension HistoryBuffer {
    func add(_ sample: Sample, withHello: Bool = true, offset: Int64 = 0) {
        let bytes = sample.bytes(withHello: withHello)
        add(bytes.span.bytes, offset: offset)
    }
}

let day: Int64 = 86_400_000_000_000
let bounds = HistoryWriter.Bounds(bytes: 4 << 20, age: .seconds(7 * 86_400))
