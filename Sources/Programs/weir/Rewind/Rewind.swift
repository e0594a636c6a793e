internal import Detection
internal import History
internal import Linux
internal import PolicyFile
internal import Units
internal import Vocabulary
internal import Wire

/// Histories of nodes, by time, under two policies: the production code over what was seen.
final class Rewind {
    /// What is not in the histories.
    struct Missing: Equatable {
        enum Cause: String { case bufferFull = "buffer_full", disk, notRunning = "not_running", damaged }
        let node: String
        let cause: Cause
        /// `nil`: nobody knows.
        let count: Int?
        let from: Instant?
        let to: Instant?
    }

    private struct Reading {
        let node: String
        var stream: HistoryStream
        var next: RewindSide.Record?
        /// Seen last, and whether an agent ended there.
        var last: Instant?
        var ended: Instant?
        /// The policy in force, by what the history says.
        var policy: HistoryPolicy?
        var parsed: Policy?
    }

    let before: RewindSide
    let after: RewindSide
    private(set) var records = 0, withoutHello = 0
    private(set) var first: Instant?, last: Instant?
    private(set) var missing: [Missing] = []
    /// Policies that the histories name, and have no words of.
    private(set) var unknownPolicies: Set<String> = []
    private(set) var policies: [String] = []
    private var readings: [Reading]
    var nodeCount: Int { readings.count }
    /// Where the reading failed.
    private(set) var path = ""
    private var clock = CaptureClock()
    private let from: Instant, until: Instant
    /// `nil`: the histories say what was in force.
    private let against: Policy?
    private static let mostMissing = 1000

    /// - Parameters:
    ///   - against: `nil`: the policies that the histories name.
    ///   - from: what came before is not judged.
    init(_ histories: [NodeHistory], against: Policy?, next: Policy, from: Instant, until: Instant) {
        let names = histories.map(\.node)
        before = RewindSide(against ?? Policy(), nodes: names)
        after = RewindSide(next, nodes: names)
        self.against = against
        (self.from, self.until) = (from, until)
        readings = histories.map { Reading(node: $0.node, stream: HistoryStream($0.paths)) }
    }

    /// Reads to the end. `progress` is told the bytes read, now and then.
    func run(progress: (Int) -> Void) throws(Errno) {
        for number in readings.indices { try advance(number) }
        while let number = readings.indices.filter({ readings[$0].next != nil }).min(by: {
            readings[$0].next!.time < readings[$1].next!.time
        }) {
            guard let record = readings[number].next else { break }
            take(record, number)
            if records & 1023 == 0 { progress(readings.reduce(0) { $0 + $1.stream.bytesRead }) }
            try advance(number)
        }
        if let last { for time in CaptureClock.after(last) { tick(at: time, number: 1) } }
        for reading in readings where reading.stream.damage.isAny {
            note(Missing(node: reading.node, cause: .damaged, count: nil, from: nil, to: nil))
        }
    }

    private func tick(at time: Instant, number: Int) {
        before.tick(at: time, number: number)
        after.tick(at: time, number: number)
    }

    private func take(_ record: RewindSide.Record, _ number: Int) {
        records += 1
        if record.handshake.kind == .hello, record.handshake.fingerprint != 0, !record.isOwn { withoutHello += 1 }
        first = first ?? record.time
        last = max(last ?? record.time, record.time)
        clock.pass(until: record.time) { time, number in tick(at: time, number: number) }
        if record.handshake.outcome == .allowed, !isNamed(record.handshake.source, number) {
            for side in [before, after] { side.allow(record.handshake.source, node: number, at: record.time) }
        }
        before.judge(record, node: number)
        after.judge(record, node: number)
    }

    /// Whether the policy names whom the node let pass, so that another may leave him out. Else it did so for its own reasons.
    private func isNamed(_ source: Address, _ number: Int) -> Bool {
        (readings[number].parsed ?? against)?.neverLimited.contains { $0.contains(source) } ?? false
    }

    /// To the node's next record within the time that is asked about.
    private func advance(_ number: Int) throws(Errno) {
        readings[number].next = nil
        while let item = try next(number) {
            switch item {
            case .record(let words, let hello, let isOwn):
                // Words are plain bytes, as many as a record has.
                let handshake = unsafe Handshake(words.span.bytes)
                let time = Instant(nanoseconds: Int64(bitPattern: words[RecordLayout.seen]))
                guard let handshake, time < until else { continue }
                readings[number].last = max(time, Instant(nanoseconds: 0))
                guard time >= from else { continue }
                let bytes = hello.flatMap { readings[number].stream.hello($0) }
                readings[number].next = RewindSide.Record(
                    handshake: handshake, hello: bytes ?? [], isOwn: isOwn && bytes != nil,
                    wasObserving: !(readings[number].policy?.enforces ?? false), time: time)
                return
            case .begin(let begin): self.begin(begin, number)
            case .policy(let policy): use(policy, number)
            case .gap(let gap):
                let cause: Missing.Cause = gap.cause == .buffer ? .bufferFull : .disk
                noteIfAsked(
                    Missing(
                        node: readings[number].node, cause: cause, count: gap.count, from: Instant(nanoseconds: gap.from),
                        to: Instant(nanoseconds: gap.to)))
            case .end(let time): readings[number].ended = Instant(nanoseconds: time)
            }
        }
    }

    private func next(_ number: Int) throws(Errno) -> HistoryItem? {
        do throws(Errno) { return try readings[number].stream.next() } catch {
            path = readings[number].stream.path
            throw error
        }
    }

    private func begin(_ begin: HistoryBegin, _ number: Int) {
        guard begin.isStart else { return }
        // Killed, it told of no end; what it had seen last is the nearest.
        // One that takes another's place begins before that one ends.
        let time = Instant(nanoseconds: begin.time)
        if let before = readings[number].ended ?? readings[number].last, before < time {
            noteIfAsked(Missing(node: begin.node, cause: .notRunning, count: nil, from: before, to: time))
        }
        readings[number].ended = nil
    }

    private func noteIfAsked(_ one: Missing) {
        if let to = one.to, to < from { return }
        if let start = one.from, start >= until { return }
        note(one)
    }

    private func note(_ one: Missing) { if missing.count < Self.mostMissing { missing.append(one) } }

    private func use(_ policy: HistoryPolicy, _ number: Int) {
        guard policy != readings[number].policy else { return }
        readings[number].policy = policy
        var parsed: Policy?
        if policy.version == Policy().version { parsed = Policy() }
        if !policy.text.isEmpty { parsed = try? PolicyFile.parse(bytes: policy.text, name: policy.name) }
        readings[number].parsed = parsed
        let title = "\(policy.name) (\(policy.version.prefix(19)))"
        if !policies.contains(title), policies.count < 100 { policies.append(title) }
        guard let parsed else { return _ = unknownPolicies.insert(title) }
        // What is read ahead of the time is in force from the record behind it: there is none of this node's in between.
        if against == nil { before.use(parsed, node: number, at: readings[number].last ?? .distantPast) }
    }
}
