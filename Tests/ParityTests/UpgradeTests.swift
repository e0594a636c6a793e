import Detection
import Glibc
import Probe
import Support
import Testing
import Vocabulary
import Wire

/// TLS that a client asks for in plain text.
@Suite struct UpgradeTests {
    private static let serverHello: [UInt8] = [22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3] + [UInt8](repeating: 7, count: 84)
    private static let nameless = AnomalySet([.missingSNI, .alpnWithoutSNI])

    private static func policy(_ kind: Preamble, anywhere: Bool = false) -> Policy {
        var policy = everything
        policy.ports = [443, 2525]
        policy.upgrades = [2525: kind]
        if anywhere {
            policy.ports = Array(1...UInt16.max)
            policy.upgrades = [443: .none]
            policy.upgradesAnywhere = true
        }
        return policy
    }

    private static func conversation(_ port: UInt16 = 2525, from: UInt16 = 40_000) -> Conversation {
        var c = Conversation(clientPort: from)
        c.serverPort = port
        return c
    }

    private func both(_ frames: [[UInt8]], _ policy: Policy) throws -> [Handshake] {
        let ours = native(frames, KernelPolicy(policy), enforcing: true)
        if geteuid() == 0 {
            for mayGoto in [true, false] { #expect(try kernel(frames, KernelPolicy(policy), enforcing: true, mayGoto: mayGoto) == ours) }
        }
        return ours.map(\.handshake)
    }

    @Test(
        "The hello behind the request is judged like any other, and says what was spoken before", arguments: Talk.all.indices, [false, true]
    )
    func upgraded(index: Int, anywhere: Bool) throws {
        let talk = Talk.all[index], c = Self.conversation(), begun = talk.frames(c)
        for name in [nil, "mail.example"] {
            let stream = Hello(serverName: name).stream()
            let whole = begun.frames + [Talk.said(c, stream, fromClient: true, client: begun.client, server: begun.server)]
            let found = try both(whole, Self.policy(talk.kind, anywhere: anywhere))
            #expect(found.map(\.anomalies) == [name == nil ? Self.nameless : []] && found.map(\.preamble) == [talk.kind])
            #expect(found.map(\.proof) == [.tracked] && found.map(\.completeness) == [.complete])
            // In pieces, the second first.
            let pieces = [60..<stream.count, 0..<60].map {
                Talk.said(c, Array(stream[$0]), fromClient: true, client: begun.client + $0.lowerBound, server: begun.server)
            }
            let parts = try both(begun.frames + pieces, Self.policy(talk.kind, anywhere: anywhere))
            #expect(
                parts.map(\.completeness) == [.reassembled] && parts.map(\.preamble) == [talk.kind]
                    && parts.map(\.anomalies) == found.map(\.anomalies))
        }
    }

    @Test("On port 443 a talk hides nothing: it is no TLS, as it was", arguments: Talk.all.indices, [false, true])
    func elsewhere(index: Int, anywhere: Bool) throws {
        let talk = Talk.all[index], c = Self.conversation(443), begun = talk.frames(c)
        let frames =
            begun.frames + [Talk.said(c, Hello(serverName: nil).stream(), fromClient: true, client: begun.client, server: begun.server)]
        let found = try both(frames, Self.policy(talk.kind, anywhere: anywhere))
        #expect(found.first.map(\.anomalies) == AnomalySet(.notTLS))
    }

    @Test("TLS from the first byte on such a port is judged as today", arguments: Preamble.upgrades)
    func implicit(kind: Preamble) throws {
        let c = Self.conversation()
        let found = try both(c.handshake + [c.data(Hello(serverName: nil).stream(), at: 0)], Self.policy(kind))
        #expect(found.map(\.anomalies) == [Self.nameless] && found.map(\.preamble) == [.none])
    }

    @Test("Who never asks is told of by nobody; who is refused may go on, and ask again")
    func plain() throws {
        let c = Self.conversation(), policy = Self.policy(.smtp)
        let lines = ["EHLO me\r\n", "MAIL FROM:<a@b>\r\n", "STARTTLS\r\n", "NOOP\r\n", "STARTTLS\r\n"]
        var frames = c.handshake, client = 0
        for line in lines {
            frames.append(Talk.said(c, Array(line.utf8), fromClient: true, client: client, server: 0))
            client += line.utf8.count
        }
        #expect(try both(frames, policy).isEmpty)
        let found = try both(frames + [Talk.said(c, Hello(serverName: nil).stream(), fromClient: true, client: client, server: 0)], policy)
        #expect(found.map(\.anomalies) == [Self.nameless] && found.map(\.preamble) == [.smtp])
        // One line overtakes another.
        frames.swapAt(3, 4)
        let again = try both(frames + [Talk.said(c, Hello(serverName: nil).stream(), fromClient: true, client: client, server: 0)], policy)
        #expect(again.map(\.anomalies) == [Self.nameless])
    }

    /// How many of six connections from one source are answered by a ServerHello.
    private func answered(_ policy: Policy, _ client: (Conversation) -> (frames: [[UInt8]], client: Int, server: Int)) throws -> Int {
        let pair = try HookPair(KernelPolicy(policy))
        var answered = 0
        for number in 0..<6 {
            let c = Self.conversation(from: 41_000 + UInt16(number)), talk = client(c)
            for frame in talk.frames {
                let isClient = UInt16(frame[34]) << 8 | UInt16(frame[35]) == c.clientPort
                #expect(try pair.run(frame, fromClient: isClient).isSame)
            }
            let answer = Talk.said(c, Self.serverHello, fromClient: false, client: talk.client, server: talk.server)
            let said = try pair.run(answer, fromClient: false)
            #expect(said.isSame)
            if said.passes { answered += 1 }
        }
        return answered
    }

    @Test(
        "In front of a server: whoever names it is answered always, whoever does not three times a second",
        .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: Talk.all.indices)
    func gate(index: Int) throws {
        let talk = Talk.all[index]
        for (name, count) in [("mail.example", 6), (nil, 3)] as [(String?, Int)] {
            let passed = try answered(Self.policy(talk.kind)) { c in
                let begun = talk.frames(c), stream = Hello(serverName: name, number: Int(c.clientPort)).stream()
                let hello = Talk.said(c, stream, fromClient: true, client: begun.client, server: begun.server)
                return (begun.frames + [hello], begun.client + stream.count, begun.server)
            }
            #expect(passed == count, "\(String(describing: name))")
        }
    }

    @Test("A hello that hides in the talk meets the gate", .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: 0..<3)
    func hidden(kind: Int) throws {
        let nameless = Hello(serverName: nil).stream(), talk = Talk.all[0]
        let passed = try answered(Self.policy(.smtp)) { c in
            let begun = talk.frames(c)
            var frames = begun.frames, client = begun.client
            func say(_ bytes: [UInt8]) {
                frames.append(Talk.said(c, bytes, fromClient: true, client: client, server: begun.server))
                client += bytes.count
            }
            switch kind {
            case 0: say(Array("STARTTLS\r\n".utf8) + nameless)  // in the request's own segment
            case 1:
                for _ in 0..<70 { say(Array("NOOP\r\n".utf8)) }  // behind more than anybody reads
                say(nameless)
            default:
                // At the request's numbers, after a named one was judged.
                say(Hello(serverName: "mail.example").stream())
                frames.append(Talk.said(c, nameless, fromClient: true, client: begun.client - 10, server: begun.server))
            }
            return (frames, client, begun.server)
        }
        #expect(passed <= 3)
    }
}
