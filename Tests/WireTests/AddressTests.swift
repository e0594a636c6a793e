import Glibc
import Testing
import Units

@Suite struct AddressTests {
    @Test(
        "An address is printed as RFC 5952 wants it, and read back",
        arguments: [
            "0.0.0.0", "203.0.113.7", "255.255.255.255", "::", "::1", "2001:db8::", "2001:db8::66", "2001:db8:0:1:1:1:1:1",
            "2001:0:0:1::1", "fe80::1:0:0:1", "1:2:3:4:5:6:7:8", "64:ff9b::c000:201"
        ])
    func roundTrip(text: String) throws {
        #expect(try #require(Address(text)).description == text)
    }

    @Test(
        "The other spellings of RFC 4291 are understood",
        arguments: [
            ("::ffff:203.0.113.7", "203.0.113.7"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::192.0.2.1", "::c000:201")
        ])
    func spellings(text: String, canonical: String) throws {
        #expect(try #require(Address(text)).description == canonical)
    }

    @Test(
        "What is no address is refused",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4", "+1.2.3.4", ":", ":::", "1::2::3", "12345::", "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9", "g::",
            "1:2:3:4:5:6:7::8", "1.2.3.4:5", "::1%eth0", "1:2:3:4:5:6:7:", "1.2.3.4::1", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", ":1::2",
            "1::2:", "203.0.113.7 ", "203.0.113.0007"
        ])
    func refused(text: String) {
        #expect(Address(text) == nil)
    }

    @Test("What is an IPv6 address, and which, the C library says the same of a hundred thousand texts")
    func oracle() {
        let letters = Array("0123f:::".utf8)
        var state: UInt64 = 9, understood = 0
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<100_000 {
            let text = String(decoding: (0..<2 + random(16)).map { _ in letters[random(letters.count)] }, as: UTF8.self)
            guard text.contains(":") else { continue }
            var bytes = [UInt8](repeating: 0, count: 16)
            let theirs =
                inet_pton(AF_INET6, text, &bytes) == 1
                ? Address(high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }, low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }) : nil
            if theirs != nil { understood += 1 }
            guard Address(text) == theirs else { Issue.record("\(text)"); return }
        }
        #expect(understood > 1000)
    }

    @Test("A prefix keeps its own family's length, and refuses bits beyond it")
    func prefixes() throws {
        #expect(try #require(Prefix("203.0.113.7")).description == "203.0.113.7/32")
        #expect(try #require(Prefix("10.0.0.0/8")).length == 104)
        #expect(try #require(Prefix("2001:db8::/64")).contains(#require(Address("2001:db8::66"))))
        #expect(try #require(Prefix("0.0.0.0/0")).contains(#require(Address("198.51.100.2"))))
        for wrong in ["10.0.0.1/8", "10.0.0.0/33", "2001:db8::/129", "10.0.0.0/", "10.0.0.0/+8", "/8", "10.0.0.0/8/8"] {
            #expect(Prefix(wrong) == nil, "\(wrong)")
        }
    }
}
