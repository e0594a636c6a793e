import Detection
import Testing
import Units

@Suite struct RenamedHelloTests {
    private static func hello(_ name: String, type: UInt8 = 0, more: [UInt8] = []) -> [UInt8] {
        func word(_ value: Int) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
        let entry = [type] + word(name.utf8.count) + Array(name.utf8) + more
        let names = word(entry.count) + entry
        let before: [UInt8] = [0, 10, 0, 4, 0, 2, 0, 29], after: [UInt8] = [0, 16, 0, 5, 0, 3, 2, 104, 50]
        let extensions = before + [0, 0] + word(names.count) + names + after
        let body: [UInt8] =
            [3, 3] + [UInt8](repeating: 9, count: 32) + [2, 7, 7] + [0, 4, 0x13, 1, 0x13, 2] + [1, 0] + word(extensions.count) + extensions
        return [1, 0] + word(body.count) + body
    }

    @Test(
        "A hello with another name is the hello that would have been sent with it, byte by byte",
        arguments: ["a", "shop.example", "a.very.long.name.of.a.shop.example", ""])
    func renamed(name: String) {
        for first in ["x", "shop.example", "another-name.example"] {
            #expect(RenamedHello.bytes(of: Self.hello(first), name: Array(name.utf8)) == (name.isEmpty ? nil : Self.hello(name)))
        }
    }

    @Test("What has no name, another first entry, or lengths that disagree stays what it is; too long a name is refused")
    func refused() {
        let plain = Self.hello("shop.example"), name = Array("b.example".utf8)
        #expect(RenamedHello.bytes(of: plain, name: [UInt8](repeating: 97, count: 65_530)) == nil)
        #expect(RenamedHello.bytes(of: Self.hello("shop.example", type: 1), name: name) == nil)
        #expect(RenamedHello.bytes(of: plain + [0], name: name) == nil)
        #expect(RenamedHello.bytes(of: [], name: name) == nil)
        for length in 0..<plain.count { #expect(RenamedHello.bytes(of: Array(plain.prefix(length)), name: name) == nil) }
    }

    @Test("Whatever the bytes are, nothing traps, and what comes out has the name")
    func anything() {
        var random = SplitMix64(11)
        for _ in 0..<20_000 {
            var bytes = Self.hello("shop.example")
            for _ in 0..<1 + random.below(6) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            let name = (0..<random.below(40)).map { _ in UInt8(97 + random.below(26)) }
            guard let renamed = RenamedHello.bytes(of: bytes, name: name) else { continue }
            let range = HelloGlance(renamed.span)?.nameRange
            #expect(range.map { Array(renamed[$0]) } == name)
        }
    }
}
