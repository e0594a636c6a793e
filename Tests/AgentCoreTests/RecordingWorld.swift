import AgentCore
import Detection
import Messages
import Units
import Wire

/// A world that writes down what it is asked for, and has as much room as it is given.
final class RecordingWorld: NodeWorld {
    var log: [String] = []
    var wall = Instant(nanoseconds: 0)
    var limitsRoom = Int.max
    var denialsRoom = Int.max
    var allowRoom = Int.max
    private(set) var limits: [LimitKey: LimitEntry] = [:]
    private(set) var kept: [Limit.Key: Limit] = [:]

    var steady: UInt64 { UInt64(clamping: wall.nanoseconds) }
    func interface(_ index: UInt32) -> String { "eth\(index)" }

    func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool {
        guard limits[key] != nil || limits.count < limitsRoom else {
            log.append("no room for \(key.prefix)")
            return false
        }
        limits[key] = entry
        log.append("limit \(key.prefix)")
        return true
    }

    func release(_ key: LimitKey) {
        limits[key] = nil
        log.append("release \(key.prefix)")
    }

    func use(_ policy: Policy, lengths: [UInt8]) { log.append("use \(policy.name) \(lengths)") }
    func enforce(_ enforcing: Bool) { log.append(enforcing ? "enforce" : "observe") }

    func allow(_ prefix: Prefix) -> Bool {
        allowRoom -= 1
        log.append("allow \(prefix)")
        return allowRoom >= 0
    }

    func disallow(_ prefix: Prefix) { log.append("disallow \(prefix)") }

    func deny(_ fingerprint: UInt64) -> Bool {
        denialsRoom -= 1
        log.append("deny \(fingerprint)")
        return denialsRoom >= 0
    }

    func admit(_ fingerprint: UInt64) { log.append("admit \(fingerprint)") }
    func keep(_ limit: Limit) { kept[limit.key] = limit }
    func forget(_ key: Limit.Key) { kept[key] = nil }
    func note(_ news: NodeNews) { log.append("\(news)") }

    /// What was asked for since the last call.
    func said() -> [String] {
        defer { log = [] }
        return log
    }
}

/// Fingerprints by a table: 7 is denied until second 60, 9 for one hello only.
struct TableOfFingerprints: HelloFingerprints {
    let isEmpty: Bool
    init(_ policy: Policy) { isEmpty = policy.lists.denied.isEmpty }

    func find(_ handshake: Handshake, _ hello: RawSpan, at now: Instant) -> DenialFinding {
        switch handshake.fingerprint {
        case 7: .everyHello(until: Instant(nanoseconds: 60_000_000_000))
        case 9: .thisHello
        default: .nothing
        }
    }

    func facts(of hello: RawSpan, _ handshake: Handshake) -> HelloFacts? {
        HelloFacts(serverName: hello.byteCount > 0 ? "shop.example" : nil, ja4: "\(handshake.fingerprint)")
    }
}
