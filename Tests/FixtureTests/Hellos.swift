import Detection
import Pcap

/// The hellos of a capture, found in the simplest way that is right for these files: segments in order, none lost.
struct Hellos {
    var found: [(frame: Int, hello: ClientHello)] = []
    private var streams: [[UInt8]: [UInt8]?] = [:]

    init(_ path: String) throws {
        var capture = try Capture(path: path)
        var frames: [(Int, [UInt8])] = []
        while try capture.next({ frame, bytes in frames.append((frame.number, bytes.withUnsafeBytes { Array($0) })) }) {}
        for (number, bytes) in frames { take(bytes, number) }
    }

    private mutating func take(_ frame: [UInt8], _ number: Int) {
        func u16(_ at: Int) -> Int { Int(frame[at]) << 8 | Int(frame[at + 1]) }
        var at = 12
        while u16(at) == 0x8100 { at += 4 }
        let isIPv4 = u16(at) == 0x0800
        at += 2
        let addresses = isIPv4 ? frame[(at + 12)..<(at + 20)] : frame[(at + 8)..<(at + 40)]
        let end = isIPv4 ? at + u16(at + 2) : at + 40 + u16(at + 4)
        let tcp = at + (isIPv4 ? Int(frame[at] & 15) * 4 : 40)
        guard [443, 8443].contains(u16(tcp + 2)), end <= frame.count else { return }
        let key = Array(addresses) + frame[tcp..<(tcp + 4)]
        let payload = frame[(tcp + Int(frame[tcp + 12] >> 4) * 4)..<end]
        // A stream that has had its hello, or will never have one, is `nil`.
        guard !payload.isEmpty, var stream = streams[key, default: []] else { return }
        stream += payload
        guard let message = Self.message(in: stream) else {
            streams[key] = .some(stream)
            return
        }
        streams[key] = .some(nil)
        if let hello = ClientHello(message), !hello.isPartial { found.append((number, hello)) }
    }

    /// The handshake message without its record headers; empty when there is none, `nil` when more bytes are needed.
    private static func message(in stream: [UInt8]) -> [UInt8]? {
        var message: [UInt8] = [], at = 0
        while at + 5 <= stream.count {
            guard stream[at] == 22 else { return [] }
            let size = Int(stream[at + 3]) << 8 | Int(stream[at + 4])
            message += stream[(at + 5)..<min(at + 5 + size, stream.count)]
            if message.count >= 4, message.count - 4 >= Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3]) { return message }
            at += 5 + size
        }
        return nil
    }
}
