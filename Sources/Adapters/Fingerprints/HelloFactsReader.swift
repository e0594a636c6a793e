package import AgentCore
package import Detection
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

    package mutating func facts(of hello: RawSpan, over transport: Transport, hash: UInt64) -> HelloFacts? {
        guard hello.byteCount > 0, let read = reader.read(hello, over: transport) else { return known[hash].map { HelloFacts(ja4: $0) } }
        if hash != 0, known[hash] == nil, let stack = read.stack {
            if known.count >= Self.capacity { known.removeAll(keepingCapacity: true) }
            known[hash] = stack.ja4
        }
        return HelloFacts(
            serverName: read.serverName(in: hello), alpn: read.stack == nil ? [] : read.protocols(in: hello), ja3: read.stack?.ja3,
            ja4: read.stack?.ja4)
    }
}
