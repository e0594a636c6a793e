import Detection
import Glibc
import Probe
import Support
import Testing
import Units
import Vocabulary

/// What a server's stack may accept though nobody here has judged it: found by fuzz/flow, mostly; fuzz/programs.py has them as programs.
@Suite(.enabled(if: geteuid() == 0, "loading BPF needs root")) struct AcceptedTests {
    private let pair: HookPair
    private let story: Story
    private let named = Hello(number: 1).stream(), nameless = Hello(serverName: nil, number: 1).stream()

    /// A policy that limits hellos without a name and what was never judged, and nothing else.
    private static let least: Policy = {
        var policy = everything
        for anomaly in policy.detections.keys where ![.missingSNI, .unjudgedHello, .unseenAnswer].contains(anomaly) {
            policy.detections[anomaly]?.limit = nil
            policy.detections[anomaly]?.severity = .low
        }
        return policy
    }()

    init() throws {
        pair = try HookPair(KernelPolicy(Self.least))
        story = Story(pair)
    }

    @Test("Bytes with an old acknowledgement, which older stacks take, before a hello of other bytes")
    func oldAcknowledgement() throws {
        try story.open()
        try story.client(Array(nameless[..<60]), at: 0, acknowledged: -1)
        try story.client(named, at: 0)
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == counted)
    }

    @Test("A first segment that begins early, before any other ACK: it proves, and is judged")
    func early() throws {
        try story.send(story.c.syn)
        try story.send(story.c.synAck, fromClient: false)
        try story.client([0, 0, 0] + nameless, at: -3)
        try story.server(serverHello, acknowledging: nameless.count)
        #expect(story.answers == counted && pair.told.first?.proof == .tracked && pair.told.first?.anomalies.contains(.missingSNI) == true)
    }

    @Test("A byte before the stream's first: a cookie may have been given for a number below")
    func below() throws {
        try story.open()
        try story.client([22] + named, at: -1)
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == counted)
    }

    @Test("A keep-alive's byte before anything was said changes nothing")
    func keepAlive() throws {
        try story.open()
        try story.client([0], at: -1)
        try story.client(named, at: 0)
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == free)
    }

    @Test("An answer with other numbers of the server's: the tuple's other cookie", arguments: [-5000, 1])
    func otherNumbers(by distance: Int) throws {
        try story.open()
        try story.client(named, at: 0)
        try story.server(serverHello, acknowledging: named.count + 5000, at: distance)
        #expect(story.answers == counted)
    }

    @Test("Two SYN-ACKs with one number of the server's and two of the client's: nobody knows where its bytes begin")
    func twoNumbers() throws {
        var other = story
        other.c.clientISN &-= 3
        try story.send(story.c.synAck, fromClient: false)
        try story.send(other.c.synAck, fromClient: false)
        try story.client(named, at: 0)
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == counted)
    }

    @Test(
        "A preamble that other bytes contradict, and a hello in a hello; the preamble once more changes nothing", arguments: [true, false])
    func preamble(isContradicted: Bool) throws {
        let header: [UInt8] = [
            13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 15, 160, 1, 187
        ]
        try story.open()
        try story.client(header, at: 0)
        try story.client(isContradicted ? [UInt8](repeating: 22, count: header.count) + named : header + named, at: 0)
        try story.server(serverHello, acknowledging: header.count + named.count)
        #expect(story.answers == (isContradicted ? counted : free))
    }

    @Test("A PROXY header that comes after its hello is passed over all the same", arguments: [1, 2])
    func lateHeader(version: Int) throws {
        let header: [UInt8] =
            version == 1
            ? Array("PROXY TCP4 192.0.2.1 198.51.100.2 4000 443\r\n".utf8)
            : [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 15, 160, 1, 187]
        try story.open()
        try story.client(named, at: header.count)
        try story.client(header, at: 0)
        #expect(pair.told.map(\.preamble) == [version == 1 ? .proxy1 : .proxy2] && pair.told.allSatisfy { $0.serverNameLength > 0 })
        // Once more, with what the client says early behind it: that is the same.
        for _ in 0..<2 { try story.client(header + named + [23, 3, 3, 0, 1, 1], at: 0) }
        try story.server(serverHello, acknowledging: header.count + named.count)
        #expect(story.answers == free)
    }

    @Test("Fast Open: another SYN's number may lie where the first one's data ended", arguments: [false, true])
    func fastOpen(isAmbiguous: Bool) throws {
        let first = story.c.frame(
            fromClient: true, sequence: story.c.clientISN, acknowledged: 0, flags: Conversation.synchronize, payload: named)
        var next = story
        next.c.clientISN &+= UInt32(named.count)
        try story.send(first)
        if isAmbiguous { try next.send(next.c.syn) }
        try next.send(next.c.synAck, fromClient: false)
        try next.send(next.c.ack)
        try next.server(serverHello, acknowledging: 0)
        #expect(story.answers == (isAmbiguous ? counted : free))
    }

    @Test("Two versions of a hello's part, whatever the policy makes of that")
    func versions() throws {
        try story.open()
        try story.client(Array(named[..<80]), at: 0)
        try story.client(Array(nameless[..<80]), at: 0)
        try story.client(Array(named[80...]), at: 80)
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == counted)
    }

    @Test("A hello that cannot be read to its end, once and again")
    func malformed() throws {
        var broken = named
        broken[broken.count - 1] ^= 1
        broken[44 + 32 + 1 + 10 + 2 + 2] ^= 1
        try story.open()
        try story.client(broken, at: 0)
        #expect(pair.told.first?.anomalies.contains(.malformedHello) == true)
        try story.client(broken, at: 0)
        try story.server(serverHello, acknowledging: broken.count)
        #expect(story.answers == counted)
    }

    @Test("A second hello with a name cleans no connection whose first had none")
    func secondHello() throws {
        try story.open()
        try story.client(nameless, at: 0)
        try story.server(retryRequest, acknowledging: nameless.count)
        pair.now += 2_000_000_000
        try story.client(named, at: nameless.count, acknowledged: retryRequest.count)
        try story.server(serverHello, acknowledging: nameless.count + named.count, at: retryRequest.count)
        #expect(story.answers == [0, 2, 0])
    }

    @Test("A second hello that does not wait for the HelloRetryRequest: the answers to both are counted")
    func ahead() throws {
        try story.open()
        try story.client(named, at: 0)
        try story.client(nameless, at: named.count)
        try story.server(retryRequest + serverHello, acknowledging: named.count + nameless.count)
        #expect(story.answers == counted)
    }

    @Test("A second answer behind the rest of a HelloRetryRequest that a small window has cut; the rest alone is none")
    func split() throws {
        let first = Array(retryRequest[..<7]), rest = Array(retryRequest[7...])
        try story.open()
        try story.client(named, at: 0)
        try story.server(first, acknowledging: named.count)
        try story.client(nameless, at: named.count, acknowledged: first.count)
        try story.server(rest + serverHello, acknowledging: named.count + nameless.count, at: first.count)
        #expect(story.answers == [1, 1, 0])
        let other = Story(pair, port: 40_001)
        try other.open()
        try other.client(Hello(number: 2).stream(), at: 0)
        try other.server(first, acknowledging: named.count)
        try other.server(rest, acknowledging: named.count, at: first.count)
        #expect(story.answers == [2, 1, 0])
    }

    @Test("An alert behind a banner that acknowledges as much is an answer of its own")
    func alert() throws {
        let banner = Array("220 mail.example\r\n".utf8)
        try story.open()
        try story.server(banner, acknowledging: 0)
        try story.server([21, 3, 3, 0, 2, 2, 40], acknowledging: 0, at: banner.count)
        #expect(story.answers == counted)
    }

    @Test("What no client of this node was heard for, and no Fast Open explains, is counted where the rest is")
    func unproven() throws {
        for port in 0..<6 as Range<UInt16> {
            let other = Story(pair, port: 50_000 + port)
            try other.send(other.c.syn)
            try other.send(other.c.synAck, fromClient: false)
            if port < 3 { try other.send(other.c.ack) }
            try other.server(serverHello, acknowledging: 100)
        }
        #expect(story.answers == [0, 3, 3])
    }
}
