/// Where in a hello's message its parts lie, so that they can be told without an allocation. Each list stands behind its length, which is
/// no part of it. `nil`: the hello has none.
package struct HelloPlaces: Sendable, Equatable {
    /// The first host name (RFC 6066 section 3).
    package var name: Range<Int>?
    /// Protocols, each behind its length of one byte (RFC 7301 section 3.1).
    package var protocols: Range<Int>?
    /// supported_groups (RFC 8446 section 4.2.7), two bytes each.
    package var groups: Range<Int>?
    /// key_share (RFC 8446 section 4.2.8): group, length of two bytes, key.
    package var keyShares: Range<Int>?
    /// The body of encrypted_client_hello (RFC 9849 section 5).
    package var encryptedHello: Range<Int>?

    package init() {}
}

extension HelloPlaces {
    /// Groups and shares alone, of a hello that may be cut: what cannot be read is left out. `nil` when the bytes start no ClientHello.
    package init?(glancing message: Span<UInt8>) {
        guard var list = Cursor(extensionsOf: message) else { return nil }
        while let type = list.number(2, of: message), var content = list.vector(2, of: message) {
            if type == 10, groups == nil { groups = content.vector(2, of: message)?.range }
            if type == 51, keyShares == nil { keyShares = content.vector(2, of: message)?.range }
        }
    }

    /// Where each protocol's name lies.
    package func eachProtocol(in message: Span<UInt8>, _ body: (Range<Int>) -> Void) {
        guard let protocols else { return }
        var list = Cursor(protocols)
        while let name = list.vector(1, of: message) { body(name.range) }
    }
}

extension HelloPlaces {
    /// Groups that it lists, GREASE too.
    package func eachGroup(in message: Span<UInt8>, _ body: (NamedGroup) -> Void) {
        guard let groups else { return }
        var list = Cursor(groups)
        while let number = list.number(2, of: message) { body(NamedGroup(UInt16(number))) }
    }

    /// Groups that it sends a share of, GREASE too, up to one that is cut.
    package func eachKeyShare(in message: Span<UInt8>, _ body: (NamedGroup) -> Void) {
        guard let keyShares else { return }
        var list = Cursor(keyShares)
        while let number = list.number(2, of: message), list.vector(2, of: message) != nil { body(NamedGroup(UInt16(number))) }
    }
}

extension Span<UInt8> {
    package func bytes(_ range: Range<Int>) -> [UInt8] { range.map { self[$0] } }
}
