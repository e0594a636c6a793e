internal import Detection
internal import Glibc
internal import Pcap
internal import Probe
internal import Units
internal import Wire

/// One TLS stack's hello, with a place for the name and for what is random.
struct HelloShape {
    private var legacyVersion: [UInt8]
    private var ciphers: [UInt8]
    private var compression: [UInt8]
    private var extensions: [(type: UInt16, body: [UInt8])]
    private static let preSharedKey: UInt16 = 41, serverName: UInt16 = 0

    var size: Int { ciphers.count + extensions.reduce(0) { $0 + 4 + $1.body.count } }

    /// Of a version that hardly anybody speaks any more, or longer than a segment.
    var isRare: Bool { legacyVersion[1] < 3 || size > 1300 }

    /// Some recordings offer every suite that OpenSSL has, as no program does of its own accord.
    private static let mostSuites = 60

    /// The hellos of a folder's captures, one of each stack, in the order of the files' names.
    static func recorded(in folder: String) throws -> [HelloShape] {
        var shapes: [HelloShape] = [], seen = Set<UInt64>()
        var policy = Policy()
        policy.capture = .all
        for name in files(in: folder) {
            var engine = NativeEngine(KernelPolicy(policy), enforcing: false)
            var capture = try Capture(path: "\(folder)/\(name)")
            while try capture.next({ frame, bytes in
                engine.run(bytes, wireSize: frame.originalLength, at: UInt64(frame.number)) { record in
                    guard let handshake = Handshake(record), handshake.rawLength == handshake.helloLength, handshake.fingerprint != 0,
                        handshake.cipherCount <= mostSuites, seen.insert(handshake.fingerprint).inserted
                    else { return }
                    let raw = record.extracting(droppingFirst: Handshake.size)
                    if let shape = HelloShape(unsafe raw.withUnsafeBytes { unsafe Array($0.prefix(handshake.rawLength)) }) {
                        shapes.append(shape)
                    }
                }
            }) {}
        }
        return shapes
    }

    private static func files(in folder: String) -> [String] {
        guard let directory = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name.hasSuffix(".pcap") { names.append(name) }
        }
        return names.sorted()
    }

    private init?(_ message: [UInt8]) {
        func word(_ at: Int) -> Int { Int(message[at]) << 8 | Int(message[at + 1]) }
        legacyVersion = Array(message[4..<6])
        var at = 39 + Int(message[38])
        ciphers = Array(message[(at + 2)..<(at + 2 + word(at))])
        at += 2 + word(at)
        compression = Array(message[at..<(at + 1 + Int(message[at]))])
        at += compression.count + 2
        extensions = []
        while at + 4 <= message.count {
            extensions.append((UInt16(word(at)), Array(message[(at + 4)..<(at + 4 + word(at + 2))])))
            at += 4 + word(at + 2)
        }
        guard at == message.count else { return nil }
    }

    /// The `number`-th relative of this stack: as it is, then with suites left out or extensions in another order.
    func varied(_ number: Int, _ random: inout SplitMix64) -> HelloShape {
        var shape = self
        guard number > 0 else { return shape }
        for _ in 0..<(1 + number % 3) where shape.ciphers.count > 4 {
            let at = random.below(shape.ciphers.count / 2) * 2
            shape.ciphers.removeSubrange(at..<(at + 2))
        }
        if number % 2 == 0, shape.extensions.count > 2 {
            for index in stride(from: shape.extensions.count - 1, to: 0, by: -1) where shape.extensions[index].type != Self.preSharedKey {
                let other = random.below(index + 1)
                if shape.extensions[other].type != Self.preSharedKey { shape.extensions.swapAt(index, other) }
            }
        }
        return shape
    }

    /// As those that send GREASE do: other values each time (RFC 8701 section 3.1). The others are as they were.
    func withGREASE(_ random: inout SplitMix64) -> HelloShape {
        var shape = self
        // One for the suites, one for versions, one for groups and their shares; of extensions two that differ.
        let drawn = (0..<4).map { _ in UInt8(random.below(16)) << 4 | 0x0a }
        func redraw(_ bytes: inout [UInt8], from start: Int, to value: UInt8) {
            for at in stride(from: start, to: bytes.count - 1, by: 2) where Self.isGREASE(bytes[at], bytes[at + 1]) {
                (bytes[at], bytes[at + 1]) = (value, value)
            }
        }
        redraw(&shape.ciphers, from: 0, to: drawn[0])
        var count: UInt8 = 0
        for index in shape.extensions.indices {
            let type = shape.extensions[index].type
            if Self.isGREASE(UInt8(type >> 8), UInt8(type & 255)) {
                shape.extensions[index].type = UInt16(drawn[1] ^ (count << 4)) * 0x0101
                count += 1
            }
            switch type {
            case 10: redraw(&shape.extensions[index].body, from: 2, to: drawn[2])
            case 43: redraw(&shape.extensions[index].body, from: 1, to: drawn[3])
            case 51: Self.redrawShares(&shape.extensions[index].body, drawn[2])
            default: break
            }
        }
        return shape
    }

    private static func isGREASE(_ high: UInt8, _ low: UInt8) -> Bool { high == low && low & 15 == 10 }

    /// RFC 8446 section 4.2.8: each share behind its group and length.
    private static func redrawShares(_ body: inout [UInt8], _ value: UInt8) {
        var at = 2
        while at + 4 <= body.count {
            if isGREASE(body[at], body[at + 1]) { (body[at], body[at + 1]) = (value, value) }
            at += 4 + (Int(body[at + 2]) << 8 | Int(body[at + 3]))
        }
    }

    /// The hello in one TLS record, with a random and a session id of its own.
    func stream(name: [UInt8]?, _ random: inout SplitMix64) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(2048)
        out += [22, 3, 1, 0, 0, 1, 0, 0, 0]
        out += legacyVersion
        fill(&out, &random)
        out.append(32)
        fill(&out, &random)
        out.append(UInt8(ciphers.count >> 8))
        out.append(UInt8(ciphers.count & 255))
        out += ciphers
        out += compression
        let block = out.count
        out += [0, 0]
        if let name, !extensions.contains(where: { $0.type == Self.serverName }) { Self.append(name: name, to: &out) }
        for (type, body) in extensions {
            if type == Self.serverName {
                if let name { Self.append(name: name, to: &out) }
            } else {
                Self.append(word: Int(type), to: &out)
                Self.append(word: body.count, to: &out)
                out += body
            }
        }
        func set(_ value: Int, at: Int) { (out[at], out[at + 1]) = (UInt8(value >> 8 & 255), UInt8(value & 255)) }
        set(out.count - block - 2, at: block)
        set(out.count - 5, at: 3)
        set(out.count - 9, at: 7)
        return out
    }

    private func fill(_ out: inout [UInt8], _ random: inout SplitMix64) {
        for _ in 0..<4 {
            let word = random.next()
            for shift in 0..<8 as Range<UInt64> { out.append(UInt8(truncatingIfNeeded: word >> (shift * 8))) }
        }
    }

    private static func append(name: [UInt8], to out: inout [UInt8]) {
        for value in [0, name.count + 5, name.count + 3] { append(word: value, to: &out) }
        out.append(0)
        append(word: name.count, to: &out)
        out += name
    }

    private static func append(word: Int, to out: inout [UInt8]) {
        out.append(UInt8(word >> 8))
        out.append(UInt8(word & 255))
    }
}
