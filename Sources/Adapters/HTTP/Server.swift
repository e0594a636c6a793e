internal import CMicrohttpd

/// An HTTP server without a thread: its descriptor nests in the caller's epoll, and nothing happens outside `run()`.
///
/// GET and HEAD only, no request body: it shows metrics and health to those who may reach its port, and over TLS what the API server's aggregator asks.
@safe package struct Server: ~Copyable {
    /// Readable when there is something to do. Level-triggered, of the caller to watch, not to close.
    package let descriptor: CInt
    /// What was bound: the port that the kernel chose when 0 was asked for.
    package let port: UInt16

    // libmicrohttpd calls back on the thread that is inside `run()`, so the handler needs no lock.
    private let daemon: OpaquePointer
    private let context: Unmanaged<Context>
    private let bounds: Bounds
    private let counts: Counts

    /// `host` is an address without brackets, or a name. `option` is what the person wrote it in, for errors.
    package init(
        host: String, port: UInt16, option: String = "--listen", bounds: Bounds = Bounds(), counts: Counts = Counts(),
        handler: @escaping (_ path: String) -> Response
    ) throws(HTTPError) {
        try self.init(host: host, port: port, option: option, bounds: bounds, counts: counts, tls: nil) { handler($0.path) }
    }

    /// - Parameter tls: `nil` for plain text.
    package init(
        host: String, port: UInt16, option: String, bounds: Bounds = Bounds(), counts: Counts = Counts(), tls: TLS?,
        requests handler: @escaping (Request) -> Response
    ) throws(HTTPError) {
        let listener = try Listener(host: host, port: port, option: option)
        let context = unsafe Unmanaged.passRetained(Context(handler))
        let started =
            if let tls {
                unsafe weir_http_start_tls(
                    listener.descriptor, answer, connected, context.toOpaque(), UInt32(bounds.connections), UInt32(bounds.idleSeconds),
                    bounds.bytesPerConnection,
                    tls.certificateChain, tls.privateKey, tls.clientAuthority)
            } else {
                unsafe weir_http_start(
                    listener.descriptor, answer, connected, context.toOpaque(), UInt32(bounds.connections), UInt32(bounds.idleSeconds),
                    bounds.bytesPerConnection)
            }
        guard let daemon = unsafe started else {
            unsafe context.release()
            throw HTTPError(
                description: tls == nil
                    ? "\(option): the server does not start"
                    : "\(option): the server does not start; can the certificate and the key be used?")
        }
        self.bounds = bounds
        self.counts = counts
        self.port = listener.port
        listener.handOver()
        descriptor = unsafe weir_http_epoll(daemon)
        unsafe self.daemon = daemon
        unsafe self.context = context
    }

    deinit {
        // Closes the listener and every connection, and only then lets the handler go.
        unsafe MHD_stop_daemon(daemon)
        unsafe context.release()
    }

    /// Accepts, reads, answers: as much as is ready, without waiting.
    package func run() {
        // Each round makes room for those that wait for it; the next call goes on where these do not suffice.
        for _ in 0..<4 {
            // A full server looks at its listener again only at the start of a run, and nothing would wake the caller for that.
            let wasFull = unsafe weir_http_connections(daemon) >= UInt32(bounds.connections)
            unsafe MHD_run(daemon)
            if !makeRoom(), !wasFull { return }
        }
    }

    /// Whoever is slow keeps nobody out: beyond what is reserved for newcomers, those whose last request is longest ago are closed.
    private func makeRoom() -> Bool {
        // The context lives as long as the server.
        let latest = unsafe context.takeUnretainedValue()
        var hasClosed = false
        while latest.requests.count > bounds.connections - bounds.reserve, let oldest = latest.requests.min(by: { $0.value < $1.value }) {
            latest.requests[oldest.key] = nil
            unsafe weir_http_end(OpaquePointer(bitPattern: oldest.key))
            counts.evicted += 1
            hasClosed = true
        }
        return hasClosed
    }

    /// How long the caller may wait before the next `run()`, even if the descriptor stays silent; `nil`: for ever.
    package var timeoutMilliseconds: Int? {
        var timeout: UInt64 = 0
        return unsafe MHD_get_timeout(daemon, &timeout) == .YES ? Int(clamping: timeout) : nil
    }

    package struct Bounds: Sendable {
        package var connections = 64
        /// Of these, kept free for new ones.
        package var reserve = 16
        package var idleSeconds = 10
        /// Of request line and headers.
        package var bytesPerConnection = 16_384
        package init() {}
    }

    package final class Counts {
        /// Connections that were closed to make room for new ones.
        package fileprivate(set) var evicted = 0
        package init() {}
    }
}

/// PEM texts. With an authority a client may show who it is.
package struct TLS: Sendable {
    package var certificateChain: String
    package var privateKey: String
    package var clientAuthority: String?

    package init(certificateChain: String, privateKey: String, clientAuthority: String?) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
        self.clientAuthority = clientAuthority
    }
}

/// What is asked for; held only while it is answered.
@safe package struct Request {
    package let path: String
    fileprivate let connection: OpaquePointer?

    /// A parameter of the query, decoded.
    package func query(_ name: String) -> String? {
        unsafe weir_http_query(connection, name).map { unsafe String(cString: $0) }
    }

    /// The client has shown a certificate of the authority.
    package var isVerified: Bool { unsafe weir_http_verified(connection) == 1 }
}

package struct Response: Sendable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]

    package init(status: Int = 200, contentType: String = "text/plain; charset=utf-8", body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    package init(status: Int = 200, text: String) { self.init(status: status, body: Array(text.utf8)) }

    package static let notFound = Response(status: 404, text: "no such page\n")
}

/// Why a server does not start: one line.
package struct HTTPError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
}

final class Context {
    let handler: (Request) -> Response
    /// Open connections, by their addresses in memory, with the number of their latest request; of who has not asked yet, of its arrival.
    fileprivate var requests: [UInt: UInt64] = [:]
    private var number: UInt64 = 0

    fileprivate func note(_ connection: OpaquePointer) {
        number += 1
        requests[UInt(bitPattern: connection)] = number
    }

    init(_ handler: @escaping (Request) -> Response) { self.handler = handler }
}

// At file scope, so that no actor's isolation travels into C with it.
private func answer(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, url: UnsafePointer<CChar>?, method: UnsafePointer<CChar>?,
    version: UnsafePointer<CChar>?, upload: UnsafePointer<CChar>?, uploadSize: UnsafeMutablePointer<Int>?,
    state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context = unsafe context, let url = unsafe url, let method = unsafe method, let state = unsafe state else { return .NO }
    let verb = unsafe String(cString: method)
    guard verb == "GET" || verb == "HEAD" else {
        return unsafe queue(Response(status: 405, text: "only GET is answered here\n"), on: connection, allow: true)
    }
    // The first call knows the headers only, and an answer then would end the connection. Any pointer marks the second.
    if unsafe state.pointee == nil {
        unsafe state.pointee = context
        return .YES
    }
    // The context lives until the daemon is stopped, and only a running daemon calls back.
    let server = unsafe Unmanaged<Context>.fromOpaque(context).takeUnretainedValue()
    if let connection = unsafe connection { unsafe server.note(connection) }
    return unsafe queue(server.handler(Request(path: String(cString: url), connection: connection)), on: connection, allow: false)
}

private func connected(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    what: MHD_ConnectionNotificationCode
) {
    guard let context = unsafe context, let connection = unsafe connection else { return }
    // As above; the end of a server ends its connections first.
    let server = unsafe Unmanaged<Context>.fromOpaque(context).takeUnretainedValue()
    if what == .CONNECTION_NOTIFY_STARTED { unsafe server.note(connection) } else { server.requests[UInt(bitPattern: connection)] = nil }
}

private func queue(_ response: Response, on connection: OpaquePointer?, allow: Bool) -> MHD_Result {
    // The library copies the body before the call returns; the mutable pointer is its signature's age.
    var body = response.body
    let message = unsafe body.withUnsafeMutableBytes { bytes in
        unsafe MHD_create_response_from_buffer(bytes.count, bytes.baseAddress, .RESPMEM_MUST_COPY)
    }
    guard let message = unsafe message else { return .NO }
    defer { unsafe MHD_destroy_response(message) }
    unsafe MHD_add_response_header(message, "Content-Type", response.contentType)
    if allow { unsafe MHD_add_response_header(message, "Allow", "GET, HEAD") }
    return unsafe MHD_queue_response(connection, UInt32(clamping: response.status), message)
}
