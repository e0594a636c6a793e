package import Wire

extension ClientHello {
    /// What only user space judges, because the kernel does not read names: addresses as names, and what the policy's lists say.
    /// What is switched off is said too: the agent's core knows what it heeds.
    /// - Parameter asked: the kernel left the name to us, because it may be an address.
    package func anomalies(under policy: Policy, nameIsAsked asked: Bool) -> AnomalySet {
        var found = AnomalySet()
        if asked {
            if isNamedByAddress { found.formUnion(AnomalySet(.ipLiteralSNI)) } else if hasColon { found.formUnion(AnomalySet(.invalidSNI)) }
        }
        if !policy.lists.servedNames.isEmpty, let name = serverName, !name.isEmpty, !policy.lists.servedNames.contains(where: { Policy.covers($0, name) }) {
            found.formUnion(AnomalySet(.unknownSNI))
        }
        if !policy.lists.protocols.isEmpty, !alpn.isEmpty, !alpnNames.contains(where: policy.lists.protocols.contains) {
            found.formUnion(AnomalySet(.alpnUnexpected))
        }
        return found
    }

    /// RFC 6066 section 3: literal addresses are not permitted. Brackets, a zone and a final dot do not make it a name.
    package var isNamedByAddress: Bool {
        guard let bytes = serverNameBytes, (2...64).contains(bytes.count) else { return false }
        var text = String(decoding: bytes, as: UTF8.self)[...]
        if text.hasSuffix(".") { text = text.dropLast() }
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        if text.contains(":"), let zone = text.firstIndex(of: "%") { text = text[..<zone] }
        return Address(text) != nil
    }

    /// The byte that the kernel leaves to us; in a name that is no address it is simply wrong.
    private var hasColon: Bool { serverNameBytes?.contains(UInt8(ascii: ":")) ?? false }
}
