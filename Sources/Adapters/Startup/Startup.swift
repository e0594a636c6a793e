internal import Glibc
internal import Linux
internal import Synchronization

/// Starts components side by side, each as soon as what it requires is there (`Plan`), and writes down when.
///
/// Every component runs on a thread of its own, which ends with it: what it changes of its thread (capabilities, signal mask) concerns
/// nobody else, and when `run` returns the caller's thread is the only one that the start-up leaves.
package struct Startup: ~Copyable {
    /// A component's failure. What had been started is ended by the time it is thrown.
    package struct Failure: Error, CustomStringConvertible {
        package let component: String
        package let error: any Error
        /// Not started, because they need it.
        package let dependants: [String]

        package var description: String {
            dependants.isEmpty
                ? "\(error)"
                : "\(error) (\(component) failed; not started without it: \(dependants.joined(separator: ", ")))"
        }
    }

    private struct Component: Sendable {
        let declaration: Plan.Declaration
        let start: @Sendable (Steps) throws -> Void
        let end: @Sendable () -> Void
    }

    private let limit: Int
    private let trace: Trace
    private var components: [Component] = []

    /// - Parameters:
    ///   - limit: components that run at once, at most. Those that wait in the kernel count as well.
    ///   - trace: where their times go.
    package init(limit: Int, trace: Trace) {
        precondition(limit > 0, "something has to run")
        self.limit = limit
        self.trace = trace
    }

    /// Of two components that may both start, the one that was added first does.
    /// - Parameters:
    ///   - end: undoes it, when something else fails; called on the thread of `run`.
    ///   - start: on a thread of its own. It fills what it provides.
    package mutating func add(
        _ name: String, requires: [any Provided] = [], provides: [any Provided] = [],
        end: @escaping @Sendable () -> Void = {}, start: @escaping @Sendable (Steps) throws -> Void
    ) {
        let declaration = Plan.Declaration(name, requires: requires.map(\.name), provides: provides.map(\.name))
        components.append(Component(declaration: declaration, start: start, end: end))
    }

    /// Returns when all have started and no thread of theirs is left.
    /// - Throws: `Plan.Fault` when they cannot be ordered, and nothing was started; `Failure` when one has failed.
    package mutating func run() throws {
        let plan = try Plan(components.map(\.declaration))
        let channel = try Channel()
        let rank = Dictionary(uniqueKeysWithValues: plan.order.enumerated().map { ($1, $0) })
        var left = plan.needs.map(\.count), ready = plan.order.filter { left[$0] == 0 }
        var lanes = Array((2..<2 + limit).reversed()), started: [Int] = [], failed: [(component: Int, error: any Error)] = []
        var ends = [UInt64](repeating: 0, count: components.count), running = 0
        while true {
            // Once one has failed the others that run are waited for, and no other is started.
            while failed.isEmpty, !ready.isEmpty, let lane = lanes.popLast() {
                let index = ready.removeFirst()
                channel.begin(
                    Job(
                        index: index, lane: lane, name: components[index].declaration.name, start: components[index].start,
                        channel: channel))
                running += 1
            }
            if running == 0 { break }
            for outcome in channel.wait() {
                running -= 1
                lanes.append(outcome.lane)
                ends[outcome.index] = outcome.end
                let last = plan.needs[outcome.index].max { ends[$0] < ends[$1] }
                let declaration = components[outcome.index].declaration
                trace.add(
                    Trace.Span(
                        declaration.name, .component, lane: outcome.lane, from: outcome.begin, to: outcome.end,
                        requires: declaration.requires, after: last.map { components[$0].declaration.name },
                        failed: outcome.error.map { "\($0)" }))
                for step in outcome.steps { trace.add(step) }
                if let error = outcome.error {
                    failed.append((outcome.index, error))
                    continue
                }
                started.append(outcome.index)
                for index in left.indices where plan.needs[index].contains(outcome.index) {
                    left[index] -= 1
                    guard left[index] == 0 else { continue }
                    ready.insert(index, at: ready.firstIndex { rank[$0]! > rank[index]! } ?? ready.count)
                }
            }
        }
        guard let first = failed.min(by: { rank[$0.component]! < rank[$1.component]! }) else { return }
        for index in started.reversed() { components[index].end() }
        throw Failure(
            component: components[first.component].declaration.name, error: first.error,
            dependants: plan.dependants(of: first.component).map { components[$0].declaration.name })
    }
}

/// Parts of a component, for the trace.
package final class Steps {
    private let lane: Int
    fileprivate private(set) var spans: [Trace.Span] = []

    fileprivate init(lane: Int) { self.lane = lane }

    package func step<Result: ~Copyable, Failure: Error>(_ name: String, _ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let start = Clock.monotonic
        defer { spans.append(Trace.Span(name, .step, lane: lane, from: start, to: Clock.monotonic)) }
        return try body()
    }
}

private struct Outcome: Sendable {
    let index: Int
    let lane: Int
    let begin: UInt64
    let end: UInt64
    let steps: [Trace.Span]
    let error: (any Error)?
}

private final class Job: Sendable {
    let index: Int
    let lane: Int
    private let name: String
    private let start: @Sendable (Steps) throws -> Void
    private let channel: Channel

    init(index: Int, lane: Int, name: String, start: @escaping @Sendable (Steps) throws -> Void, channel: Channel) {
        self.index = index
        self.lane = lane
        self.name = name
        self.start = start
        self.channel = channel
    }

    func run() {
        let begin = Clock.monotonic, steps = Steps(lane: lane)
        var failure: (any Error)?
        do { try start(steps) } catch { failure = error }
        channel.say(Outcome(index: index, lane: lane, begin: begin, end: Clock.monotonic, steps: steps.spans, error: failure))
    }
}

/// From the components' threads to the one that starts them.
private final class Channel: Sendable {
    private let outcomes = Mutex<[Outcome]>([])
    private let threads = Mutex<[Int: pthread_t]>([:])
    private let wake: EventCounter

    init() throws(Errno) { wake = try EventCounter(blocking: true) }

    func begin(_ job: Job) {
        var thread = pthread_t()
        let held = unsafe Unmanaged.passRetained(job)
        guard unsafe pthread_create(&thread, nil, componentThread, held.toOpaque()) == 0 else {
            // No thread is to be had: then here, one after the other.
            return unsafe held.takeRetainedValue().run()
        }
        let begun = thread
        threads.withLock { $0[job.index] = begun }
    }

    func say(_ outcome: Outcome) {
        outcomes.withLock { $0.append(outcome) }
        wake.raise()
    }

    /// Waits for some, and for the ends of their threads.
    func wait() -> [Outcome] {
        wake.take()
        let found = outcomes.withLock { outcomes in
            defer { outcomes = [] }
            return outcomes
        }
        for outcome in found {
            if let thread = threads.withLock({ $0.removeValue(forKey: outcome.index) }) { pthread_join(thread, nil) }
        }
        return found
    }
}

private func componentThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
