internal import Messages
package import Units

/// What a signed bundle says, as its payload has it (docs/rollout.md, manifests/schemas/policy-bundle.v1.schema.json).
package struct PolicyBundle: Sendable, Equatable {
    package static let schema = "weir.dev/policy-bundle/v1"
    /// The type that is signed with the payload, so that no other document of the same key passes for one (DSSE).
    package static let payloadType = "application/vnd.weir.policy-bundle.v1+json"
    /// Bytes of the envelope, base64 and all. A policy is a few kilobytes, and a broker takes a record of a megabyte.
    package static let sizeLimit = 512 << 10

    package enum Content: Sendable, Equatable {
        /// A policy's YAML text.
        /// - canary: percent of the nodes that run it, 1 to 100; the others wait for a later bundle.
        case policy(text: String, canary: Int)
        /// The key that signed this is replaced by another one.
        case key(BundleKey)
    }

    package var name: String
    /// Each key counts its bundles; a node takes none that is not above the last one it took.
    package var sequence: Int
    package var signed: Instant
    /// It can be taken until then. What runs stays beyond.
    package var expires: Instant
    /// The digest of the bundle that this one is meant to follow; for people.
    package var previous: String?
    package var content: Content

    package init(name: String, sequence: Int, signed: Instant, expires: Instant, previous: String? = nil, content: Content) {
        self.name = name
        self.sequence = sequence
        self.signed = signed
        self.expires = expires
        self.previous = previous
        self.content = content
    }

    package static let leastSequence = 1, mostSequence = Int(Int32.max)

    /// Percent of the nodes that run it.
    package var canary: Int { if case .policy(_, let canary) = content { canary } else { 100 } }

    /// The payload: these very bytes are signed.
    package func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 2048)
        json.object { json in
            json.member("schema", Self.schema)
            json.member("name", name)
            json.member("sequence", sequence)
            json.member("signed", signed)
            json.member("expires", expires)
            if let previous { json.member("previous", previous) }
            switch content {
            case .policy(let text, let canary):
                json.member("kind", "policy")
                json.member("canary_percent", canary)
                json.member("policy", text)
            case .key(let key):
                json.member("kind", "key")
                json.object("next_key") { json in
                    json.member("name", key.name)
                    json.member("public", Base64.text(key.bytes))
                }
            }
        }
        return json.bytes
    }
}

/// A public key that bundles are believed by.
package struct BundleKey: Sendable, Equatable {
    /// For people: the file's name, or what the bundle says that named it.
    package var name: String
    /// The beginning of its SHA-256, 16 hexadecimal digits: which key a bundle claims, so that not all have to be tried.
    package var id: String
    /// 32 of them (RFC 8032).
    package var bytes: [UInt8]

    package init(name: String, id: String, bytes: [UInt8]) {
        self.name = name
        self.id = id
        self.bytes = bytes
    }
}

/// Which nodes try a bundle first.
package enum Canary {
    /// - Parameter place: the first 64 bits of SHA-256 over the bundle's digest and the node's name, so each bundle has other canaries.
    package static func takes(_ place: UInt64, percent: Int) -> Bool {
        percent >= 100 || place.multipliedFullWidth(by: 100).high < UInt64(clamping: percent)
    }
}
