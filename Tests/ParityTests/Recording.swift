import Glibc
import Pcap
import Testing

private let folder = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Fixtures/"

/// A capture of Tests/Fixtures. Whatever lies in the folder takes part: nobody has to remember a list.
struct Recording: Sendable, CustomTestStringConvertible {
    let file: String
    let frames: [[UInt8]]
    var testDescription: String { file }
    /// The kernel is given no longer frames outside a network.
    var framesForKernel: [[UInt8]] { frames.filter { $0.count <= 3712 } }

    static let all: [Recording] = names.map { name in
        var frames: [[UInt8]] = []
        do {
            var capture = try Capture(path: folder + name)
            while try capture.next({ _, bytes in frames.append(bytes.withUnsafeBytes { Array($0) }) }) {}
        } catch { fatalError("\(error)") }
        return Recording(file: name, frames: frames)
    }

    private static let names: [String] = {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            if name.hasSuffix(".pcap") || name.hasSuffix(".pcapng") { names.append(name) }
        }
        return names.sorted()
    }()

    /// What each client sent first, as a stream of bytes, up to the end of its hello or of its first 2 KB. These files lose no segment and turn none round.
    var clientStreams: [[UInt8]] {
        var streams: [[UInt8]: [UInt8]] = [:], order: [[UInt8]] = []
        for frame in frames {
            guard let (key, payload) = Self.clientPayload(of: frame), !payload.isEmpty else { continue }
            if streams[key] == nil { order.append(key) }
            streams[key, default: []] += payload
        }
        return order.map { key in
            let stream = streams[key]!
            return Array(stream.prefix(Self.endOfHello(in: stream) ?? 2048))
        }
    }

    /// Where the first handshake message of a stream ends; `nil` when it does not.
    static func endOfHello(in stream: [UInt8]) -> Int? {
        var at = 0, have = 0, header: [UInt8] = []
        while at + 5 <= stream.count, stream[at] == 22 {
            let size = Int(stream[at + 3]) << 8 | Int(stream[at + 4])
            header += stream[(at + 5)..<min(at + 5 + size, stream.count)].prefix(4 - header.count)
            if header.count == 4 {
                let wanted = 4 + Int(header[1]) << 16 + Int(header[2]) << 8 + Int(header[3])
                if have + size >= wanted { return at + 5 + wanted - have <= stream.count ? at + 5 + wanted - have : nil }
            }
            have += size
            at += 5 + size
        }
        return nil
    }

    private static func clientPayload(of frame: [UInt8]) -> (key: [UInt8], payload: ArraySlice<UInt8>)? {
        func u16(_ at: Int) -> Int { Int(frame[at]) << 8 | Int(frame[at + 1]) }
        var at = 12
        while u16(at) == 0x8100 { at += 4 }
        let isIPv4 = u16(at) == 0x0800
        at += 2
        let end = min(frame.count, isIPv4 ? at + u16(at + 2) : at + 40 + u16(at + 4)), tcp = at + (isIPv4 ? Int(frame[at] & 15) * 4 : 40)
        guard [443, 8443].contains(u16(tcp + 2)), tcp + Int(frame[tcp + 12] >> 4) * 4 <= end else { return nil }
        return (Array(frame[(isIPv4 ? at + 12 : at + 8)..<(tcp + 4)]), frame[(tcp + Int(frame[tcp + 12] >> 4) * 4)..<end])
    }
}

/// A line of expected.tsv: what tshark says of one hello.
struct Expected: Hashable {
    let frame: Int
    let source: String
    let name: String

    static let byFile: [String: [Expected]] = {
        guard let stream = fopen(folder + "expected.tsv", "r") else { return [:] }
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, stream)], as: UTF8.self)
        var all: [String: [Expected]] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            all[fields[0], default: []].append(Expected(frame: Int(fields[1])!, source: fields[2].isEmpty ? fields[3] : fields[2], name: fields[4]))
        }
        return all
    }()
}
