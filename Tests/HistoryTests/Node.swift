import AgentCore
import Detection
import Evidence
import Fingerprints
import History
import Messages
import Probe
import Support
import Units
import Vocabulary
import Wire

/// What the agent's turn did with each source.
struct Made: Equatable {
    var hellos = 0, limited = 0, refused = 0
    var first: String?
}

/// The writer in a place that an optional can hold.
final class EvidenceBook {
    var writer: EvidenceWriter
    init(_ directory: String) throws { writer = try EvidenceWriter(directory: directory, size: 16 << 20) }
}

/// A node without a kernel: the limiter's engine and the turn, over frames.
final class Node: NodeWorld {
    private var engine: NativeEngine
    private var core: NodeCore<HelloFactsReader>
    private var clock: UInt64 = 0
    private(set) var made: [String: Made] = [:]
    private var limits = 0
    let buffer = HistoryBuffer(capacity: 16 << 20)
    /// Where hellos of events are kept.
    var evidence: EvidenceBook?
    let offset: Int64

    /// - Parameter own: addresses that are never limited, though no policy names them.
    init(_ policy: Policy, offset: Int64, own: [Prefix] = []) {
        self.offset = offset
        var seen = policy
        seen.capture = .all
        engine = NativeEngine(KernelPolicy(seen), enforcing: policy.mode == .enforce)
        core = NodeCore(policy, NodeOptions(node: "node", bootID: "1", seed: 1))
        core.clockOffset = offset
        var known = KnownAddresses()
        known.own = own
        core.use(known, at: .distantPast, in: self)
    }

    func change(_ policy: Policy) {
        var seen = policy
        seen.capture = .all
        engine.use(KernelPolicy(seen))
        core.use(policy, KnownAddresses(), at: core.instant(clock), in: self)
    }

    func run(_ frames: [[UInt8]], at nanoseconds: UInt64) {
        clock = nanoseconds
        for frame in frames {
            var records: [Verdict] = []
            engine.run(frame.span.bytes, wireSize: frame.count, at: nanoseconds) { record in Verdict(record).map { records.append($0) } }
            records.forEach(take)
        }
    }

    private func take(_ verdict: Verdict) {
        let before = limits, raw = verdict.raw
        core.take(verdict.handshake, hello: raw.span.bytes, in: self)
        buffer.add(verdict.bytes.span.bytes, offset: offset)
        var one = made[verdict.handshake.source.description] ?? Made()
        let outcome = verdict.handshake.outcome
        if verdict.handshake.kind == .hello { one.hellos += 1 }
        if limits > before || outcome == .admitted || outcome.isRefused {
            one.limited += 1
            one.first = one.first ?? core.instant(verdict.handshake.seenNanoseconds).rfc3339
        }
        if outcome.isRefused { one.refused += 1 }
        made[verdict.handshake.source.description] = one
        while let event = core.nextEvent(in: self) { core.withLastHello { keep(event, $0) } }
    }

    private func keep(_ event: ThrottleEvent, _ hello: RawSpan) {
        evidence?.writer.keep(event, hello)
        evidence?.writer.flush()
    }

    var steady: UInt64 { clock }
    var wall: Instant { core.instant(clock) }
    func interface(_ index: UInt32) -> String { "" }
    func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool {
        limits += 1
        return engine.limit(key, entry)
    }
    func release(_ key: LimitKey) { engine.release(key) }
    func use(_ policy: Policy, lengths: [UInt8]) {}
    func enforce(_ enforcing: Bool) {}
    func allow(_ prefix: Prefix) -> Bool { engine.allow(prefix) }
    func disallow(_ prefix: Prefix) { engine.disallow(prefix) }
    func deny(_ fingerprint: UInt64) -> Bool { engine.deny(fingerprint) }
    func admit(_ fingerprint: UInt64) { engine.allowFingerprint(fingerprint) }
    func keep(_ limit: Limit) {}
    func forget(_ key: Limit.Key) {}
    func note(_ news: NodeNews) {}
}
