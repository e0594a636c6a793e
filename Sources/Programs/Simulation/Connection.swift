internal import Support
internal import Units
internal import Vocabulary

/// One connection: what its client sends and when, and what became of it. Clients are scripts, so that a run repeats.
final class Connection {
    enum Step {
        case synchronize
        case acknowledge
        /// - Parameter isHeard: else its checksum is wrong, and the server's stack drops it.
        case data([UInt8], at: Int, isHeard: Bool)
        /// A RST or FIN with a number that no stack takes.
        case forgedEnd(UInt8)
        /// After the answer: what is left of a handshake.
        case rest
    }

    let plan: ClientPlan
    let node: Int
    var conversation: Conversation
    var server: Server
    private(set) var steps: [(at: Time, step: Step)] = []
    /// The SYN-ACK left, and in which life of the node's agent.
    var life: Int?
    /// Whether something of it was refused, or dropped by Weir.
    var isRefused = false
    private(set) var isOver = false
    var answeredAt: Time?
    private let giveUp: Time
    /// The stream of the first hello, and of a second one.
    private let hello: [UInt8], second: [UInt8]

    init(_ plan: ClientPlan, port: UInt16, number: Int, at now: Time, _ dice: inout Dice) {
        self.plan = plan
        node = plan.node
        let from = plan.kind == .spoofed ? Address(ipv4: 0xc612_0000 + UInt32(dice.below(65_536))) : plan.address
        conversation = Conversation(
            client: from,
            server: from.isIPv4 ? Address(ipv4: 0xc633_6402) : Address(high: 0x2001_0db8_00ff_0000, low: 2), clientPort: port)
        (conversation.clientISN, conversation.serverISN) = (
            UInt32(truncatingIfNeeded: dice.next()),
            UInt32(truncatingIfNeeded: dice.next())
        )
        // Whoever stays under the limit says one hello a connection.
        let isNamed = plan.kind == .customer, retries = dice.happens(in: 15) && plan.kind != .slow
        server = Server(retries: retries)
        hello = Hello(
            serverName: isNamed ? "shop.example" : nil, padding: dice.happens(in: 30) ? dice.within(900...1_700) : 0,
            number: number << 1
        ).stream()
        second = Hello(serverName: isNamed ? "shop.example" : nil, number: number << 1 | 1).stream()
        giveUp = now + 6_000
        script(from: now, &dice)
    }

    private func script(from now: Time, _ dice: inout Dice) {
        guard plan.kind != .spoofed else {
            // Neither a SYN-ACK nor an acknowledgement of it: somebody far away guesses.
            if dice.happens(in: 50) { add(now, .synchronize) }
            return add(now + 20, .data(hello, at: 0, isHeard: false))
        }
        add(now, .synchronize)
        add(now + 20, .acknowledge)
        let begins = now + 30
        switch plan.kind {
        case .customer: honest(hello, from: begins, &dice)
        case .attacker: trick(from: begins, &dice)
        case .slow, .allowed, .spoofed: add(begins, .data(hello, at: 0, isHeard: true))
        }
        steps.sort { $0.at < $1.at }
    }

    /// In pieces over a bad link: some are lost and come again, some come twice, some late.
    private func honest(_ stream: [UInt8], at offset: Int = 0, from now: Time, _ dice: inout Dice) {
        let size = dice.within(120...1_460)
        for start in stride(from: 0, to: stream.count, by: size) {
            let piece = Array(stream[start..<min(start + size, stream.count)])
            let late = dice.happens(in: 25) ? dice.within(1...60) : 0
            // Lost on the way here: it comes a while later, alone or with what follows it.
            let arrives = dice.happens(in: 5) ? now + 200 + late : now + late
            add(arrives, .data(piece, at: offset + start, isHeard: true))
            if dice.happens(in: 10) { add(arrives + dice.within(0...40), .data(piece, at: offset + start, isHeard: true)) }
        }
    }

    /// Some of the tricks of `adversary.md`. The fuzzer of the flow machine knows more of them; here it matters what the whole loop
    /// makes of them.
    private func trick(from now: Time, _ dice: inout Dice) {
        let named = Hello(serverName: "shop.example", number: dice.below(1 << 30)).stream()
        switch dice.below(8) {
        case 0, 1: add(now, .data(hello, at: 0, isHeard: true))
        case 2:
            let size = dice.within(1...400)
            for (index, start) in stride(from: 0, to: hello.count, by: size).prefix(40).enumerated() {
                add(now + index, .data(Array(hello[start..<min(start + size, hello.count)]), at: start, isHeard: true))
            }
        case 3:
            add(now, .data(named, at: 0, isHeard: false))
            add(now + 5, .data(hello, at: 0, isHeard: true))
        case 4:
            // The second half first, then a named whole that the server reads half of.
            add(now, .data(Array(hello[40...]), at: 40, isHeard: true))
            add(now + 5, .data(Array(named[..<40]), at: 0, isHeard: false))
            add(now + 10, .data(Array(hello[..<40]), at: 0, isHeard: true))
        case 5:
            add(now, .forgedEnd(dice.happens(in: 50) ? Conversation.reset : Conversation.finish))
            add(now + 5, .data(hello, at: 0, isHeard: true))
        case 6:
            add(now, .synchronize)
            add(now + 5, .data(hello, at: 0, isHeard: true))
        default:
            add(now, .data(hello, at: 0, isHeard: true))
            add(now + 3, .data(named, at: 0, isHeard: true))
        }
    }

    private func add(_ at: Time, _ step: Step) { steps.append((at, step)) }

    /// What it sends now.
    func due(at now: Time) -> Step? {
        guard !isOver else { return nil }
        guard now < giveUp else {
            isOver = true
            return nil
        }
        guard let first = steps.first, first.at <= now else { return nil }
        steps.removeFirst()
        if steps.isEmpty, case .rest = first.step { isOver = true }
        return first.step
    }

    func frame(of step: Step) -> [UInt8] {
        switch step {
        case .synchronize: conversation.syn
        case .acknowledge: conversation.ack
        // Who forges its address has not seen the server's number.
        case .data(let bytes, let offset, _) where plan.kind == .spoofed:
            conversation.frame(
                fromClient: true, sequence: conversation.clientISN &+ 1 &+ UInt32(offset),
                acknowledged: conversation.serverISN &+ 77_777, flags: Conversation.acknowledge, payload: bytes)
        case .data(let bytes, let offset, _): conversation.data(bytes, at: offset)
        case .forgedEnd(let flags):
            conversation.frame(
                fromClient: true, sequence: conversation.clientISN &+ 0x4000_0000,
                acknowledged: conversation.serverISN &+ 1, flags: flags | Conversation.acknowledge)
        case .rest:
            conversation.frame(
                fromClient: true, sequence: conversation.clientISN &+ 1 &+ UInt32(server.received),
                acknowledged: conversation.serverISN &+ 98, flags: Conversation.acknowledge | Conversation.push,
                payload: [20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 4, 1, 2, 3, 4])
        }
    }

    /// The server's answer reached the client.
    func hear(_ answer: Server.Answer, at now: Time, _ dice: inout Dice) {
        answeredAt = answeredAt ?? now
        if server.retries, server.answers == 1 {
            // The second hello acknowledges the first answer.
            conversation.serverISN &+= UInt32(answer.bytes.count)
            if plan.kind == .customer {
                honest(second, at: answer.read, from: now + 20, &dice)
            } else {
                add(now + 20, .data(second, at: answer.read, isHeard: true))
            }
            steps.sort { $0.at < $1.at }
        } else {
            // Copies of the hello that are on their way arrive all the same.
            add(max(now + 20, (steps.last?.at ?? 0) + 1), .rest)
        }
    }

    func end() { isOver = true }

    /// The frame that carries an answer.
    func frame(of answer: Server.Answer) -> [UInt8] {
        conversation.frame(
            fromClient: false, sequence: conversation.serverISN &+ 1,
            acknowledged: conversation.clientISN &+ 1 &+ UInt32(max(answer.read, server.received)),
            flags: Conversation.acknowledge | Conversation.push, payload: answer.bytes)
    }
}
