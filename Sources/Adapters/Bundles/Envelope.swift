internal import Crypto
internal import JSON
internal import Messages
package import Rollout
internal import Units

/// The document around a bundle: DSSE (https://github.com/secure-systems-lab/dsse, version 1). The payload travels in base64, so the bytes
/// that were signed are the bytes that are read, and nobody has to write JSON the same way twice.
package enum Envelope {
    /// What is signed: DSSE's pre-authentication encoding, `DSSEv1 LENGTH TYPE LENGTH PAYLOAD` with lengths in decimal bytes.
    package static func signedBytes(type: String = PolicyBundle.payloadType, payload: [UInt8]) -> [UInt8] {
        Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
    }

    package static func digest(of payload: [UInt8]) -> String { "sha256:" + Digest.sha256.hex(of: payload.span) }

    /// One line of JSON, and a line's end.
    package static func seal(_ bundle: PolicyBundle, by key: PrivateKey) -> [UInt8] {
        let payload = bundle.encoded()
        var json = JSONWriter(capacity: payload.count * 2)
        json.object { json in
            json.member("payloadType", PolicyBundle.payloadType)
            json.member("payload", Base64.text(payload))
            json.array("signatures") { json in
                json.object { json in
                    json.member("keyid", key.public.id)
                    json.member("sig", Base64.text(key.signature(of: signedBytes(payload: payload))))
                }
            }
        }
        return json.bytes + [10]
    }

    /// An envelope, read and not believed yet.
    package struct Unverified: Sendable {
        let payload: [UInt8]
        package let key: String
        let signature: [UInt8]

        package var digest: String { Envelope.digest(of: payload) }
        /// For who looks at a bundle without a key.
        package func read() throws(BundleRefusal) -> PolicyBundle { try Envelope.bundle(payload) }
    }

    /// Reads a document whose signature holds by one of the keys.
    package static func open(_ document: [UInt8], keys: [BundleKey]) throws(BundleRefusal) -> SignedBundle {
        let found = try read(document)
        guard let key = keys.first(where: { $0.id == found.key }) else {
            throw BundleRefusal(.unknownKey, "signed by key \(printable(found.key)), which is none of the keys that are believed")
        }
        guard Ed25519.isValid(found.signature, of: signedBytes(payload: found.payload), by: key.bytes) else {
            throw BundleRefusal(.badSignature, "the signature is not that of key \(key.id) (\(key.name)) over this payload")
        }
        return SignedBundle(bundle: try bundle(found.payload), digest: digest(of: found.payload), key: key.id, document: document)
    }

    /// One signature: a second one would be a second opinion, which nobody here asks for.
    package static func read(_ document: [UInt8]) throws(BundleRefusal) -> Unverified {
        guard document.count <= PolicyBundle.sizeLimit else {
            throw BundleRefusal(.tooLarge, "\(document.count) bytes; at most \(PolicyBundle.sizeLimit) are read")
        }
        var parser = JSONParser(maximumSize: PolicyBundle.sizeLimit, maximumItems: 64)
        var type = "", payload = "", signatures: [(key: String, signature: String)] = []
        do throws(JSONError) {
            try unsafe parser.object(document.span.bytes) { object throws(JSONError) in
                type = try object.string("payloadType")
                payload = try object.string("payload")
                guard object.has("signatures") else { return }
                try object.objects("signatures") { one throws(JSONError) in
                    signatures.append((try one.string("keyid"), try one.string("sig")))
                }
            }
        } catch { throw BundleRefusal(.notParseable, "no bundle: \(error)") }
        guard type == PolicyBundle.payloadType else {
            throw BundleRefusal(.notParseable, "payloadType: not \(PolicyBundle.payloadType)")
        }
        guard let signature = signatures.first else { throw BundleRefusal(.unsigned, "it has no signature") }
        guard signatures.count == 1 else { throw BundleRefusal(.notParseable, "signatures: \(signatures.count) of them; one is wanted") }
        guard let bytes = Base64.bytes(payload) else { throw BundleRefusal(.notParseable, "payload: not base64") }
        guard let signed = Base64.bytes(signature.signature), signed.count == Ed25519.signatureSize else {
            throw BundleRefusal(.badSignature, "the signature is not \(Ed25519.signatureSize) bytes in base64")
        }
        return Unverified(payload: bytes, key: signature.key, signature: signed)
    }

    /// The payload alone, as whoever holds the key wrote it.
    package static func bundle(_ payload: [UInt8]) throws(BundleRefusal) -> PolicyBundle {
        var parser = JSONParser(maximumSize: PolicyBundle.sizeLimit, maximumItems: 64)
        do throws(JSONError) { return try unsafe parser.object(payload.span.bytes, bundle) } catch {
            throw BundleRefusal(.notParseable, "payload: \(error)")
        }
    }

    private static func bundle(_ object: borrowing JSONObject) throws(JSONError) -> PolicyBundle {
        func wrong(_ member: String, _ wanted: String) -> JSONError { JSONError(member, .wrongValue(wanted: wanted)) }
        guard try object.string("schema") == PolicyBundle.schema else { throw wrong("schema", PolicyBundle.schema) }
        let name = try object.string("name")
        guard isName(name) else { throw wrong("name", nameForm) }
        let sequence = try object.integer("sequence", in: PolicyBundle.leastSequence...PolicyBundle.mostSequence)
        guard let signed = Instant(rfc3339: try object.string("signed")) else { throw wrong("signed", "a time (RFC 3339)") }
        guard let expires = Instant(rfc3339: try object.string("expires")) else { throw wrong("expires", "a time (RFC 3339)") }
        let previous = try object.optionalString("previous")
        if let previous, !isDigest(previous) { throw wrong("previous", "a digest") }
        let content: PolicyBundle.Content
        switch try object.string("kind") {
        case "policy":
            let canary = try object.integer("canary_percent", in: 1...100)
            content = .policy(text: try object.string("policy"), canary: canary)
        case "key":
            content = .key(
                try object.object("next_key") { next throws(JSONError) in
                    let name = try next.string("name")
                    guard isName(name) else { throw wrong("name", nameForm) }
                    guard let bytes = Base64.bytes(try next.string("public")), let key = BundleKey(name: name, bytes: bytes) else {
                        throw wrong("public", "\(Ed25519.keySize) bytes in base64")
                    }
                    return key
                })
        default: throw wrong("kind", "policy or key")
        }
        return PolicyBundle(name: name, sequence: sequence, signed: signed, expires: expires, previous: previous, content: content)
    }

    /// It stands in log lines and tables.
    package static func isName(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != 34 && $0 != 92 }
    }
    package static let nameForm = "1 to 128 printable ASCII characters without spaces and quotation marks"

    package static func isDigest(_ text: String) -> Bool {
        text.hasPrefix("sha256:") && text.utf8.count == 71
            && text.utf8.dropFirst(7).allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    /// A stranger's word in a line of ours.
    private static func printable(_ text: String) -> String { isName(text) ? String(text.prefix(64)) : "of no form that a key has" }

    /// A node's place among a bundle's canaries.
    package static func place(of node: String, in digest: String) -> UInt64 {
        // Half a SHA-256 would do; the whole one is there.
        UInt64(Digest.sha256.hex(of: digest + "\n" + node).prefix(16), radix: 16) ?? 0
    }
}

extension BundleKey {
    /// - Returns: `nil` for what is not 32 bytes.
    package init?(name: String, bytes: [UInt8]) {
        guard bytes.count == Ed25519.keySize else { return nil }
        self.init(name: name, id: String(Digest.sha256.hex(of: bytes.span).prefix(16)), bytes: bytes)
    }
}
