internal import ControllerCore
internal import Detection
internal import Envoy
internal import Front
internal import GRPC
internal import KEDA
internal import Linux
internal import Log
internal import Messages
internal import Metrics
internal import Units
internal import Vocabulary

/// Those who ask over gRPC: Envoys and KEDA. They are slow by nature and have a thread of their own; here is what they are told, from the topics and
/// nothing else, so that every replica tells the same.
final class Peers {
    let port: Int
    private let server: Server
    private let edge: Edge
    private let scaler = Scaler()
    private var hasNews = false
    private var isLoaded = false
    private var wanted: [String: Scaler.Wanted] = [:]

    init(_ address: String, credentials: Credentials, log: Log) throws {
        guard let server = Server(address, credentials: credentials) else {
            throw Refusal.cannot("--grpc \(address): the address cannot be had, or the certificate, key or authority cannot be used")
        }
        self.server = server
        port = server.port
        var refusals = LimitedLog(interval: 60_000_000_000)
        // Told on the server's thread, in its turns: the log writes whole lines.
        edge = Edge(wall: { Instant(nanoseconds: Clock.wall) }, monotonic: { Clock.monotonic }) { news in
            switch news {
            case .refused(let reason): refusals.write(log, .warning, "an Envoy keeps what it had", [("reason", reason)])
            }
        }
        let edge = edge
        server.run(edge.methods.merging(scaler.methods) { first, _ in first }) { edge.tick() }
    }

    /// A key of the limits topic has another value. Told by `tell`, so that what comes together is pushed together.
    func limit(_ key: Limit.Key, _ standing: (perSecond: Int, until: Instant)?) {
        hasNews = true
        let entry = standing.map { LimitedSources.Entry(perSecond: $0.perSecond, until: $0.until) }
        server.turn { edge.set(key.prefix, key.limitClass, entry) }
    }

    func tell() {
        guard hasNews else { return }
        hasNews = false
        server.turn { edge.tell() }
    }

    /// The topics have been read to their ends: from now on there is an answer.
    func load() {
        guard !isLoaded else { return }
        isLoaded = true
        hasNews = false
        server.turn { edge.load() }
    }

    /// How many replicas each workload of the policy wants.
    func want(_ replicas: [String: Int], _ targets: [Policy.Target]) {
        guard isLoaded else { return }
        var next: [String: Scaler.Wanted] = [:]
        for target in targets where next[target.workload] == nil {
            next[target.workload] = Scaler.Wanted(
                replicas: replicas[target.workload] ?? target.min, isActive: replicas[target.workload] != nil)
        }
        guard next != wanted || next.isEmpty else { return }
        wanted = next
        server.turn { scaler.set(next) }
    }

    struct Counts {
        let server: Server.Counts
        let edge: Edge.Counts
        let keda: Scaler.Counts
        let listed: Int
        let listBytes: Int
        let sourcesRefused: Int
    }

    var counts: Counts {
        server.turn {
            Counts(
                server: server.counts, edge: edge.counts, keda: scaler.counts, listed: edge.sources.count, listBytes: edge.listSize,
                sourcesRefused: edge.sources.refused)
        }
    }
}

/// What a scrape shows of them.
struct PeerMetrics {
    private typealias Line = (name: String, help: String, value: @Sendable (Peers.Counts) -> Int)

    private static let counters: [Line] = [
        ("grpc_calls_total", "gRPC calls opened.", { $0.server.calls }),
        ("grpc_refused_total", "gRPC calls refused: no such method, or too many.", { $0.server.refused }),
        ("xds_pushes_total", "Answers pushed to Envoys.", { $0.edge.pushes }),
        ("xds_accepted_total", "Answers that an Envoy accepted (ACK).", { $0.edge.accepted }),
        ("xds_refused_total", "Answers that an Envoy refused (NACK): it keeps what it had.", { $0.edge.refused }),
        ("grpc_malformed_total", "Requests that were no message of their method.", { $0.edge.malformed }),
        ("rls_asked_total", "Questions to the rate-limit service.", { $0.edge.asked }),
        ("rls_over_limit_total", "Questions answered by OVER_LIMIT.", { $0.edge.overLimit }),
        ("keda_asked_total", "Questions of KEDA.", { $0.keda.asked }),
        ("keda_pushes_total", "Transitions pushed to KEDA.", { $0.keda.pushes }),
        ("keda_unknown_total", "Questions of KEDA about a workload that the policy does not name.", { $0.keda.unknown }),
        ("listed_refused_total", "Limited sources that did not fit the list.", { $0.sourcesRefused })
    ]
    private static let gauges: [Line] = [
        ("grpc_open", "gRPC calls open now.", { $0.server.open }), ("xds_streams", "Envoys that listen.", { $0.edge.streams }),
        ("keda_streams", "Scaled objects that listen.", { $0.keda.streams }),
        ("listed_sources", "Sources in the list that Envoys have.", { $0.listed }), ("listed_bytes", "Size of that list.", { $0.listBytes })
    ]

    private let metrics: Metrics
    private let numbers: [(Metrics.Counter, @Sendable (Peers.Counts) -> Int)]
    private let levels: [(Metrics.Gauge, @Sendable (Peers.Counts) -> Int)]

    init(_ metrics: Metrics) {
        self.metrics = metrics
        numbers = Self.counters.map { (metrics.counter("weir_controller_\($0.name)", $0.help), $0.value) }
        levels = Self.gauges.map { (metrics.gauge("weir_controller_\($0.name)", $0.help), $0.value) }
    }

    func set(_ counts: Peers.Counts) {
        for (counter, value) in numbers { metrics.set(counter, to: UInt64(value(counts))) }
        for (gauge, value) in levels { metrics.set(gauge, to: Double(value(counts))) }
    }
}
