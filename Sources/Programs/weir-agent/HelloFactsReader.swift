internal import AgentCore
internal import Fingerprints
internal import Wire

/// Name, protocols and fingerprints for an event, from the bytes of its own source's hello; away from the path between ring and verdict.
struct HelloFactsReader {
    private var reader = HelloReader(capacity: capacity)
    /// JA4 by the kernel's hash, which covers what JA4 covers: for hellos whose bytes did not travel.
    private var known: [UInt64: String] = [:]
    private static let capacity = 1024

    /// What is known of the hello that the event of this source is about.
    mutating func read(_ slot: Int, of agent: inout Agent) -> HelloFacts? {
        let hash = agent.latest(of: slot).fingerprint
        let hello = agent.withHello(of: slot) { $0.byteCount > 0 ? reader.read($0) : nil } ?? nil
        guard let hello else { return known[hash].map { HelloFacts(ja4: $0) } }
        if hash != 0, known[hash] == nil, let stack = hello.stack {
            if known.count >= Self.capacity { known.removeAll(keepingCapacity: true) }
            known[hash] = stack.ja4
        }
        return HelloFacts(serverName: hello.serverName, alpn: hello.stack?.alpn ?? [], ja3: hello.stack?.ja3, ja4: hello.stack?.ja4)
    }
}
