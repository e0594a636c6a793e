package import GRPC
package import Units
package import Vocabulary

/// What every Envoy is to know: the list, who listens for it, and the rate-limit service. All of it is touched in the server's turns.
package final class Edge {
    package struct Counts: Sendable, Equatable {
        package var streams = 0
        package var pushes = 0
        package var accepted = 0
        package var refused = 0
        package var malformed = 0
        package var asked = 0
        package var overLimit = 0
    }

    package enum News: Sendable {
        /// An Envoy keeps what it had: why.
        case refused(String)
    }

    package internal(set) var counts = Counts()
    package internal(set) var lastRefusal = ""
    /// Whether what stands has been read whole: an empty list said too early would lift every limit there is.
    package private(set) var isLoaded = false
    package private(set) var sources = LimitedSources()
    private(set) var resources: [String: Resources.Resource] = [:]
    private var streams: [ObjectIdentifier: DiscoveryStream] = [:]
    private var limits = RateLimits()
    private let wall: () -> Instant
    private let monotonic: () -> UInt64
    let hear: (News) -> Void
    private var nextEnd: Instant?
    private var isDirty = false

    package init(wall: @escaping () -> Instant, monotonic: @escaping () -> UInt64, hear: @escaping (News) -> Void) {
        self.wall = wall
        self.monotonic = monotonic
        self.hear = hear
        make()
    }

    package var listSize: Int { resources[Resources.httpNameless]?.bytes.count ?? 0 }

    package var methods: [String: Server.Method] {
        let discover: Server.Method = { [self] (call) throws(Status) in
            counts.streams += 1
            let stream = DiscoveryStream(call, self)
            streams[ObjectIdentifier(stream)] = stream
            return stream.handler
        }
        return [
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources": discover,
            "/envoy.service.extension.v3.ExtensionConfigDiscoveryService/StreamExtensionConfigs": discover,
            "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit": { [self] (call) throws(Status) in
                Call.Handler(received: { self.ask(call, $0) })
            }
        ]
    }

    func gone(_ stream: DiscoveryStream) {
        counts.streams -= 1
        streams[ObjectIdentifier(stream)] = nil
    }

    private func ask(_ call: Call, _ bytes: [UInt8]) {
        guard isLoaded else { return call.finish(Status(.unavailable, "the limits have not been read yet")) }
        counts.asked += 1
        do throws(Malformed) {
            let (response, isOver) = try limits.answer(bytes, sources, at: wall(), monotonic: monotonic())
            if isOver { counts.overLimit += 1 }
            call.finish(with: response)
        } catch {
            counts.malformed += 1
            call.finish(Status(.invalidArgument, "no RateLimitRequest"))
        }
    }

    // MARK: News

    /// A limit of a source; `nil`: it has none of that class any more. Told to the Envoys by `tell`.
    package func set(_ prefix: Prefix, _ limitClass: LimitClass, _ entry: LimitedSources.Entry?) {
        if sources.set(prefix, limitClass, entry.flatMap { $0.until > wall() ? $0 : nil }) { isDirty = true }
        if let end = entry?.until { nextEnd = min(nextEnd ?? end, end) }
    }

    /// All that was set since the last time, in one push each.
    package func tell() {
        guard isDirty, isLoaded else { return }
        make()
        for stream in streams.values { stream.push() }
    }

    /// From now on answers may be given.
    package func load() {
        guard !isLoaded else { return }
        isLoaded = true
        make()
        for stream in streams.values { stream.push() }
    }

    /// Limits end by themselves.
    package func tick() {
        guard let nextEnd, nextEnd <= wall() else { return }
        if sources.expire(at: wall()) { isDirty = true }
        self.nextEnd = sources.nextEnd
        tell()
    }

    private func make() {
        isDirty = false
        resources = Resources.make(sources.settled())
    }
}
