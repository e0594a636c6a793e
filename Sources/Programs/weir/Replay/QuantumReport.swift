internal import Detection
internal import Fingerprints
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary
internal import Wire

/// `--report pqc`: which clients agree on keys that no quantum computer finds out later, by hellos, groups and stacks; and who encrypts a
/// hello. Stacks and names beyond those that fit are counted together.
final class QuantumReport: ReplayOutput {
    private struct Stack {
        let ja4: String
        var hellos = 0
        var readiness = QuantumReadiness.older
        /// Any of its hellos' names, to know it by.
        var name: String?
    }

    private struct Group {
        var offers = 0
        var shares = 0
    }

    /// What hellos with encrypted_client_hello to one outer name have in common.
    private struct OuterName {
        var hellos = 0
        var uses: [EncryptedHello.Use: Int] = [:]
        /// A bit for each config id.
        var ids = InlineArray<4, UInt64>(repeating: 0)
        var distinct: Int { (0..<4).reduce(0) { $0 + ids[$1].nonzeroBitCount } }

        /// Clients of one key share its config id. Who pretends draws an id for each connection (RFC 9849 section 6.2.1). So many alike,
        /// or so many that differ, are no accident; between these nothing is said.
        var finding: String {
            if hellos >= QuantumReport.leastHellos {
                if distinct <= 2 { return "used" }
                if distinct * 2 > min(hellos, 256) { return "grease" }
            }
            let known = [EncryptedHello.Use.used, .grease].filter { uses[$0] != nil }
            return known.count == 1 ? known[0].rawValue : "unknown"
        }
    }

    private static let mostStacks = 4096, mostNames = 1024, shown = 10
    static let leastHellos = 8

    private let sink: Sink
    private let terminal: Terminal
    private let isJSON: Bool
    private var hellos = 0
    /// That never were whole, or were none: nothing is known of their groups.
    private var unread = 0
    private var readiness: [QuantumReadiness: Int] = [:]
    private var groups: [NamedGroup: Group] = [:]
    private var stacks: [String: Stack] = [:]
    private var further = 0
    private var encrypted: [EncryptedHello.Use: Int] = [:]
    private var names: [String: OuterName] = [:]
    private var furtherNames = 0

    init(to sink: Sink, terminal: Terminal, isJSON: Bool) {
        self.sink = sink
        self.terminal = terminal
        self.isJSON = isJSON
    }

    let readsHellos = true

    func handshake(_ item: ReplayedHandshake, _ message: RawSpan) {
        guard item.handshake.kind == .hello else { return }
        guard let hello = item.hello, hello.stack != nil else { return unread += 1 }
        hellos += 1
        var offered = NamedGroup.Strength.classical, shared = NamedGroup.Strength.classical
        var seen: [NamedGroup] = []
        hello.eachGroup(in: message) { group in
            offered.raise(to: group.strength)
            // Who lists a group twice offers it once.
            if !seen.contains(group), seen.count < NamedGroup.mostTold {
                seen.append(group)
                count(group) { $0.offers += 1 }
            }
        }
        seen = []
        hello.eachKeyShare(in: message) { group in
            shared.raise(to: group.strength)
            if !seen.contains(group), seen.count < NamedGroup.mostTold {
                seen.append(group)
                count(group) { $0.shares += 1 }
            }
        }
        let ready = QuantumReadiness(version: item.handshake.version, groups: offered, shares: shared)
        readiness[ready, default: 0] += 1
        note(ready, hello, message)
        if let outer = hello.encryptedHello(in: message) { note(outer, item, hello.serverName(in: message)) }
    }

    /// Groups have few names; numbers without one are counted as what they are until they are too many.
    private func count(_ group: NamedGroup, _ body: (inout Group) -> Void) {
        guard groups[group] != nil || groups.count < 256 else { return }
        body(&groups[group, default: Group()])
    }

    private func note(_ ready: QuantumReadiness, _ hello: HelloReader.Reading, _ message: RawSpan) {
        guard let ja4 = hello.stack?.ja4 else { return }
        guard stacks[ja4] != nil || stacks.count < Self.mostStacks else { return further += 1 }
        var stack = stacks.removeValue(forKey: ja4) ?? Stack(ja4: ja4)
        // JA4 covers no groups, so one of them may have several ways: the best is told.
        if stack.hellos == 0 || Self.rank(ready) < Self.rank(stack.readiness) { stack.readiness = ready }
        stack.hellos += 1
        if stack.name == nil { stack.name = hello.serverName(in: message) }
        stacks[ja4] = stack
    }

    private static func rank(_ readiness: QuantumReadiness) -> Int { QuantumReadiness.allCases.firstIndex(of: readiness) ?? 0 }

    private func note(_ outer: EncryptedHello, _ item: ReplayedHandshake, _ name: String?) {
        let use = outer.use(isRetry: item.handshake.isRetry)
        encrypted[use, default: 0] += 1
        guard case .outer(let id, _) = outer.form else { return }
        let name = name ?? ""
        guard names[name] != nil || names.count < Self.mostNames else { return furtherNames += 1 }
        var found = names.removeValue(forKey: name) ?? OuterName()
        // A second hello has the first one's id.
        if !item.handshake.isRetry {
            found.hellos += 1
            found.ids[Int(id >> 6)] |= 1 << UInt64(id & 63)
        }
        found.uses[use, default: 0] += 1
        names[name] = found
    }

    func event(_ event: ThrottleEvent) {}
    func limit(_ limit: Limit) {}
    func decision(_ decision: ScaleDecision, at time: Instant) {}
    func ended(_ workload: String, at time: Instant) {}
    func passed(_ time: Instant, isLive: Bool) {}

    func end(_ summary: ReplaySummary) throws {
        let bytes = isJSON ? json(summary) : Array((table(summary).joined(separator: "\n") + "\n\n").utf8)
        if try !sink.write(bytes) { throw ReaderGone() }
    }

    // MARK: As text

    private var orderedGroups: [(NamedGroup, Group)] {
        groups.sorted { ($1.value.shares, $1.value.offers, $0.key.number) < ($0.value.shares, $0.value.offers, $1.key.number) }.map {
            ($0, $1)
        }
    }
    private var lacking: [Stack] {
        stacks.values.filter { $0.readiness != .share }.sorted { ($1.hellos, $0.ja4) < ($0.hellos, $1.ja4) }
    }
    private var orderedNames: [(String, OuterName)] {
        names.sorted { ($1.value.hellos, $0.key) < ($0.value.hellos, $1.key) }.map { ($0, $1) }
    }

    private static func words(_ readiness: QuantumReadiness) -> String {
        switch readiness {
        case .share: "send a post-quantum key share"
        case .offered: "offer a post-quantum group, without a share"
        case .draft: "know a draft of one only (Kyber)"
        case .classical: "TLS 1.3, classical groups only"
        case .older: "no TLS 1.3"
        }
    }

    private func percent(_ count: Int) -> String {
        let tenths = hellos == 0 ? 0 : (count * 1000 + hellos / 2) / hellos
        return "\(tenths / 10).\(tenths % 10) %"
    }

    private func table(_ summary: ReplaySummary) -> [String] {
        var lines = [
            "\(summary.name): post-quantum readiness of \(Figures.count(hellos)) hellos"
                + (unread > 0 ? "; \(Figures.count(unread)) that were not whole, or no hellos, are left out" : ""), ""
        ]
        guard hellos > 0 else { return lines }
        var ways = Table([.init("hellos", .right), .init("share", .right), .init("what they do", minimum: 12)])
        for way in QuantumReadiness.allCases where readiness[way] != nil {
            ways.append([Figures.count(readiness[way] ?? 0), percent(readiness[way] ?? 0), Self.words(way)])
        }
        lines += ways.lines(for: terminal) + [""]
        var table = Table([.init("group", minimum: 8), .init("key shares", .right), .init("offers", .right), .init("", minimum: 2)])
        for (group, counts) in orderedGroups.prefix(NamedGroup.mostTold) {
            let strength = group.strength == .postQuantum ? "post-quantum" : group.strength == .draft ? "post-quantum draft" : ""
            table.append([group.text, Figures.count(counts.shares), Figures.count(counts.offers), strength])
        }
        lines += table.lines(for: terminal)
        if !lacking.isEmpty {
            var table = Table([
                .init("stacks without a post-quantum share (JA4)", minimum: 36, weight: 0), .init("hellos", .right),
                .init("what they do", minimum: 12), .init("for, say", minimum: 5)
            ])
            for stack in lacking.prefix(Self.shown) {
                table.append([stack.ja4, Figures.count(stack.hellos), Self.words(stack.readiness), stack.name ?? "-"])
            }
            lines += [""] + table.lines(for: terminal)
            if lacking.count > Self.shown {
                lines.append("…  \(Figures.count(lacking.count - Self.shown)) more stacks (--format json has them)")
            }
            if further > 0 { lines.append("…  \(Figures.count(further)) hellos of further stacks") }
        }
        if !encrypted.isEmpty {
            var table = Table([
                .init("encrypted hellos by outer name", minimum: 12), .init("hellos", .right), .init("config ids", .right),
                .init("what", minimum: 7)
            ])
            for (name, found) in orderedNames.prefix(Self.shown) {
                table.append([name.isEmpty ? "-" : name, Figures.count(found.hellos), Figures.count(found.distinct), found.finding])
            }
            lines += [""] + table.lines(for: terminal)
            if names.count > Self.shown {
                lines.append("…  \(Figures.count(names.count - Self.shown)) more names (--format json has them)")
            }
        }
        return lines
    }

    // MARK: As JSON

    private func json(_ summary: ReplaySummary) -> [UInt8] {
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("type", "pqc")
            json.member("file", summary.name)
            json.member("hellos", hellos)
            json.member("unread", unread)
            json.object("readiness") { json in for way in QuantumReadiness.allCases { json.member(way.rawValue, readiness[way] ?? 0) } }
            json.array("groups") { json in
                for (group, counts) in orderedGroups {
                    json.object { json in
                        json.member("group", group.text)
                        json.member("post_quantum", group.strength == .postQuantum)
                        json.member("key_shares", counts.shares)
                        json.member("offers", counts.offers)
                    }
                }
            }
            json.array("lacking") { json in
                for stack in lacking {
                    json.object { json in
                        json.member("tls.client.ja4", stack.ja4)
                        json.member("hellos", stack.hellos)
                        json.member("readiness", stack.readiness.rawValue)
                        json.member("tls.client.server_name", stack.name)
                    }
                }
            }
            json.member("further_stacks", further)
            json.object("ech") { json in
                for use in EncryptedHello.Use.allCases { json.member(use.rawValue, encrypted[use] ?? 0) }
                json.array("outer_names") { json in
                    for (name, found) in orderedNames {
                        json.object { json in
                            json.member("tls.client.server_name", name.isEmpty ? nil : name)
                            json.member("hellos", found.hellos)
                            json.member("config_ids", found.distinct)
                            json.member("finding", found.finding)
                        }
                    }
                }
                json.member("further_names", furtherNames)
            }
        }
        return json.bytes + [UInt8(ascii: "\n")]
    }
}
