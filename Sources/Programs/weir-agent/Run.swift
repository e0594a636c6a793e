internal import AgentCore
internal import Arguments
internal import BPF
internal import Bundles
internal import Commands
internal import Detection
internal import Front
internal import Glibc
internal import History
internal import Kafka
internal import Linux
internal import Log
internal import PolicyFile
internal import Startup
internal import Units

func run() {
    Program(agentCommand, isOfMachine: { $0 is ProbeError }).serve([Signals.terminate, Signals.interrupt, Signals.hangUp]) { begun in
        let settings = try Settings(begun.arguments)
        // Two links for each interface.
        Descriptors.raise(to: 1 << 20)
        let network = try NetworkEvents()
        begun.trace.phase("settings")
        let node = try begun.trace.components(writingTo: settings.startupTrace) {
            try Node.start(settings, trace: begun.trace, log: begun.log)
        }
        try node.run(until: begun.signals, network, begun.trace)
        // Not behind this closure, where the node would be taken down first.
        withExtendedLifetime(node) { leave() }
    }
}

/// What the command line asks for, checked.
struct Settings: Sendable {
    let node: String
    /// Shell patterns; empty means the interfaces of the default routes.
    let patterns: [String]
    let policyPath: String?
    /// Signed policies in its place.
    let bundles: BundleSettings?
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
    /// Of the verdicts that are kept there; `nil`: none are.
    let history: HistoryWriter.Bounds?
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

    init(_ arguments: Arguments<AgentOptions>) throws {
        var name = [CChar](repeating: 0, count: 256)
        unsafe gethostname(&name, 255)
        node = arguments.node ?? String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        patterns = arguments.interfaces
        policyPath = arguments.policy.policy
        mode = arguments.policy.mode
        // Before it is read: a change in between is then one to come.
        policyStamp = policyPath.flatMap { FileStamp($0) }
        listen = arguments.service.listen
        attach = arguments.attach.map { Attachment.Method($0) }
        takesOver = arguments.takeOver
        heedsRehearsals = arguments.rehearsals
        helloMemory = arguments.helloMemory
        (account, staysRoot) = try Self.account(arguments.isGiven(\.user) ? arguments.user : nil)
        kafka = try brokersIfAny(arguments.service.brokers)
        state = arguments.state
        bundles = try BundleSettings(arguments, node: node, state: arguments.state, account: account)
        policy = try Self.load(policyPath, mode, bundles?.desk.policy)
        stateBounds = Outbox.Bounds(bytes: arguments.stateSize.bytes, age: arguments.stateAge.components.seconds)
        evidenceSize = arguments.evidenceSize.bytes
        history = arguments.historySize.map { HistoryWriter.Bounds(bytes: $0.bytes, age: arguments.historyAge) }
        startupTrace = arguments.startupTrace
        slowTurn = UInt64(clamping: arguments.slowTurn.wholeNanoseconds)
        let bounds = [
            ("state-size", arguments.isGiven(\.stateSize)), ("state-age", arguments.isGiven(\.stateAge)),
            ("evidence-size", arguments.isGiven(\.evidenceSize)), ("history-size", history != nil)
        ]
        for (bound, isGiven) in bounds where isGiven && state == nil {
            throw Refusal.wrong("--\(bound) bounds what is kept in a directory; --state is wanted with it")
        }
        if bundles?.readsTopic == true, kafka == nil {
            throw Refusal.wrong("--bundle-topic: from which brokers? --kafka is wanted with it")
        }
        if arguments.isGiven(\.historyAge), history == nil {
            throw Refusal.wrong("--history-age bounds a history; --history-size is wanted with it")
        }
        if state != nil, kafka == nil, bundles == nil, history == nil {
            throw Refusal.wrong("--state keeps events until Kafka has them; --kafka is wanted with it")
        }
    }
}

extension Attachment.Method {
    init(_ asked: AgentOptions.AttachMethod) {
        switch asked {
        case .tcx: self = .tcx
        case .clsact: self = .clsact
        }
    }
}

extension Settings {
    var options: NodeOptions {
        let seed = UInt64(bitPattern: Clock.wall) ^ UInt64(getpid()) << 48
        return NodeOptions(
            node: node, bootID: String(UInt32(truncatingIfNeeded: seed ^ seed >> 32), radix: 16), seed: seed,
            heedsRehearsals: heedsRehearsals)
    }

    /// The policy of a file or of a bundle, or the built-in one.
    static func load(_ path: String?, _ mode: Policy.Mode?, _ bundled: Policy? = nil) throws(PolicyError) -> Policy {
        var policy = bundled ?? Policy()
        if let path { policy = try PolicyFile.load(path: path) }
        if let mode { policy.mode = mode }
        return policy
    }
}
