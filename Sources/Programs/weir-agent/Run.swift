internal import AgentCore
internal import Arguments
internal import BPF
internal import Detection
internal import Glibc
internal import HTTP
internal import Kafka
internal import Linux
internal import Log
internal import PolicyFile
internal import Startup
internal import Wire

let version = "0.1.0"

/// Exit codes: 0 well, 2 wrong use or input, 3 this machine cannot.
func run() {
    let trace = Trace(program: "weir-agent", version: version)
    let arguments: Arguments
    do {
        switch try Command.agent.parse(Array(CommandLine.arguments.dropFirst()), version: version) {
        case .show(let text): return print(text, terminator: "")
        case .run(let parsed): arguments = parsed
        }
    } catch { refuse("\(error)", code: 2) }
    keepFilesPrivate()
    let log = Log(program: "weir-agent", format: arguments.text("log") == "json" ? .json : .text)
    do {
        // Signals first: threads that libraries start later inherit the mask.
        let signals = try Signals([Signals.terminate, Signals.interrupt, Signals.hangUp])
        let settings = try Settings(arguments)
        // Two links for each interface.
        Descriptors.raise(to: 1 << 20)
        let network = try NetworkEvents()
        trace.phase("settings")
        let node: Node
        do { node = try Node.start(settings, trace: trace, log: log) } catch {
            trace.phase("components")
            if let path = settings.startupTrace { _ = trace.write(to: path) }
            throw error
        }
        trace.phase("components")
        try node.run(until: signals, network, trace)
        // Kafka's library waits for names to be resolved before it lets go (rd_kafka_destroy), and nothing is left to do for which we should.
        exit(0)
    } catch let failure as Startup.Failure {
        // What is said of the component's own failure comes first, as if there were no graph.
        refuse("weir-agent: \(failure.error is KafkaError ? "--kafka: " : "")\(failure)", code: exitCode(of: failure.error))
    } catch { refuse("weir-agent: \(error)", code: exitCode(of: error)) }
}

/// 3 is the machine's fault, 2 that of whoever asked.
private func exitCode(of error: any Error) -> CInt { error is ProbeError || error is Errno ? 3 : 2 }

/// Options that do not go together.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What the command line asks for, checked.
struct Settings: Sendable {
    let node: String
    /// Shell patterns; empty means the interfaces of the default routes.
    let patterns: [String]
    let policyPath: String?
    /// Whatever the policy says; `nil` leaves it to the policy.
    let mode: Policy.Mode?
    let policy: Policy
    let policyStamp: FileStamp?
    let kafka: KafkaConfiguration?
    /// The spool's directory.
    let state: String?
    let stateBounds: Outbox.Bounds
    /// Bytes that the hellos of events may take up there.
    let evidenceSize: Int
    /// Where to write what the start-up took.
    let startupTrace: String?
    let listen: Endpoint
    let attach: Attachment.Method?
    /// The place of the agent that listens there already.
    let takesOver: Bool
    /// Limits that follow from a rehearsal hold here as well.
    let heedsRehearsals: Bool
    /// MiB.
    let helloMemory: Int
    /// A turn of the loop that takes as long is logged. Nanoseconds.
    let slowTurn: UInt64
    /// Whom it becomes once it is attached; `nil` when it stays what it is.
    let account: Account?
    /// Why it stays root.
    let staysRoot: String?

    init(_ arguments: Arguments) throws {
        var name = [CChar](repeating: 0, count: 256)
        unsafe gethostname(&name, 255)
        node = arguments.text("node") ?? String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        patterns = arguments.texts("interface")
        policyPath = arguments.text("policy")
        mode = arguments.text("mode").flatMap { Policy.Mode(rawValue: $0) }
        // Before it is read: a change in between is then one to come.
        policyStamp = policyPath.flatMap { FileStamp($0) }
        policy = try Self.load(policyPath, mode)
        listen = arguments.endpoint("listen")!
        attach = arguments.text("attach").flatMap { Attachment.Method(rawValue: $0) }
        takesOver = arguments.has("take-over")
        heedsRehearsals = arguments.has("rehearsals")
        helloMemory = Int(arguments.text("hello-memory")!)!
        (account, staysRoot) = try Self.account(arguments.has("user") ? arguments.text("user") : nil)
        if arguments.has("kafka") || arguments.has("kafka-config") {
            var configuration =
                try arguments.text("kafka").map { text throws(KafkaConfiguration.Problem) in try KafkaConfiguration(bootstrap: text) }
                ?? KafkaConfiguration()
            if let file = arguments.text("kafka-config") { try configuration.load(file) }
            kafka = configuration
        } else {
            kafka = nil
        }
        state = arguments.text("state")
        stateBounds = Outbox.Bounds(bytes: arguments.size("state-size")!, age: arguments.duration("state-age")!.components.seconds)
        evidenceSize = arguments.size("evidence-size")!
        startupTrace = arguments.text("startup-trace")
        slowTurn = UInt64(clamping: arguments.duration("slow-turn")!.wholeNanoseconds)
        for bound in ["state-size", "state-age", "evidence-size"] where arguments.has(bound) && state == nil {
            throw UsageError("--\(bound) bounds what is kept in a directory; --state is wanted with it")
        }
        if state != nil, kafka == nil { throw UsageError("--state keeps events until Kafka has them; --kafka is wanted with it") }
    }
}

extension Settings {
    var options: NodeOptions {
        let seed = UInt64(bitPattern: Clock.wall) ^ UInt64(getpid()) << 48
        return NodeOptions(
            node: node, bootID: String(UInt32(truncatingIfNeeded: seed ^ seed >> 32), radix: 16), seed: seed,
            heedsRehearsals: heedsRehearsals)
    }

    /// The policy of a file, or the built-in one.
    static func load(_ path: String?, _ mode: Policy.Mode?) throws(PolicyError) -> Policy {
        var policy = Policy()
        if let path { policy = try PolicyFile.load(path: path) }
        if let mode { policy.mode = mode }
        return policy
    }
}

func refuse(_ message: String, code: CInt) -> Never {
    Log.lastWords(message)
    exit(code)
}
