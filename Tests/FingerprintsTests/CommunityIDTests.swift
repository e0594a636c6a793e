import Fingerprints
import Testing
import Units
import Vocabulary
import Wire

/// The published examples (https://github.com/corelight/community-id-spec, baseline), whichever end is named first.
@Suite struct CommunityIDTests {
    @Test(
        "A flow has its published Community ID",
        arguments: [
            ("128.232.110.120", 34855, "66.35.250.204", 80, Transport.tcp, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            ("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943, "2607:f8b0:400c:c03::1a", 25, .tcp, "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="),
            ("192.168.1.52", 54585, "8.8.8.8", 53, .udp, "1:d/FP5EW3wiY1vCndhwleRRKHowQ=")
        ] as [(String, UInt16, String, UInt16, Transport, String)])
    func published(one: String, onePort: UInt16, other: String, otherPort: UInt16, transport: Transport, expected: String) throws {
        let (one, other) = try (#require(Address(one)), #require(Address(other)))
        #expect(CommunityID(one, onePort, other, otherPort, transport).text == expected)
        #expect(CommunityID(other, otherPort, one, onePort, transport).text == expected)
    }

    @Test("Where a proxy named the source there is none: the flow is the proxy's")
    func proxied() {
        var handshake = Handshake()
        (handshake.source, handshake.destination) = (Address(ipv4: 1), Address(ipv4: 2))
        #expect(CommunityID(of: handshake) != nil)
        handshake.proxy = Address(ipv4: 3)
        #expect(CommunityID(of: handshake) == nil)
    }
}
