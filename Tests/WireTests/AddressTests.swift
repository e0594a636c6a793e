import Testing
import Wire

@Suite struct AddressTests {
    @Test("An address is printed as RFC 5952 wants it, and read back", arguments: [
        "0.0.0.0", "203.0.113.7", "255.255.255.255", "::", "::1", "2001:db8::", "2001:db8::66", "2001:db8:0:1:1:1:1:1",
        "2001:0:0:1::1", "fe80::1:0:0:1", "1:2:3:4:5:6:7:8", "64:ff9b::c000:201",
    ])
    func roundTrip(text: String) throws {
        #expect(try #require(Address(text)).description == text)
    }

    @Test("The other spellings of RFC 4291 are understood", arguments: [
        ("::ffff:203.0.113.7", "203.0.113.7"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::192.0.2.1", "::c000:201"),
    ])
    func spellings(text: String, canonical: String) throws {
        #expect(try #require(Address(text)).description == canonical)
    }

    @Test("What is no address is refused", arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4", "+1.2.3.4", ":", ":::", "1::2::3", "12345::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "g::",
        "1:2:3:4:5:6:7::8", "1.2.3.4:5", "::1%eth0", "1:2:3:4:5:6:7:",
    ])
    func refused(text: String) {
        #expect(Address(text) == nil)
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
