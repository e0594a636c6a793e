internal import CLinux
internal import Glibc

/// Where the agents of one network namespace find each other: a datagram socket whose name goes with its process. The kernel says who
/// sends,
/// and only root, our own user and the one that we become are listened to.
package struct PeerSocket: ~Copyable {
    package struct Message: Sendable, Equatable {
        package let from: UInt32
        package let process: Int
        /// Sent by root, or by the user that this agent was started as: one that may end us anyway.
        package let mayAsk: Bool
        package let text: String
    }

    /// 24 bits that no other socket here has.
    package let number: UInt32
    private let descriptor: FileDescriptor
    /// Who may ask for something, and who may answer as well: agents that root started become another user.
    private let owner: UInt32, answering: UInt32
    private static let prefix = "weir-agent/"
    private static let longest = 65_536

    /// - Parameters:
    ///   - seed: where the search for a free number begins.
    ///   - later: the user that an agent like this one has once it needs no more rights.
    package init(seed: UInt32, later: UInt32? = nil) throws(Errno) {
        owner = geteuid()
        answering = later ?? owner
        var candidate = seed & 0xff_ffff, opened: CInt = -1
        for _ in 0..<64 {
            opened = unsafe weir_peer_socket(Self.name(candidate))
            if opened >= 0 || errno != EADDRINUSE { break }
            candidate = (candidate &+ 1) & 0xff_ffff
        }
        descriptor = try FileDescriptor(owning: opened)
        number = candidate
    }

    /// For the caller's epoll; it stays ours.
    package var eventDescriptor: CInt { descriptor.rawValue }

    private static func name(_ number: UInt32) -> String { prefix + String(number | 1 << 24, radix: 16).dropFirst() }

    private static func number(_ name: some StringProtocol) -> UInt32? {
        guard name.hasPrefix(prefix), name.utf8.count == prefix.utf8.count + 6 else { return nil }
        return UInt32(name.dropFirst(prefix.count), radix: 16)
    }

    /// Numbers of all there are now, ours as well.
    package static var all: Set<UInt32> {
        Set(
            (File.read("/proc/net/unix", limit: 1 << 24) ?? "").split(separator: "\n").compactMap { line in
                line.lastIndex(of: "@").flatMap { number(line[line.index(after: $0)...]) }
            })
    }

    package var others: [UInt32] { Self.all.filter { $0 != number }.sorted() }

    /// False when nobody has that number any more, or does not listen.
    @discardableResult
    package func send(_ text: String, to peer: UInt32) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe weir_peer_send(descriptor.rawValue, Self.name(peer), bytes, bytes.count) == 0
    }

    /// The next message; `nil` when none waits.
    package func receive() -> Message? {
        var name = [CChar](repeating: 0, count: 108), bytes = [UInt8](repeating: 0, count: Self.longest), user: UInt32 = 0,
            process: CInt = 0
        while true {
            let size = unsafe weir_peer_receive(descriptor.rawValue, &name, &bytes, bytes.count, &user, &process)
            guard size >= 0 else { return nil }
            let sender = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let mayAsk = user == 0 || user == owner
            guard mayAsk || user == answering, let from = Self.number(sender) else { continue }
            return Message(from: from, process: Int(process), mayAsk: mayAsk, text: String(decoding: bytes.prefix(size), as: UTF8.self))
        }
    }
}
