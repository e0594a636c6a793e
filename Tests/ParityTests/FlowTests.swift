import Detection
import Glibc
import Probe
import Support
import Testing
import Vocabulary

let serverHello: [UInt8] = [22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3] + [UInt8](repeating: 7, count: 84)

/// A HelloRetryRequest, by its random (RFC 8446 section 4.1.3).
let retryRequest: [UInt8] =
    [22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3] + [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
        0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c
    ] + [UInt8](repeating: 7, count: 52)

/// One connection in front of both limiters: what each frame meets, and what became of its answers.
struct Story {
    let pair: HookPair
    var c: Conversation
    init(_ pair: HookPair, port: UInt16 = 40_000) {
        self.pair = pair
        c = Conversation(clientPort: port)
    }

    @discardableResult
    func send(_ frame: [UInt8], fromClient: Bool = true) throws -> Bool {
        let (passes, isSame) = try pair.run(frame, fromClient: fromClient)
        #expect(isSame, "both engines say the same")
        return passes
    }

    func open() throws {
        try send(c.syn)
        try send(c.synAck, fromClient: false)
        try send(c.ack)
    }

    func client(_ bytes: [UInt8], at offset: Int, flags: UInt8 = Conversation.acknowledge, acknowledged: Int = 0) throws {
        try send(
            c.frame(
                fromClient: true, sequence: c.clientISN &+ 1 &+ UInt32(truncatingIfNeeded: offset),
                acknowledged: c.serverISN &+ 1 &+ UInt32(truncatingIfNeeded: acknowledged), flags: flags, payload: bytes))
    }

    /// The server's next bytes, which acknowledge so many of the client's.
    @discardableResult
    func server(_ bytes: [UInt8], acknowledging taken: Int, at offset: Int = 0, flags: UInt8 = Conversation.acknowledge) throws -> Bool {
        try send(
            c.frame(
                fromClient: false, sequence: c.serverISN &+ 1 &+ UInt32(truncatingIfNeeded: offset),
                acknowledged: c.clientISN &+ 1 &+ UInt32(truncatingIfNeeded: taken), flags: flags, payload: bytes),
            fromClient: false)
    }

    /// Of both engines: answers that left freely, that were counted, that were refused.
    var answers: [UInt64] {
        let (native, kernel) = pair.counters
        let counters: [Counter] = [.answers, .answersCounted, .answersRefused]
        #expect(counters.map { native[$0] } == counters.map { kernel[$0] })
        return counters.map { native[$0] }
    }
}

let free: [UInt64] = [1, 0, 0], counted: [UInt64] = [0, 1, 0]

/// The diagram in flow.h, transition by transition: what is read of a client, and what the server's answer meets.
@Suite(.enabled(if: geteuid() == 0, "loading BPF needs root")) struct FlowTests {
    private let pair: HookPair
    private let story: Story
    private let named = Hello(number: 1).stream(), nameless = Hello(serverName: nil, number: 2).stream()

    init() throws {
        pair = try HookPair(KernelPolicy(everything))
        story = Story(pair)
    }

    // MARK: Reading

    @Test("SYN-ACK, and an ACK of it: proven; an ACK of something else proves nothing")
    func proven() throws {
        try story.send(story.c.syn)
        try story.send(story.c.synAck, fromClient: false)
        try story.client(nameless, at: 0, acknowledged: 7)
        #expect(pair.told.isEmpty, "whoever sent it has not heard the server")
        try story.client(nameless, at: 0)
        #expect(pair.told.map(\.proof) == [.tracked])
    }

    @Test("A SYN-ACK that comes in from outside is nobody's server: it proves nothing here")
    func foreignSynAck() throws {
        try story.send(story.c.synAck)
        try story.client(nameless, at: 0)
        #expect(pair.told.allSatisfy { $0.proof == .unproven })
    }

    @Test("Expecting to assembling to whole: what can be no part of the hello changes nothing")
    func assembling() throws {
        try story.open()
        try story.client(Array(nameless[..<40]), at: 0)
        try story.client([1, 2, 3], at: 100_000)
        try story.client([1, 2, 3], at: 40, acknowledged: 5000)
        #expect(pair.told.isEmpty)
        try story.client(Array(nameless[40...]), at: 40)
        #expect(pair.told.map(\.completeness) == [.reassembled] && pair.told.allSatisfy { $0.anomalies.contains(.missingSNI) })
        #expect(pair.counters.native[.outOfReach] == 2 && pair.counters.kernel[.outOfReach] == 2)
    }

    @Test("No hello: done, and what follows is not judged", arguments: [false, true])
    func done(isWhole: Bool) throws {
        try story.open()
        try story.client(Array("SSH-2.0-OpenSSH_9.2\r\n".utf8), at: 0)
        try story.client(isWhole ? nameless : Array(nameless[..<50]), at: 21)
        #expect(pair.told.count == 1 && pair.told.allSatisfy { $0.anomalies.contains(.notTLS) })
    }

    @Test("After the hello its records are followed, until they are encrypted for good")
    func after() throws {
        let bad: [UInt8] = [99, 3, 3, 0, 1, 1], encrypted: [UInt8] = [23, 3, 3, 0, 1, 1]
        try story.open()
        try story.client(named, at: 0)
        try story.client(bad, at: named.count)
        #expect(pair.told.count == 2 && pair.told.last?.anomalies.contains(.badRecord) == true)
        let other = Story(pair, port: 40_001)
        try other.open()
        try other.client(Hello(number: 3).stream(), at: 0)
        try other.client(encrypted + bad, at: named.count)
        #expect(pair.told.count == 3)
    }

    @Test("FIN and RST change nothing of what is read", arguments: [Conversation.finish, Conversation.reset])
    func closing(flag: UInt8) throws {
        try story.open()
        try story.client(Array(named[..<40]), at: 0)
        try story.client([], at: 40, flags: flag | Conversation.acknowledge)
        try story.client(Array(named[40...]), at: 40)
        #expect(pair.told.map(\.completeness) == [.reassembled])
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == free)
    }

    // MARK: The gate

    @Test("Armed at first: an answer to what nobody judged is counted")
    func armed() throws {
        try story.open()
        try story.client(Array(named[..<40]), at: 0)
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == counted && pair.told.last?.anomalies == AnomalySet(.unjudgedHello))
    }

    @Test("A whole hello makes it clean, or anomalous", arguments: [true, false])
    func judged(isNamed: Bool) throws {
        try story.open()
        try story.client(isNamed ? named : nameless, at: 0)
        try story.server(serverHello, acknowledging: isNamed ? named.count : nameless.count)
        #expect(story.answers == (isNamed ? free : counted))
    }

    @Test("An answer that acknowledges less than the hello answers something else")
    func less() throws {
        try story.open()
        try story.client(named, at: 0)
        try story.server(serverHello, acknowledging: named.count - 1)
        #expect(story.answers == counted)
    }

    @Test("Other bytes at its numbers, or urgent ones, and it is clean no more; the same bytes change nothing", arguments: 0..<5)
    func spoilt(how: Int) throws {
        try story.open()
        try story.client(named, at: 0)
        switch how {
        case 0: try story.client(named, at: 0)
        case 1: try story.client(Array(named[20..<90]), at: 20)
        case 2: try story.client([named[30] ^ 1], at: 30)
        case 3: try story.client([1], at: named.count, flags: Conversation.acknowledge | 0x20)
        default: try story.client(nameless, at: 0, acknowledged: -9)
        }
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == (how < 2 ? free : counted))
    }

    @Test("A SYN-ACK sent again takes a verdict back, until the same bytes come again", arguments: [false, true])
    func synAckAgain(comesAgain: Bool) throws {
        try story.open()
        try story.client(named, at: 0)
        try story.send(story.c.synAck, fromClient: false)
        if comesAgain { try story.client(named, at: 0) }
        try story.server(serverHello, acknowledging: named.count)
        #expect(story.answers == (comesAgain ? free : counted))
    }

    @Test("The same SYN-ACK after an answer is another connection's: a SYN cookie's. It is judged anew")
    func cookieAgain() throws {
        try story.open()
        try story.client(named, at: 0)
        try story.server(serverHello, acknowledging: named.count)
        try story.send(story.c.synAck, fromClient: false)
        try story.client(Hello(serverName: nil, number: 9).stream(), at: 0)
        try story.server(serverHello, acknowledging: nameless.count)
        #expect(story.answers == [1, 1, 0])
        #expect(pair.told.filter { $0.kind == .hello }.map { $0.anomalies.contains(.missingSNI) } == [false, true])
    }

    @Test(
        "Bytes after both FINs or a RST are another connection's, which a SYN cookie opened without a SYN",
        arguments: [Conversation.finish, Conversation.reset])
    func reopened(flag: UInt8) throws {
        try story.open()
        try story.client(named, at: 0)
        try story.server(serverHello, acknowledging: named.count)
        try story.client([], at: named.count, flags: flag | Conversation.acknowledge, acknowledged: serverHello.count)
        if flag == Conversation.finish {
            try story.server([], acknowledging: named.count + 1, at: serverHello.count, flags: flag | Conversation.acknowledge)
        }
        var other = story
        other.c.clientISN &+= 5000
        other.c.serverISN &+= 5000
        try other.client(nameless, at: 0)
        try other.server(serverHello, acknowledging: nameless.count)
        #expect(story.answers == [1, 1, 0])
    }

    @Test("What a link brings after the FIN that it was sent before is no news, and the server's encrypted alert no answer")
    func reordered() throws {
        let last: [UInt8] = [21, 3, 3, 0, 26] + [UInt8](repeating: 7, count: 26)
        try story.open()
        try story.client(named, at: 0)
        try story.server(serverHello, acknowledging: named.count)
        try story.client(
            [], at: named.count + last.count, flags: Conversation.finish | Conversation.acknowledge, acknowledged: serverHello.count)
        try story.client(last, at: named.count, acknowledged: serverHello.count)
        try story.server(last, acknowledging: named.count + last.count + 1, at: serverHello.count)
        #expect(story.answers == free)
        // A copy that comes late, and the alert again, for its acknowledgement was lost.
        try story.server(
            [], acknowledging: named.count + last.count + 1, at: serverHello.count + last.count,
            flags: Conversation.finish | Conversation.acknowledge)
        try story.client(last, at: named.count, acknowledged: serverHello.count)
        try story.server(last, acknowledging: named.count + last.count + 1, at: serverHello.count)
        #expect(story.answers == free)
    }

    @Test("Settled: what the server says later is free, also if it looks like an answer")
    func settled() throws {
        try story.open()
        try story.client(nameless, at: 0)
        try story.server(serverHello, acknowledging: nameless.count)
        try story.server(serverHello, acknowledging: nameless.count + 9, at: serverHello.count)
        #expect(story.answers == counted)
    }

    @Test("After a HelloRetryRequest the second hello is judged, and its answer counted anew", arguments: [true, false])
    func retry(isNamed: Bool) throws {
        let second = Hello(serverName: isNamed ? "shop.example" : nil, number: 1).stream()
        try story.open()
        try story.client(named, at: 0)
        try story.server(retryRequest, acknowledging: named.count)
        try story.client(second, at: named.count, acknowledged: retryRequest.count)
        try story.server(serverHello, acknowledging: named.count + second.count, at: retryRequest.count)
        #expect(story.answers == (isNamed ? [2, 0, 0] : [1, 1, 0]))
        #expect(pair.told.filter { $0.kind == .hello }.map(\.isRetry) == [false, true])
    }

    @Test("A turn that speaks no TLS is free, and leaves the gate armed")
    func otherTongue() throws {
        let banner = Array("220 mail.example\r\n".utf8)
        try story.open()
        #expect(try story.server(banner, acknowledging: 0))
        try story.server(serverHello, acknowledging: 100, at: banner.count)
        #expect(story.answers == counted)
    }

    @Test("An answer over the limit is refused, and each later frame of either side")
    func refused() throws {
        for port in 0..<3 as Range<UInt16> {
            let other = Story(pair, port: 50_000 + port)
            try other.open()
            try other.server(serverHello, acknowledging: 100)
        }
        try story.open()
        #expect(try !story.server(serverHello, acknowledging: 100))
        #expect(story.answers == [0, 3, 1])
        #expect(try !story.server(serverHello, acknowledging: 100))
        #expect(try !story.send(story.c.data([1], at: 100)))
        #expect(pair.counters.native[.refusedAgain] == 2 && pair.counters.kernel[.refusedAgain] == 2)
        // New numbers of the server's, and everything is anew.
        var next = story
        next.c.serverISN &+= 100_000
        try next.open()
        try next.client(named, at: 0)
        #expect(try next.server(serverHello, acknowledging: named.count))
        #expect(story.answers == [1, 3, 1])
    }

    @Test("A hello over the limit is refused before it costs the server anything")
    func refusedHello() throws {
        for port in 0..<3 as Range<UInt16> {
            let other = Story(pair, port: 50_000 + port)
            try other.open()
            try other.client(Hello(serverName: nil, number: 10 + Int(port)).stream(), at: 0)
        }
        try story.open()
        #expect(try !story.send(story.c.data(nameless, at: 0)))
        #expect(try !story.server(serverHello, acknowledging: nameless.count))
        #expect(pair.told.map(\.outcome) == [.admitted, .admitted, .admitted, .reset])
    }
}
