internal import Glibc
internal import Linux
internal import Messages
internal import Synchronization

/// Where a start's time went, from exec on, as Chrome's trace events (the "JSON Object Format" of its Trace Event Format, which Perfetto
/// and chrome://tracing open): complete events, nested by time within a thread, microseconds since exec.
package final class Trace: Sendable {
    package enum Kind: String, Sendable {
        /// The whole, what it does before and after the graph on its one thread, a node of the graph, a part of one.
        case start, phase, component, step
    }

    package struct Span: Sendable {
        let name: String
        let kind: Kind
        /// A thread's place, from 1: the program's own. The others are those of `Startup`, each used again by one component after the
        /// other.
        let lane: Int
        let from: UInt64
        let to: UInt64
        let requires: [String]
        /// Of what it requires, the component that ended last.
        let after: String?
        let failed: String?

        init(
            _ name: String, _ kind: Kind, lane: Int = 1, from: UInt64, to: UInt64, requires: [String] = [], after: String? = nil,
            failed: String? = nil
        ) {
            self.name = name
            self.kind = kind
            self.lane = lane
            self.from = from
            self.to = to
            self.requires = requires
            self.after = after
            self.failed = failed
        }
    }

    private let program: String
    private let version: String
    /// Exec, as near as a process can tell: what it has computed so far is the loader's work, and nothing had to be waited for.
    private let start: UInt64
    private let spans = Mutex<[Span]>([])
    /// Where the current phase began.
    private let phase: Mutex<UInt64>

    /// At the beginning of the program.
    package init(program: String, version: String) {
        var used = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
        let now = Clock.monotonic
        self.program = program
        self.version = version
        start = now - UInt64(used.tv_sec) * 1_000_000_000 - UInt64(used.tv_nsec)
        phase = Mutex(now)
        add(Span("loader", .phase, from: start, to: now))
    }

    /// What the program's own thread did since the last phase.
    package func phase(_ name: String) {
        let now = Clock.monotonic
        let from = phase.withLock { phase in
            defer { phase = now }
            return phase
        }
        add(Span(name, .phase, from: from, to: now))
    }

    /// The graph's part of a start. Where it fails, its times are written before the error goes on.
    /// - Parameter path: of the file; `nil` where nobody wants one.
    package func components<Result>(writingTo path: String?, _ start: () throws -> Result) throws -> Result {
        let result: Result
        do { result = try start() } catch {
            phase("components")
            if let path { _ = write(to: path) }
            throw error
        }
        phase("components")
        return result
    }

    func add(_ span: Span) { spans.withLock { $0.append(span) } }

    /// The text of the file, as of now.
    package var json: [UInt8] {
        let spans = spans.withLock { $0 }.sorted { ($0.from, $1.to) < ($1.from, $0.to) }
        // Each moment is rounded by itself, so that what lies within another still does.
        func micro(_ moment: UInt64) -> Int { Int((max(moment, start) - start) / 1000) }
        let process = Int(getpid()), end = spans.map(\.to).max() ?? start
        var json = JSONWriter(capacity: 8192)
        json.object { json in
            json.member("displayTimeUnit", "ms")
            json.object("otherData") { json in
                json.member("program", program)
                json.member("version", version)
            }
            json.array("traceEvents") { json in
                func event(_ name: String, _ phase: String, lane: Int, _ members: (inout JSONWriter) -> Void) {
                    json.object { json in
                        json.member("name", name)
                        json.member("ph", phase)
                        json.member("pid", process)
                        json.member("tid", lane)
                        members(&json)
                    }
                }
                event("process_name", "M", lane: 1) { $0.object("args") { $0.member("name", program) } }
                for lane in Set(spans.map(\.lane)).sorted() {
                    let name = lane == 1 ? "main" : "start-up \(lane - 1)"
                    event("thread_name", "M", lane: lane) { $0.object("args") { $0.member("name", name) } }
                }
                for span in [Span("start", .start, from: start, to: end)] + spans {
                    event(span.name, "X", lane: span.lane) { json in
                        json.member("cat", span.kind.rawValue)
                        json.member("ts", micro(span.from))
                        json.member("dur", micro(span.to) - micro(span.from))
                        json.object("args") { json in
                            guard span.kind == .component else { return }
                            json.member("requires", span.requires)
                            if let after = span.after { json.member("after", after) }
                            if let failed = span.failed { json.member("failed", failed) }
                        }
                    }
                }
            }
        }
        return json.bytes
    }

    /// Whether the file could be written.
    package func write(to path: String) -> Bool { File.write(path, json) }
}
