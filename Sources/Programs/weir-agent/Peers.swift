internal import Arguments
internal import Glibc
internal import Linux
internal import Log

/// Other agents of this network namespace. Two on one interface count every handshake twice, and each limits by its own count: both are
/// told. And one may
/// take another's place, port and spool included, while both watch.
final class Peers {
    enum Request {
        /// Another agent wants our port and our spool.
        case yield(to: UInt32)
        /// It has them, and watches.
        case took(by: UInt32)
    }

    private enum Verb: String {
        /// What the sender watches, and the answer to that.
        case watching, also
        /// Asks for the place; it is given, or is no business of the receiver's; it has been taken.
        case yield, yielded, kept, took
    }

    let socket: PeerSocket
    private let node: String
    private let listen: Endpoint
    /// What was said of an interface already, by the other's number.
    private var told: [UInt32: Set<UInt32>] = [:]
    /// Whose place we have, or who has ours: that both watch for a while is meant.
    private var partner: UInt32?

    /// - Parameter later: the user that this agent becomes; `nil` when it stays what it is.
    init(node: String, listen: Endpoint, later: Account?) throws(Errno) {
        socket = try PeerSocket(seed: UInt32(truncatingIfNeeded: Clock.monotonic >> 10) ^ UInt32(getpid()) << 8, later: later?.user)
        self.node = node
        self.listen = listen
    }

    private var place: String { "\(listen.host):\(listen.port)" }

    private func message(_ verb: Verb, _ interfaces: [Interface] = []) -> String {
        "\(verb.rawValue)\n\(node)\n\(place)\n" + interfaces.map { String($0.index) }.joined(separator: " ")
    }

    /// Whether the agent of that number still runs.
    func isThere(_ peer: UInt32) -> Bool { PeerSocket.all.contains(peer) }

    // MARK: A place

    /// Asks the agent that listens where we shall for its port and its spool. An agent that is stuck gives nothing, and its port then
    /// says so.
    func askForPlace(_ log: Log) {
        var silent = Set(socket.others)
        for other in silent where !socket.send(message(.yield), to: other) { silent.remove(other) }
        let end = Clock.monotonic + 2_000_000_000
        while !silent.isEmpty, Clock.monotonic < end {
            guard let answer = socket.receive() else {
                pause(milliseconds: 2)
                continue
            }
            silent.remove(answer.from)
            guard answer.text.hasPrefix("\(Verb.yielded.rawValue)\n") else { continue }
            partner = answer.from
            log.write(.info, "takes the place of a running agent", [("pid", "\(answer.process)")])
            return
        }
    }

    /// To whose place it is: it may go, in a while.
    func tookPlace() { if let partner { socket.send(message(.took), to: partner) } }

    func yielded(to peer: UInt32) {
        partner = peer
        socket.send(message(.yielded), to: peer)
    }

    func kept(to peer: UInt32) { socket.send(message(.kept), to: peer) }

    // MARK: Two on one interface

    /// To all there are: what this one watches.
    func announce(_ interfaces: [Interface]) {
        let text = message(.watching, interfaces)
        for other in socket.others where other != partner { socket.send(text, to: other) }
    }

    /// What others have said; what they ask for comes back.
    func take(_ interfaces: [Interface], _ log: Log) -> [Request] {
        var requests: [Request] = []
        while let message = socket.receive() {
            let lines = message.text.split(separator: "\n", maxSplits: 3, omittingEmptySubsequences: false)
            guard lines.count == 4, let verb = Verb(rawValue: String(lines[0])) else { continue }
            // Others of the user that agents become may say what they watch; they get nothing for it.
            if verb == .yield || verb == .took, !message.mayAsk { continue }
            switch verb {
            case .yield:
                if lines[2] == place {
                    requests.append(.yield(to: message.from))
                } else {
                    socket.send(self.message(.kept), to: message.from)
                }
            case .took: requests.append(.took(by: message.from))
            case .yielded, .kept: break
            case .watching, .also:
                if verb == .watching { socket.send(self.message(.also, interfaces), to: message.from) }
                let theirs = Set(lines[3].split(separator: " ").compactMap { UInt32($0) }), known = told[message.from, default: []]
                let new = message.from == partner ? [] : interfaces.filter { theirs.contains($0.index) && !known.contains($0.index) }
                guard !new.isEmpty else { continue }
                told[message.from, default: []].formUnion(new.map(\.index))
                log.write(
                    .warning, "another agent watches the same interfaces; each of the two counts and limits all of their handshakes",
                    [
                        ("interfaces", new.map(\.name).joined(separator: ",")), ("pid", "\(message.process)"), ("node", String(lines[1])),
                        ("listen", String(lines[2]))
                    ])
            }
        }
        if !told.isEmpty {
            let alive = PeerSocket.all
            told = told.filter { alive.contains($0.key) }
        }
        return requests
    }
}
