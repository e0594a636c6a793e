package import Wire

extension ClientHello {
    /// What only user space judges, because the kernel does not read names.
    package var anomalies: AnomalySet { isNamedByAddress ? AnomalySet(.ipLiteralSNI) : [] }

    /// RFC 6066 section 3: literal addresses are not permitted. Brackets, a zone and a final dot do not make it a name.
    private var isNamedByAddress: Bool {
        guard let bytes = serverNameBytes, (2...64).contains(bytes.count) else { return false }
        var text = String(decoding: bytes, as: UTF8.self)[...]
        if text.hasSuffix(".") { text = text.dropLast() }
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        if text.contains(":"), let zone = text.firstIndex(of: "%") { text = text[..<zone] }
        return Address(text) != nil
    }
}
