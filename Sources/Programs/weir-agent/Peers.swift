internal import Arguments
internal import Glibc
internal import Linux
internal import Log

/// Other agents of this network namespace. Two on one interface count every handshake twice, and each limits by its own count: both are told.
final class Peers {
    let socket: PeerSocket
    private let node: String
    private let listen: Endpoint
    /// What was said of an interface already, by the other's number.
    private var told: [UInt32: Set<UInt32>] = [:]

    init(node: String, listen: Endpoint) throws(Errno) {
        socket = try PeerSocket(seed: UInt32(truncatingIfNeeded: Clock.monotonic >> 10) ^ UInt32(getpid()) << 8)
        self.node = node
        self.listen = listen
    }

    private func message(_ verb: String, _ interfaces: [Interface]) -> String {
        "\(verb)\n\(node)\n\(listen.host):\(listen.port)\n" + interfaces.map { String($0.index) }.joined(separator: " ")
    }

    /// To all there are: what this one watches.
    func announce(_ interfaces: [Interface], _ log: Log) {
        let text = message("watching", interfaces)
        for other in socket.others { socket.send(text, to: other) }
    }

    /// What others have said.
    func take(_ interfaces: [Interface], _ log: Log) {
        while let message = socket.receive() {
            let lines = message.text.split(separator: "\n", maxSplits: 3, omittingEmptySubsequences: false)
            guard lines.count == 4, lines[0] == "watching" || lines[0] == "also" else { continue }
            let theirs = Set(lines[3].split(separator: " ").compactMap { UInt32($0) })
            let both = interfaces.filter { theirs.contains($0.index) }
            if lines[0] == "watching" { socket.send(self.message("also", interfaces), to: message.from) }
            let new = both.filter { !told[message.from, default: []].contains($0.index) }
            guard !new.isEmpty else { continue }
            told[message.from, default: []].formUnion(new.map(\.index))
            log.write(.warning, "another agent watches the same interfaces; each of the two counts and limits all of their handshakes", [
                ("interfaces", new.map(\.name).joined(separator: ",")), ("pid", "\(message.process)"), ("node", String(lines[1])), ("listen", String(lines[2])),
            ])
        }
        let alive = PeerSocket.all
        told = told.filter { alive.contains($0.key) }
    }
}
