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
    /// Where each protocol's name lies.
    package func eachProtocol(in message: Span<UInt8>, _ body: (Range<Int>) -> Void) {
        guard let protocols else { return }
        var list = Cursor(protocols)
        while let name = list.vector(1, of: message) { body(name.range) }
    }
}

extension Span<UInt8> {
    package func bytes(_ range: Range<Int>) -> [UInt8] { range.map { self[$0] } }
}
