internal import Glibc
internal import Linux
internal import Support
internal import Wire

/// Captures for `weir replay` to be measured with: many stacks, many names, always the same.
@safe struct CaptureWriter: ~Copyable {
    private let stream: UnsafeMutablePointer<FILE>
    private var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    private var time: UInt64 = 1_700_000_000_000_000

    init(_ path: String) throws {
        guard let stream = unsafe fopen(path, "wb") else { throw Errno.current }
        unsafe self.stream = stream
        // pcap, microseconds, Ethernet.
        put([0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0] + [UInt8](repeating: 0, count: 8) + [0, 0, 4, 0, 1, 0, 0, 0])
    }

    deinit { unsafe fclose(stream) }

    private func put(_ bytes: [UInt8]) { _ = unsafe fwrite(bytes, 1, bytes.count, stream) }

    mutating func frame(_ frame: [UInt8]) {
        time += 20
        func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        put(word(Int(time / 1_000_000)) + word(Int(time % 1_000_000)) + word(frame.count) + word(frame.count) + frame)
    }

    private mutating func next(_ below: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(truncatingIfNeeded: state >> 33) % below
    }

    /// 200 stacks: what browsers and libraries offer, in orders and selections of their own.
    mutating func stacks() -> [Hello] {
        let suites: [UInt16] = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35]
        let more: [(type: UInt16, body: [UInt8])] = [
            (5, [1, 0, 0, 0, 0]), (11, [1, 0]), (18, []), (23, []), (27, [2, 0, 2]), (35, []), (45, [1, 1]), (51, [0, 36, 0, 29, 0, 32] + [UInt8](repeating: 7, count: 32)), (0x4469, [0, 3, 2, 104, 50]), (0xff01, [0]),
        ]
        return (0..<200).map { _ in
            var hello = Hello()
            var left = suites, extensions = more
            hello.ciphers = (0..<(6 + next(10))).map { _ in left.remove(at: next(left.count)) }
            for _ in 0..<(5 + next(6)) { hello.extensions!.append(extensions.remove(at: next(extensions.count))) }
            return hello
        }
    }

    /// One hello of its own: its random, its name, and in one of fifty none.
    mutating func stream(_ stack: Hello, number: Int) -> [UInt8] {
        var hello = stack
        for byte in 0..<32 { hello.random[byte] = UInt8(next(256)) }
        if number % 50 == 0 { hello.extensions!.removeFirst() } else { hello.extensions![0].body = Hello.serverName("host\(number % 50_000).example\(number % 97).org") }
        return hello.stream()
    }
}

/// A million hellos without anything around them.
func writeHellos(_ path: String, count: Int) throws {
    var capture = try CaptureWriter(path)
    let stacks = capture.stacks()
    for number in 0..<count {
        var c = Conversation(client: Address(ipv4: 0x0a00_0000 + UInt32(number % 200_000)), clientPort: UInt16(1024 + number % 60_000))
        c.clientISN = UInt32(truncatingIfNeeded: number &* 7919)
        capture.frame(c.data(capture.stream(stacks[number % 200], number: number), at: 0))
    }
}

/// Whole handshakes, and four full frames of bulk data behind each.
func writeMixed(_ path: String, count: Int) throws {
    var capture = try CaptureWriter(path)
    let stacks = capture.stacks(), bulk = [UInt8](repeating: 0x17, count: 1400)
    for number in 0..<count {
        var c = Conversation(client: Address(ipv4: 0x0a00_0000 + UInt32(number % 200_000)), clientPort: UInt16(1024 + number % 60_000))
        c.clientISN = UInt32(truncatingIfNeeded: number &* 7919)
        let hello = capture.stream(stacks[number % 200], number: number)
        for frame in c.handshake + [c.data(hello, at: 0), c.data([23, 3, 3, 0, 60] + bulk.prefix(60), at: hello.count)] { capture.frame(frame) }
        for part in 0..<4 { capture.frame(c.answer(bulk, at: part * 1400)) }
    }
}
