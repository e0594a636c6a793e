import ArchiveCore
import Detection
import Glibc
import Messages
import Units
import Vocabulary

/// Records of the topics as chance makes them: every member set now and then, names of any script, both families, a few sources that
/// come again.
struct Sample {
    struct Record {
        let topic: String
        let partition: Int
        let offset: Int64
        let appended: Instant
        /// What the record's headers say.
        let id: String
        let time: Instant
        let key: String
        let word: Word
        /// As the record has it; `nil` for a tombstone.
        let value: [UInt8]?
        let node: String?
    }

    enum Word {
        case event(ThrottleEvent), limit(Limit), ended(Limit.Key), decision(ScaleDecision), loss(LossNotice), nothing
    }

    private var chance: SplitMix64
    let start: Instant
    private var next: [String: Int64] = [:]
    /// Hours over which records are spread.
    var hours = 6

    init(seed: UInt64, start: Instant = Instant(rfc3339: "2026-11-24T10:00:00Z")!) {
        chance = SplitMix64(seed)
        self.start = start
    }

    mutating func below(_ bound: Int) -> Int { chance.below(bound) }
    private mutating func one<Value>(of values: [Value]) -> Value { values[below(values.count)] }
    private mutating func maybe<Value>(_ value: Value) -> Value? { below(3) == 0 ? nil : value }

    private static let nodes = ["eu-west-1", "eu-west-2", "us-east-1", "Straße 7/№", "..", "ap"]
    private static let names = ["shop.example", "xn--bcher-kva.example", "日本.example", "a\"b\\c\u{1}", String(repeating: "n", count: 250)]

    private mutating func address() -> Address {
        below(4) == 0
            ? Address(high: 0x2001_0db8_0000_0000 | UInt64(below(40)), low: UInt64(below(3)))
            : Address(ipv4: 0xcb00_7100 | UInt32(below(200)))
    }

    private mutating func instant() -> Instant {
        start + .nanoseconds(Int64(below(hours * 3600)) * 1_000_000_000 + Int64(below(1_000_000_000)))
    }

    mutating func record() -> Record {
        let time = instant(), kind = below(20)
        let topic = kind < 16 ? Topic.events : kind < 19 ? Topic.limits : Topic.decisions
        let partition = below(topic.partitions), place = "\(topic.name)/\(partition)"
        let offset = next[place, default: 0]
        // Offsets have gaps where transactions end and where compaction was at work.
        next[place] = offset + 1 + Int64(below(8) == 0 ? below(5) : 0)
        let (word, key, node): (Word, String, String?)
        switch kind {
        case 0: (word, key, node) = loss(time)
        case 1..<16: (word, key, node) = event(time)
        case 16: (word, key, node) = ended()
        case 17, 18: (word, key, node) = limit(time)
        default: (word, key, node) = decision(time)
        }
        // The broker's stamp has milliseconds.
        let appended = Instant(nanoseconds: (time + .milliseconds(5)).nanoseconds / 1_000_000 * 1_000_000)
        let id: String, value: [UInt8]?
        switch word {
        case .event(let event): (id, value) = (event.id, event.encoded())
        case .limit(let limit): (id, value) = ("c:\(offset)", limit.encoded())
        case .decision(let decision): (id, value) = ("d:\(offset)", decision.encoded())
        case .loss(let notice): (id, value) = (notice.id, notice.encoded())
        case .ended, .nothing: (id, value) = ("e:\(offset)", nil)
        }
        return Record(
            topic: topic.name, partition: partition, offset: offset, appended: appended, id: id, time: time, key: key, word: word,
            value: value,
            node: node)
    }

    private mutating func event(_ time: Instant) -> (Word, String, String?) {
        let source = address(), prefix = Prefix(source, length: source.isIPv4 ? 128 : 64), node = one(of: Self.nodes)
        var anomalies = AnomalySet(one(of: Anomaly.allCases))
        if below(3) == 0 { anomalies.formUnion(AnomalySet(one(of: Anomaly.allCases))) }
        var event = ThrottleEvent(
            id: "\(node):6f1c2a90:\(chance.next())", time: time, node: node, sourceAddress: source, sourcePrefix: prefix,
            destinationAddress: Address(ipv4: 0xc633_6400 | UInt32(below(6))), anomalies: anomalies, severity: one(of: Severity.allCases),
            traceID: String(UInt64.random(in: 1 << 60 ... .max, using: &chance), radix: 16)
                + String(UInt64.random(in: 1 << 60 ... .max, using: &chance), radix: 16))
        event.interface = one(of: ["eth0", "eth1"])
        event.direction = one(of: Direction.allCases)
        (event.sourcePort, event.destinationPort) = (UInt16(below(65_536)), one(of: [443, 8443]))
        event.proxy = below(5) == 0 ? address() : nil
        event.workload = maybe(one(of: ["shop/web", "shop/api"]))
        event.completeness = one(of: Completeness.allCases)
        event.proof = one(of: Proof.allCases)
        event.reach = one(of: Reach.allCases)
        event.transport = one(of: Transport.allCases)
        event.serverName = maybe(one(of: Self.names))
        event.version = maybe(one(of: ["1.3", "1.2"]))
        event.alpn = one(of: [[], ["h2"], ["h2", "http/1.1"]])
        event.ja3 = maybe("d41d8cd98f00b204e9800998ecf8427e")
        event.ja4 = maybe("t13i1516h2_8daaf615277\(below(8))_e5627efa2ab1")
        event.action = one(of: ThrottleEvent.Action.allCases)
        if below(2) == 0 {
            event.limit = ThrottleEvent.Limit(
                limitClass: one(of: LimitClass.allCases), perSecond: below(256), answer: one(of: Answer.allCases),
                until: time + .seconds(600), enforced: below(2) == 0)
        }
        event.counts = ThrottleEvent.Counts(since: time - .seconds(1))
        (event.counts.seen, event.counts.suppressed, event.counts.reset) = (below(90), below(90), below(40))
        (event.counts.dropped, event.counts.wouldRefuse) = (below(10), below(3) == 0 ? below(9) : 0)
        event.enforcedBy = one(of: ThrottleEvent.Enforcer.allCases)
        (event.seenToDecided, event.seenToEnforced) = (maybe(below(100)), maybe(below(100)))
        (event.policyName, event.policyVersion) = ("default", one(of: ["sha256:1c9e", "builtin"]))
        event.isRehearsal = below(12) == 0
        return (.event(event), prefix.description, node)
    }

    private mutating func key() -> Limit.Key {
        let source = address()
        return Limit.Key(prefix: Prefix(source, length: source.isIPv4 ? 120 + below(9) : 64), limitClass: one(of: LimitClass.allCases))
    }

    private mutating func ended() -> (Word, String, String?) {
        let key = key()
        return (.ended(key), key.description, nil)
    }

    private mutating func limit(_ time: Instant) -> (Word, String, String?) {
        let key = key()
        var limit = Limit(
            key: key, perSecond: below(1000), answer: one(of: Answer.allCases), until: time + .seconds(600), generation: below(99),
            anomalies: AnomalySet(one(of: Anomaly.allCases)), traceID: String(repeating: "5", count: 32))
        (limit.step, limit.origin) = (below(5), one(of: Limit.Origin.allCases))
        limit.isRelease = limit.origin == .operator && below(2) == 0
        (limit.hasRefused, limit.isRehearsal, limit.eventsInWindow) = (below(2) == 0, below(9) == 0, below(50))
        limit.eventIDs = one(of: [[], ["node-a:1:2"], ["node-a:1:2", "node-b:1:9"]])
        return (.limit(limit), key.description, nil)
    }

    private mutating func decision(_ time: Instant) -> (Word, String, String?) {
        let decision = ScaleDecision(
            workload: "shop/web", desiredReplicas: below(9), previousReplicas: below(9), mode: one(of: Policy.Mode.allCases),
            sourcePrefix: Prefix(address(), length: 128), eventsInWindow: below(99), windowSeconds: 300, moreThan: 12,
            sourcesOver: below(3),
            until: time + .seconds(600), generation: below(99), traceID: String(repeating: "6", count: 32))
        return (.decision(decision), decision.workload, nil)
    }

    private mutating func loss(_ time: Instant) -> (Word, String, String?) {
        let node = one(of: Self.nodes)
        let notice = LossNotice(
            id: "\(node):6f1c2a90:loss:\(chance.next())", time: time, node: node, since: time - .seconds(10), until: time,
            losses: [
                LossNotice.Loss(what: .records, cause: "ring_full", count: 1 + below(99)),
                LossNotice.Loss(what: .events, cause: "spool_full", count: 1 + below(9))
            ])
        return (.loss(notice), node, node)
    }
}

extension Sample.Record {
    var log: LogPartition { LogPartition(topic: topic, partition: partition) }

    /// As `weir-archive` takes it.
    func take(into batch: inout ArchiveBatch, _ places: inout Places) {
        let origin = LogOrigin(partition: partition, offset: offset, appended: appended), place = node.map { places.place(of: $0) }
        batch.take(log, offset: offset, appended: appended, bytes: value?.count ?? 0) { rows in
            switch word {
            case .event(let event): rows.append(event, at: origin, in: place!)
            case .loss(let notice): rows.append(notice, at: origin, in: place!)
            case .limit(let limit): rows.append(limit, id: id, time: time, at: origin, in: places.cluster)
            case .ended(let key): rows.append(ended: key, id: id, time: time, at: origin, in: places.cluster)
            case .decision(let decision): rows.append(decision, id: id, time: time, at: origin, in: places.cluster)
            case .nothing: break
            }
        }
    }

    /// For the oracles, as it is on the topic: none of the archive's code has touched it.
    func line(place: String) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("topic", topic)
            json.member("partition", partition)
            json.member("offset", Int(offset))
            json.member("appended", appended)
            json.member("id", id)
            json.member("time", time)
            json.member("key", key)
            json.member("place", place)
            json.member("value", value.map { String(decoding: $0, as: UTF8.self) })
        }
        return json.bytes + [10]
    }
}

/// A folder that is gone with this object.
final class Scratch {
    let path = "/tmp/weir-archive-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    init() { mkdir(path, 0o700) }
    deinit { system("rm -rf \(path)") }
}
