internal import Glibc
internal import Linux

/// A listening TCP socket that somebody else will own: bound here, so that a refusal can say exactly what and why.
struct Listener: ~Copyable {
    let descriptor: CInt
    let port: UInt16
    init(host: String, port: UInt16, option: String) throws(HTTPError) {
        func refusal(_ why: String) -> HTTPError {
            HTTPError(description: "\(option) \(host.contains(":") ? "[\(host)]" : host):\(port): \(why)")
        }

        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let failure = unsafe getaddrinfo(host, String(port), &hints, &found)
        guard failure == 0, let first = unsafe found else {
            throw refusal("no such address here: \(unsafe String(cString: gai_strerror(failure)))")
        }
        defer { unsafe freeaddrinfo(first) }

        let socket = unsafe socket(first.pointee.ai_family, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw refusal("\(Errno.current)") }
        var on: CInt = 1
        unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        guard unsafe bind(socket, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0, listen(socket, 512) == 0 else {
            let error = Errno.current
            _ = close(socket)
            switch error.rawValue {
            case EADDRINUSE: throw refusal("another process listens there; choose another port, or 0 for any free one")
            case EADDRNOTAVAIL: throw refusal("this machine has no such address")
            case EACCES: throw refusal("ports below 1024 need root or CAP_NET_BIND_SERVICE")
            default: throw refusal("\(error)")
            }
        }
        descriptor = socket
        self.port = Self.boundPort(of: socket) ?? port
    }

    deinit { _ = close(descriptor) }

    /// The new owner closes it.
    consuming func handOver() { discard self }

    private static func boundPort(of socket: CInt) -> UInt16? {
        var address = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        // sockaddr_in and sockaddr_in6 keep the port in the same place, and the larger has room for either.
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(socket, $0, &size) }
        }
        return result == 0 ? UInt16(bigEndian: address.sin6_port) : nil
    }
}
