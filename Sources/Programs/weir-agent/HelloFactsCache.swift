internal import AgentCore
internal import Detection
internal import Fingerprints
internal import Wire

/// JA3, JA4 and ALPN by the kernel's fingerprint, for the events of hellos that look alike; worked out once, off the
/// way from ring to verdict. The raw hello of the latest fingerprints waits here until an event asks.
struct HelloFactsCache {
    private var facts: [UInt64: HelloFacts] = [:]
    private var pending: (fingerprint: UInt64, size: Int) = (0, 0)
    private var bytes = [UInt8](repeating: 0, count: 4096)
    private let capacity = 1024

    /// Keeps the bytes of this verdict, in memory taken at start.
    mutating func note(_ handshake: Handshake, _ raw: RawSpan) {
        let size = min(handshake.rawLength, bytes.count)
        pending = (handshake.fingerprint, size)
        guard size > 0 else { return }
        unsafe raw.withUnsafeBytes { source in
            unsafe bytes.withUnsafeMutableBytes { unsafe $0.baseAddress!.copyMemory(from: source.baseAddress!, byteCount: size) }
        }
    }

    /// What is known of this verdict's hello.
    mutating func facts(of handshake: Handshake) -> HelloFacts? {
        let isHere = pending.size > 0 && pending.fingerprint == handshake.fingerprint
        if let known = facts[handshake.fingerprint] {
            var known = known
            known.serverName = isHere ? ClientHello(Array(bytes.prefix(pending.size)))?.serverName : nil
            return known
        }
        guard isHere, handshake.fingerprint != 0, let hello = ClientHello(Array(bytes.prefix(pending.size))), let fingerprint = Fingerprint(hello) else { return nil }
        let found = HelloFacts(serverName: hello.serverName, alpn: hello.alpnNames, ja3: fingerprint.ja3, ja4: fingerprint.ja4)
        if facts.count >= capacity { facts.removeAll(keepingCapacity: true) }
        facts[handshake.fingerprint] = found
        return found
    }
}
