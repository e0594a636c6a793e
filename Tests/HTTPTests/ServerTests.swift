import Glibc
import HTTP
import Testing

/// A client in the same thread: it and the server take turns, and nobody waits longer than the kernel needs.
struct Client: ~Copyable {
    let socket: CInt

    init(_ host: String, _ port: UInt16) {
        var hints = addrinfo(), found: UnsafeMutablePointer<addrinfo>?
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        guard getaddrinfo(host, String(port), &hints, &found) == 0, let address = found else { fatalError("\(host) is unknown") }
        defer { freeaddrinfo(address) }
        socket = Glibc.socket(address.pointee.ai_family, CInt(SOCK_STREAM.rawValue), 0)
        guard connect(socket, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0 else { fatalError("no connection: \(errno)") }
    }

    deinit { close(socket) }

    func send(_ text: String) { _ = Glibc.send(socket, text, text.utf8.count, CInt(MSG_NOSIGNAL)) }

    /// Drives the server until it has nothing left to say here: `ends` is met, or the connection ends.
    func receive(from server: borrowing Server, until ends: (String) -> Bool = { _ in false }) -> String {
        var text: [UInt8] = []
        for _ in 0..<1000 {
            var waiting = [
                pollfd(fd: server.descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            ]
            // Bytes are always under way, so a poll that waits in vain is a wake-up that was lost.
            if poll(&waiting, 2, CInt(min(server.timeoutMilliseconds ?? 5000, 5000))) == 0, server.timeoutMilliseconds != 0 {
                return "stalled"
            }
            server.run()
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = recv(socket, &chunk, chunk.count, CInt(MSG_DONTWAIT))
            if count == 0 || (count < 0 && errno != EAGAIN) { break }
            text += chunk[..<max(count, 0)]
            if ends(String(decoding: text, as: UTF8.self)) { break }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// A client that an array can hold.
private final class Waiting {
    let client: Client
    init(_ port: UInt16) { client = Client("127.0.0.1", port) }
}

private func start(_ host: String = "127.0.0.1", port: UInt16 = 0, bounds: Server.Bounds = .init()) throws(HTTPError) -> Server {
    try Server(host: host, port: port, bounds: bounds) { path in
        path == "/metrics" ? Response(contentType: "text/plain; version=0.0.4", body: Array("weir_up 1\n".utf8)) : .notFound
    }
}

@Suite struct ServerTests {
    @Test("A request is answered, in either family", arguments: ["127.0.0.1", "::1", "localhost"])
    func answered(host: String) throws {
        let server = try start(host)
        #expect(server.port != 0)
        let client = Client(host, server.port)
        client.send("GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        let reply = client.receive(from: server)
        #expect(
            reply.hasPrefix("HTTP/1.1 200 ") && reply.contains("Content-Type: text/plain; version=0.0.4\r\n")
                && reply.hasSuffix("\r\n\r\nweir_up 1\n"))
    }

    @Test("One connection serves several requests, sent in pieces")
    func keptAlive() throws {
        let server = try start()
        let client = Client("127.0.0.1", server.port)
        for _ in 0..<3 {
            client.send("GET /metrics HT")
            server.run()
            client.send("TP/1.1\r\nHost: a\r\n\r\n")
            #expect(client.receive(from: server) { $0.hasSuffix("weir_up 1\n") }.hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test(
        "What is not there is 404, what is not GET is 405",
        arguments: [
            ("GET / HTTP/1.1", "404"), ("GET //metrics HTTP/1.1", "404"), ("POST /metrics HTTP/1.1\r\nContent-Length: 0", "405"),
            ("DELETE /metrics HTTP/1.1", "405")
        ])
    func refused(request: String, status: String) throws {
        let server = try start()
        let client = Client("127.0.0.1", server.port)
        client.send("\(request)\r\nHost: a\r\nConnection: close\r\n\r\n")
        #expect(client.receive(from: server).hasPrefix("HTTP/1.1 \(status) "))
    }

    @Test("HEAD has the length and no body")
    func head() throws {
        let server = try start()
        let client = Client("127.0.0.1", server.port)
        client.send("HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        let reply = client.receive(from: server)
        #expect(reply.contains("Content-Length: 10\r\n") && reply.hasSuffix("\r\n\r\n"))
    }

    @Test("Noise and endless headers end the connection, not the server")
    func noise() throws {
        let server = try start()
        for noise in [
            "\u{16}\u{3}\u{1}\0\0\r\n\r\n", "GET /" + String(repeating: "a", count: 40_000) + " HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 8000)
        ] {
            let client = Client("127.0.0.1", server.port)
            client.send(noise)
            _ = client.receive(from: server)
        }
        let client = Client("127.0.0.1", server.port)
        client.send("GET /metrics HTTP/1.0\r\n\r\n")
        #expect(client.receive(from: server).hasSuffix("weir_up 1\n"))
    }

    @Test("Beyond the limit connections wait, and are served when there is room")
    func limit() throws {
        var bounds = Server.Bounds()
        bounds.connections = 4
        bounds.reserve = 0
        let server = try start(bounds: bounds)
        do {
            let a = Client("127.0.0.1", server.port), b = Client("127.0.0.1", server.port)
            let c = Client("127.0.0.1", server.port), d = Client("127.0.0.1", server.port)
            for _ in 0..<8 { server.run() }
            _ = (a.socket, b.socket, c.socket, d.socket)
        }
        let client = Client("127.0.0.1", server.port)
        client.send("GET /metrics HTTP/1.0\r\n\r\n")
        #expect(client.receive(from: server).hasSuffix("weir_up 1\n"))
    }

    @Test("However many connections are slow, a newcomer is answered: who asked longest ago goes, and is counted", arguments: [64, 200])
    func slow(number: Int) throws {
        let counts = Server.Counts()
        let server = try Server(host: "127.0.0.1", port: 0, counts: counts) { _ in Response(text: "ok\n") }
        let slow = (0..<number).map { _ in Waiting(server.port) }
        // Some say nothing, some half a request.
        for (index, waiting) in slow.enumerated() where index % 2 == 1 { waiting.client.send("GET /healthz HT") }
        for _ in 0..<5 {
            let client = Client("127.0.0.1", server.port)
            client.send("GET /healthz HTTP/1.0\r\n\r\n")
            #expect(client.receive(from: server).hasSuffix("ok\n"))
        }
        #expect(counts.evicted >= number - 48)
    }

    @Test("A client that asks again and again keeps its connection while idle ones go")
    func busy() throws {
        let server = try start()
        let busy = Client("127.0.0.1", server.port)
        var idle: [Waiting] = []
        for _ in 0..<100 {
            idle.append(Waiting(server.port))
            busy.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(busy.receive(from: server) { $0.hasSuffix("weir_up 1\n") }.hasPrefix("HTTP/1.1 200 "))
        }
        #expect(idle.count == 100)
    }

    @Test("A port in use is one line that names the option")
    func inUse() throws {
        let server = try start()
        do throws(HTTPError) {
            _ = try start(port: server.port)
            Issue.record("bound twice")
        } catch {
            #expect(
                error.description
                    == "--listen 127.0.0.1:\(server.port): another process listens there; choose another port, or 0 for any free one")
        }
    }

    @Test(
        "An address of another machine is refused, and what is no address too",
        arguments: [
            ("192.0.2.1", "--listen 192.0.2.1:0: this machine has no such address"),
            ("2001:db8::1", "--listen [2001:db8::1]:0: this machine has no such address"),
            ("256.0.0.1", "--listen 256.0.0.1:0: no such address here: ")
        ])
    func foreign(host: String, line: String) {
        do throws(HTTPError) {
            _ = try start(host)
            Issue.record("bound")
        } catch { #expect(error.description.hasPrefix(line), "\(error)") }
    }

    @Test("A server that goes gives its port back")
    func restart() throws {
        let port = try start().port
        for _ in 0..<3 { #expect(try start(port: port).port == port) }
    }
}
