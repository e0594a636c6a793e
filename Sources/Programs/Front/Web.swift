package import Arguments
package import HTTP
internal import Metrics

/// The pages that every service shows, and its own beside them.
package protocol Pages: AnyObject {
    /// All metrics as of now, in the format of `Metrics.contentType`.
    func metricsPage() -> [UInt8]
    /// Why it does not do all that it is there for; `nil` when it does.
    var unready: String? { get }
    /// A page that this program has besides; `nil` where there is none of that name.
    func ownPage(_ path: String) -> Response?
}

extension Pages {
    package func ownPage(_ path: String) -> Response? { nil }

    package func answer(_ path: String) -> Response {
        switch path {
        case "/metrics": Response(contentType: Metrics.contentType, body: metricsPage())
        case "/healthz": Response(text: "ok\n")
        case "/readyz": unready.map { Response(status: 503, text: "\($0)\n") } ?? Response(text: "ok\n")
        default: ownPage(path) ?? .notFound
        }
    }
}

/// Where a service's pages answer. A class, so that an optional can hold it.
package final class Web {
    /// Who answers; the port is bound before there is anybody.
    private final class Desk {
        weak var pages: (any Pages)?
    }

    private let server: Server
    private let desk = Desk()
    package let counts: Server.Counts

    /// Binds the port. Nothing answers before `show`.
    /// - Parameter counts: those of an earlier one, to be counted on.
    package init(_ listen: Endpoint, _ counts: Server.Counts = Server.Counts()) throws(HTTPError) {
        self.counts = counts
        server = try Server(host: listen.host, port: listen.port, counts: counts) { [desk] path in
            desk.pages?.answer(path) ?? Response(status: 503, text: "starting\n")
        }
    }

    /// - Parameter pages: not kept alive by this.
    package func show(_ pages: some Pages) { desk.pages = pages }

    package var port: UInt16 { server.port }
    package var descriptor: CInt { server.descriptor }
    /// How long the caller may wait before the next `run()`; `nil`: as long as the descriptor is silent.
    package var timeoutMilliseconds: Int? { server.timeoutMilliseconds }
    /// Answers as much as is ready, without waiting.
    package func run() { server.run() }
}
