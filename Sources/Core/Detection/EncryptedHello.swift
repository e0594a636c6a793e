/// encrypted_client_hello (RFC 9849 section 5), as far as anybody can read it who has no key. The name beside it is the outer one, of
/// whoever serves the key.
package struct EncryptedHello: Sendable, Equatable {
    package enum Form: Sendable, Equatable {
        /// A hello inside, or GREASE: they are made to look alike.
        case outer(configID: UInt8, hasKey: Bool)
        /// The mark of an inner hello, which has no business outside (section 7.1).
        case inner
        case malformed
    }

    package let form: Form

    /// - Parameter body: the extension's.
    package init(_ body: Span<UInt8>) {
        guard body.count > 0 else {
            form = .malformed
            return
        }
        if body[0] == 1, body.count == 1 {
            form = .inner
            return
        }
        // Type, KDF, AEAD, config id; then the encapsulated key and the payload, each behind its length.
        guard body[0] == 0, body.count >= 10 else {
            form = .malformed
            return
        }
        let key = Int(body[6]) << 8 | Int(body[7])
        guard 8 + key + 2 <= body.count else {
            form = .malformed
            return
        }
        let payload = Int(body[8 + key]) << 8 | Int(body[9 + key])
        form = payload > 0 && 10 + key + payload == body.count ? .outer(configID: body[5], hasKey: key > 0) : .malformed
    }

    /// What is known of it. GREASE is told from the real thing by the second hello after a HelloRetryRequest alone: there a client that
    /// encrypts leaves the key out (section 5), and one that only pretends sends what it sent before (section 6.2.1).
    package enum Use: String, Sendable, CaseIterable {
        case offered, used, grease, inner, malformed
    }

    /// - Parameter isRetry: it is of a second hello.
    package func use(isRetry: Bool) -> Use {
        switch form {
        case .inner: .inner
        case .malformed: .malformed
        case .outer(_, let hasKey): !isRetry ? (hasKey ? .offered : .malformed) : hasKey ? .grease : .used
        }
    }
}
