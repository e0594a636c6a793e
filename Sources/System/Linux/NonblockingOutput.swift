internal import Glibc

/// Writes to a descriptor that others share, and never waits: not for a pipe that nobody reads, a stopped terminal, a full socket.
///
/// `O_NONBLOCK` belongs to the open file, so setting it would change the descriptor for everybody who has it. A pipe or a terminal
/// is opened once more instead, and a socket is asked message by message.
package struct NonblockingOutput: ~Copyable {
    private enum Way {
        /// A file on a disk, `/dev/null`: it takes everything.
        case direct
        case socket
        /// Opened once more, for us alone.
        case own
        /// It could not be opened again, so its room is asked for before each write of at most so many bytes.
        case asked(mostBytes: Int)
    }

    /// MSG_DONTWAIT (bits/socket.h). The module that a statically linked program imports does not have it.
    private static let dontWait: CInt = 0x40

    private let descriptor: CInt
    private let own: CInt
    private let way: Way

    /// - Parameter descriptor: stays its owner's.
    package init(_ descriptor: CInt) {
        var status = stat()
        let kind = unsafe fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
        let isTerminal = isatty(descriptor) == 1
        let again =
            kind == S_IFIFO || isTerminal ? unsafe open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) : -1
        self.descriptor = descriptor
        own = again
        way =
            switch true {
            case again >= 0: .own
            case kind == S_IFSOCK: .socket
            // A pipe that has room has it for PIPE_BUF bytes (pipe(7)), a terminal for 256 (WAKEUP_CHARS in drivers/tty).
            case kind == S_IFIFO: .asked(mostBytes: 4096)
            case isTerminal: .asked(mostBytes: 256)
            default: .direct
            }
    }

    deinit { if own >= 0 { close(own) } }

    /// How many of the bytes from `start` on were taken, or `nil` when nothing can be written there any more: the disk is full, the reader is gone.
    package func write(_ bytes: [UInt8], from start: Int) -> Int? {
        let result = unsafe bytes.withUnsafeBytes { buffer in
            guard start < buffer.count, let base = buffer.baseAddress else { return 0 }
            let from = unsafe base + start, count = buffer.count - start
            switch way {
            case .direct: return unsafe Glibc.write(descriptor, from, count)
            case .own: return unsafe Glibc.write(own, from, count)
            case .socket: return unsafe send(descriptor, from, count, Self.dontWait)
            case .asked(let most): return hasRoom(within: 0) ? unsafe Glibc.write(descriptor, from, min(count, most)) : 0
            }
        }
        if result >= 0 { return result }
        return errno == EAGAIN || errno == EINTR ? 0 : nil
    }

    /// Waits for room, but not longer than that.
    @discardableResult
    package func hasRoom(within milliseconds: Int) -> Bool {
        var target = pollfd(fd: own >= 0 ? own : descriptor, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&target, 1, CInt(clamping: milliseconds)) == 1
    }
}
