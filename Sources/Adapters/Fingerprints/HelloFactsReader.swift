package import AgentCore
package import Detection
package import Units
package import Wire

/// What a node's turn wants to know by a hash: whether a hello's fingerprint is denied, and name, protocols and fingerprints for an event.
package struct HelloFactsReader: HelloFingerprints {
    private var denials: Denials
    private var reader = HelloReader(capacity: capacity)
    /// JA4 by the kernel's hash, which covers what JA4 covers: for hellos whose bytes did not travel.
    private var known: [UInt64: String] = [:]
    private static let capacity = 1024

    package init(_ policy: Policy) { denials = Denials(policy) }

    package var isEmpty: Bool { denials.isEmpty }

    package mutating func find(_ handshake: Handshake, _ hello: RawSpan, at now: Instant) -> DenialFinding {
        denials.find(handshake, hello, at: now)
    }

    package mutating func facts(of hello: RawSpan, _ handshake: Handshake) -> HelloFacts? {
        var facts = HelloFacts()
        facts.communityID = CommunityID(of: handshake)?.text
        let hash = handshake.fingerprint
        guard hello.byteCount > 0, let read = reader.read(hello, over: handshake.transport) else {
            facts.ja4 = known[hash]
            return facts
        }
        facts.serverName = read.serverName(in: hello)
        read.eachGroup(in: hello) { if facts.groups.count < NamedGroup.mostTold { facts.groups.append($0.text) } }
        read.eachKeyShare(in: hello) { if facts.keyShares.count < NamedGroup.mostTold { facts.keyShares.append($0.text) } }
        facts.encryptedHello = read.encryptedHello(in: hello)
        guard let stack = read.stack else { return facts }
        (facts.alpn, facts.ja3, facts.ja4) = (read.protocols(in: hello), stack.ja3, stack.ja4)
        if hash != 0, known[hash] == nil {
            if known.count >= Self.capacity { known.removeAll(keepingCapacity: true) }
            known[hash] = stack.ja4
        }
        return facts
    }
}
