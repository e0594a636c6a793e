import Glibc
import Pcap
import Testing

private let folder = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Fixtures/"

/// A recorded capture's frames, and where their TCP is.
struct Recording: Sendable, CustomTestStringConvertible {
    let name: String
    var frames: [[UInt8]]
    var testDescription: String { name }

    init(_ name: String) {
        self.name = name
        var frames: [[UInt8]] = []
        do {
            var capture = try Capture(path: folder + name)
            while try capture.next({ _, bytes in frames.append(bytes.withUnsafeBytes { Array($0) }) }) {}
        } catch { Issue.record("\(name): \(error)") }
        self.frames = frames
    }

    static let all: [Recording] = {
        var names: [String] = []
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".pcap") || name.hasSuffix(".pcapng") { names.append(name) }
        }
        return names.sorted().map { Recording($0) }
    }()

    /// BPF_PROG_TEST_RUN takes no more.
    static let kernelLimit = 3712
    var short: [[UInt8]] { frames.filter { $0.count <= Self.kernelLimit } }
    var longFrames: Int { frames.count - short.count }

    /// A frame's TCP: where it starts, and its payload if all of it was captured.
    struct Segment {
        let at: Int
        let isFromClient: Bool
        let payload: [UInt8]
    }

    static func segment(_ frame: [UInt8]) -> Segment? {
        func word(_ at: Int) -> Int { at + 1 < frame.count ? Int(frame[at]) << 8 | Int(frame[at + 1]) : 0 }
        var at = 12
        while word(at) == 0x8100 { at += 4 }
        let isIPv4 = word(at) == 0x0800
        guard isIPv4 || word(at) == 0x86dd else { return nil }
        at += 2
        guard at + 40 < frame.count, frame[isIPv4 ? at + 9 : at + 6] == 6 else { return nil }
        let tcp = at + (isIPv4 ? Int(frame[at] & 15) * 4 : 40), end = isIPv4 ? at + word(at + 2) : at + 40 + word(at + 4)
        let data = tcp + Int(tcp + 12 < frame.count ? frame[tcp + 12] >> 4 : 0) * 4
        guard tcp + 20 <= frame.count, data <= end else { return nil }
        return Segment(
            at: tcp, isFromClient: [443, 8443].contains(word(tcp + 2)), payload: end <= frame.count ? Array(frame[data..<end]) : [])
    }

    /// The same conversations from another client port, so that they are new to an engine that has seen them.
    func from(port: UInt16) -> [[UInt8]] {
        frames.map { frame in
            guard let segment = Self.segment(frame) else { return frame }
            var frame = frame
            let at = segment.isFromClient ? segment.at : segment.at + 2
            // Different ones of one capture stay different.
            let old = UInt16(frame[at]) << 8 | UInt16(frame[at + 1]), new = port &+ old % 16
            (frame[at], frame[at + 1]) = (UInt8(new >> 8), UInt8(new & 255))
            return frame
        }
    }

    /// The bytes of the first client that says anything.
    var clientStream: [UInt8] {
        var stream: [UInt8] = [], port: [UInt8]?
        for frame in frames {
            guard let segment = Self.segment(frame), segment.isFromClient, !segment.payload.isEmpty else { continue }
            let here = Array(frame[segment.at..<(segment.at + 2)])
            if port == nil { port = here }
            if port == here { stream += segment.payload }
        }
        return stream
    }

    /// tshark's word on one hello: expected.tsv.
    struct Truth: Sendable, CustomTestStringConvertible {
        let file: String
        let frame: Int
        let source: String
        let name: String
        let legacyVersion: UInt16
        let extensions: [UInt16]
        var testDescription: String { "\(file) frame \(frame)" }
        /// Of supported_versions, GREASE included.
        let offered: [UInt16]
        var version: UInt16 { offered.filter { $0 >> 8 == 3 }.max() ?? legacyVersion }
    }

    static let truths: [Truth] = {
        guard let stream = fopen(folder + "expected.tsv", "r") else { return [] }
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, stream)], as: UTF8.self).split(separator: "\n").map { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init),
                ja3 = fields[5].split(separator: ",", omittingEmptySubsequences: false)
            return Truth(
                file: fields[0], frame: Int(fields[1])!, source: fields[2].isEmpty ? fields[3] : fields[2], name: fields[4],
                legacyVersion: UInt16(ja3[0])!,
                extensions: ja3[2].split(separator: "-").map { UInt16($0)! },
                offered: fields[7].split(separator: ",").compactMap { UInt16($0.dropFirst(2), radix: 16) })
        }
    }()
}
