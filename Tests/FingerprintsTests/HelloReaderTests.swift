import Detection
import Fingerprints
import Support
import Testing

/// The shortcut over stacks that were seen before says what the long way says.
@Suite struct HelloReaderTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    private static let plain: [[UInt8]] = {
        var hellos = [
            Hello(), Hello(serverName: nil), Hello(serverName: "other.example", alpn: []), Hello(versions: [0x0a0a, 0x0303]),
            Hello(alpn: ["\u{ff}", "http/1.1"]), Hello(padding: 1200)
        ]
        hellos[3].legacyVersion = 0x0301
        var bare = Hello()
        bare.extensions = nil
        return (hellos + [bare]).map(\.message)
    }()

    private func agree(_ reader: inout HelloReader, _ message: [UInt8]) -> Bool {
        let hello = ClientHello(message), fingerprint = hello.flatMap { Fingerprint($0) },
            reading = reader.read(message.span.bytes, over: .tcp)
        return (reading == nil) == (hello == nil) && reading?.serverName(in: message.span.bytes) == hello?.serverName
            && reading?.stack?.ja3 == fingerprint?.ja3 && reading?.stack?.ja4 == fingerprint?.ja4
            && reading?.protocols(in: message.span.bytes) == hello?.alpnNames
    }

    @Test("GREASE that is drawn anew is no other stack, and what is drawn changes no fingerprint")
    func grease() {
        var reader = HelloReader(), ja4 = Set<String?>(), ja3 = Set<String?>()
        for value in stride(from: UInt16(0x0a0a), through: 0xfafa, by: 0x1010) {
            var hello = Hello(versions: [value, 0x0304, 0x0303])
            hello.ciphers.insert(value, at: 0)
            hello.extensions?.insert((value, []), at: 0)
            #expect(agree(&reader, hello.message))
            let reading = reader.read(hello.message.span.bytes, over: .tcp)
            ja4.insert(reading?.stack?.ja4)
            ja3.insert(reading?.stack?.ja3)
        }
        #expect(ja4.count == 1 && ja3.count == 1 && reader.count == 1)
    }

    @Test("Every list up to the longest that is plain, and beyond it", arguments: [0, 1, 63, 64, 65, 200])
    func lengths(count: Int) {
        var reader = HelloReader()
        var hello = Hello()
        hello.ciphers = (0..<count).map { UInt16($0 * 300 + 1) }
        #expect(agree(&reader, hello.message))
        hello = Hello()
        hello.extensions! += (0..<count).map { (UInt16(1000 + $0 * 7), [1]) }
        #expect(agree(&reader, hello.message) && agree(&reader, hello.message))
        for type in [10, 11, 13] as [UInt16] {
            hello = Hello()
            hello.extensions!.removeAll { $0.type == type }
            let list = (0..<count).flatMap { [UInt8($0 & 255), UInt8($0 * 3 & 255)] }
            hello.extensions!.append((type, type == 11 ? Hello.vector8(Array(list.prefix(count))) : Hello.vector16(list)))
            #expect(agree(&reader, hello.message), "\(type)")
        }
    }

    @Test("Each start of a hello, and each twice")
    func starts() {
        var reader = HelloReader()
        for message in Self.plain {
            for size in 0...message.count {
                let start = Array(message[..<size])
                #expect(agree(&reader, start) && agree(&reader, start), "\(start)")
            }
        }
    }

    @Test("Hellos with bytes changed, each among its like", arguments: [1, 2, 3] as [UInt64])
    func changed(seed: UInt64) {
        var random = Generator(state: seed), reader = HelloReader(capacity: 64)
        for _ in 0..<5000 {
            var message = Self.plain.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                // Lengths and types more often than what is random anyway.
                let index =
                    Bool.random(using: &random)
                    ? Int.random(in: 38..<message.count, using: &random) : Int.random(in: 0..<message.count, using: &random)
                message[index] = [0, 1, 2, 5, 16, 43, 255, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random)!
            }
            guard agree(&reader, message) else {
                Issue.record("seed \(seed): \(message)")
                return
            }
        }
        #expect((1...64).contains(reader.count))
    }
}
