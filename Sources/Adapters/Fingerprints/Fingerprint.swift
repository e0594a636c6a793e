internal import Crypto
package import Detection

/// What a client's TLS stack looks like, whoever uses it: the published hashes over a whole hello.
package struct Fingerprint: Sendable, Equatable {
    /// MD5 of `ClientHello.ja3Text`.
    package let ja3: String
    /// `t13d1516h2_8daaf6152771_e5627efa2ab1`.
    package let ja4: String
    /// JA4_r: the same before hashing.
    package let ja4Raw: String

    /// `nil` when the hello is not all there: a hash of a part would be somebody else's.
    package init?(_ hello: ClientHello) {
        guard !hello.isPartial else { return nil }
        ja3 = Digest.md5.hex(of: hello.ja3Text)
        let parts = hello.ja4Parts
        ja4 = "\(parts.head)_\(Self.short(parts.ciphers))_\(Self.short(parts.extensions))"
        ja4Raw = "\(parts.head)_\(parts.ciphers)_\(parts.extensions)"
    }

    private static func short(_ text: String) -> String { text.isEmpty ? "000000000000" : String(Digest.sha256.hex(of: text).prefix(12)) }
}
