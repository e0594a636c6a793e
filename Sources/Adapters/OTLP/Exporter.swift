package import Requests
internal import Synchronization

/// Takes spans and log records to an OpenTelemetry receiver by HTTP, on a thread of its own: whoever tells never waits.
/// What finds the queue full, or is not taken after three tries, is dropped and counted.
package final class Exporter: Sendable {
    package struct Counts: Sendable, Equatable {
        package var delivered = 0
        /// No room in the queue.
        package var full = 0
        /// Not taken by the receiver.
        package var refused = 0
    }

    /// The receiver's state has changed.
    package enum News: Sendable { case up, down(String) }

    private struct State {
        var queue: [Telling] = []
        var counts = Counts()
    }

    private let state = Mutex(State())
    private let bell = Bell()
    private let endpoint: String
    private let headers: [String]
    private let authority: String?
    private let version: String
    private let hear: @Sendable (News) -> Void
    /// Tellings that wait at most, and that go in one request.
    package static let room = 8192, batch = 512
    private static let tries = 3

    /// - Parameters:
    ///   - endpoint: as OTEL_EXPORTER_OTLP_ENDPOINT: `/v1/traces` and `/v1/logs` are put behind it.
    ///   - headers: whole lines, for who asks for a key.
    ///   - authority: a PEM file with who may have signed the receiver's certificate; `nil`: the system's.
    /// - Throws: libcurl's words.
    package init(
        _ endpoint: String, headers: [String], authority: String?, version: String, hear: @escaping @Sendable (News) -> Void
    ) throws(Requester.Failure) {
        self.endpoint = endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint
        self.headers = headers + ["Content-Type: application/json"]
        (self.authority, self.version, self.hear) = (authority, version, hear)
        let requester = try Requester()
        Worker.start { [self] in run(requester) }
    }

    package var counts: Counts { state.withLock { $0.counts } }

    package func tell(_ telling: Telling) {
        let isFirst = state.withLock { state in
            guard state.queue.count < Self.room else {
                state.counts.full += 1
                return false
            }
            state.queue.append(telling)
            return state.queue.count == 1
        }
        if isFirst { bell.ring() }
    }

    // MARK: The thread

    private func run(_ requester: Requester) {
        var isUp: Bool?
        while true {
            let batch = take()
            guard !batch.isEmpty else {
                bell.wait(seconds: 1)
                continue
            }
            var trouble: String?
            for attempt in 0..<Self.tries {
                trouble = send(batch, requester)
                if trouble == nil { break }
                // A bell is no reason to hurry.
                if attempt < Self.tries - 1 { bell.wait(seconds: 1 << attempt) }
            }
            state.withLock { state in
                if trouble == nil { state.counts.delivered += batch.count } else { state.counts.refused += batch.count }
            }
            if isUp != (trouble == nil) { hear(trouble.map { .down($0) } ?? .up) }
            isUp = trouble == nil
        }
    }

    private func take() -> [Telling] {
        state.withLock { state in
            let taken = Array(state.queue.prefix(Self.batch))
            state.queue.removeFirst(taken.count)
            return taken
        }
    }

    /// `nil` when the receiver has taken both parts.
    private func send(_ batch: [Telling], _ requester: Requester) -> String? {
        let bodies = [("/v1/traces", Encoding.traces(batch, version: version)), ("/v1/logs", Encoding.logs(batch, version: version))]
        for (path, body) in bodies {
            guard let body else { continue }
            do throws(Requester.Failure) {
                let answer = try requester.request("POST", endpoint + path, headers: headers, body: body, authority: authority)
                guard (200..<300).contains(answer.status) else { return "\(path): HTTP \(answer.status)" }
            } catch { return "\(path): \(error)" }
        }
        return nil
    }
}
