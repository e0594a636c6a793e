internal import Units
package import Vocabulary

/// Where a hello's name and protocols lie: what a verdict asks of the bytes, without an allocation. `ClientHello` reads all of it,
/// for people.
package struct HelloGlance {
    /// The first host name that is not empty (RFC 6066 section 3).
    private var name: Range<Int>?
    /// The ALPN list (RFC 7301), each protocol behind its length.
    private var protocols: Range<Int>?

    /// `nil` when the bytes start no ClientHello. What is cut or contradicts itself is left out, as `ClientHello` leaves it out.
    package init?(_ message: Span<UInt8>) {
        guard var list = Cursor(extensionsOf: message) else { return nil }
        while let type = list.number(2, of: message), let content = list.vector(2, of: message) {
            if type == 0, name == nil { name = Self.name(content, message) }
            if type == 16, protocols == nil { protocols = Self.only(content, message)?.range }
        }
    }

    package init?(_ message: RawSpan) { self.init(Span<UInt8>(_bytes: message)) }

    /// Where the name lies, if there is one.
    package var nameRange: Range<Int>? { name }

    /// A hash over the protocols.
    package func protocolsHash(of message: RawSpan) -> UInt64 {
        let message = Span<UInt8>(_bytes: message)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(protocols?.count ?? 0xffff)
        for index in protocols ?? 0..<0 { hash = (hash ^ UInt64(message[index])) &* 0x100_0000_01b3 }
        return hash
    }

    private static func only(_ content: Cursor, _ message: Span<UInt8>) -> Cursor? {
        var content = content
        guard let list = content.vector(2, of: message), content.isAtEnd else { return nil }
        return list
    }

    private static func name(_ content: Cursor, _ message: Span<UInt8>) -> Range<Int>? {
        guard var list = only(content, message) else { return nil }
        while let kind = list.number(1, of: message), let name = list.vector(2, of: message) {
            if kind == 0, !name.isAtEnd { return name.range }
        }
        return nil
    }

    /// What the kernel cannot say of it: whether an odd name is a literal address, and what the policy's lists say.
    ///
    /// A list of protocols without any of HTTP/3's says nothing about QUIC, for nobody speaks HTTP/2 there.
    /// - Parameter asked: the kernel leaves the name's form to us.
    package func anomalies(of message: RawSpan, over transport: Transport, under lists: NameLists, nameIsAsked asked: Bool) -> AnomalySet {
        let message = Span<UInt8>(_bytes: message)
        var found = AnomalySet()
        if asked, let name {
            if Self.isAddress(message.extracting(name)) {
                found.formUnion(AnomalySet(.ipLiteralSNI))
            } else if message.extracting(name).first(UInt8(ascii: ":")) != nil {
                // The byte that the kernel leaves to us; in a name that is no address it is simply wrong.
                found.formUnion(AnomalySet(.invalidSNI))
            }
        }
        if !lists.served.isEmpty, let name, !lists.serve(message.extracting(name)) { found.formUnion(AnomalySet(.unknownSNI)) }
        if !lists.protocols.isEmpty, transport == .tcp || lists.hasHTTP3, let protocols, !protocols.isEmpty,
            !speaks(message, protocols, lists)
        {
            found.formUnion(AnomalySet(.alpnUnexpected))
        }
        return found
    }

    private func speaks(_ message: Span<UInt8>, _ range: Range<Int>, _ lists: NameLists) -> Bool {
        var list = Cursor(range)
        while let name = list.vector(1, of: message) {
            if lists.speak(message.extracting(name.range)) { return true }
        }
        return false
    }

    /// RFC 6066 section 3: literal addresses are not permitted. Brackets, a zone and a final dot do not make it a name.
    private static func isAddress(_ name: Span<UInt8>) -> Bool {
        guard (2...64).contains(name.count) else { return false }
        var start = 0, end = name.count
        if name[end - 1] == UInt8(ascii: ".") { end -= 1 }
        if end - start > 2, name[start] == UInt8(ascii: "["), name[end - 1] == UInt8(ascii: "]") { (start, end) = (start + 1, end - 1) }
        if name.first(UInt8(ascii: ":")) != nil, let zone = name.first(UInt8(ascii: "%")), (start..<end).contains(zone) { end = zone }
        return Address(name.extracting(start..<end)) != nil
    }
}

extension Span<UInt8> {
    fileprivate func first(_ byte: UInt8) -> Int? {
        for index in 0..<count where self[index] == byte { return index }
        return nil
    }

    fileprivate func isEqual(to other: [UInt8]) -> Bool {
        guard other.count == count else { return false }
        for index in 0..<count where self[index] != other[index] { return false }
        return true
    }

    /// Whether it ends with what the pattern has behind its first `offset` bytes. Case does not matter in a name (RFC 4343).
    fileprivate func ends(with pattern: [UInt8], from offset: Int) -> Bool {
        let wanted = pattern.count - offset
        guard count >= wanted else { return false }
        for index in 0..<wanted where self[count - wanted + index].lowercased != pattern[offset + index].lowercased { return false }
        return true
    }
}

/// A policy's lists of names and protocols as bytes, so that comparing allocates nothing, also where nothing is optimised.
package struct NameLists: Sendable {
    fileprivate let served: [[UInt8]]
    fileprivate let protocols: [[UInt8]]
    fileprivate let hasHTTP3: Bool

    package init(_ policy: Policy) {
        served = policy.lists.servedNames.map { Array($0.utf8) }
        protocols = policy.lists.protocols.map { Array($0.utf8) }
        hasHTTP3 = policy.lists.protocols.contains { $0.hasPrefix("h3") }
    }

    fileprivate func serve(_ name: Span<UInt8>) -> Bool {
        // By index: an array's iterator allocates where nothing is optimised.
        for index in 0..<served.count where Policy.covers(served[index], name) { return true }
        return false
    }

    fileprivate func speak(_ name: Span<UInt8>) -> Bool {
        for index in 0..<protocols.count where name.isEqual(to: protocols[index]) { return true }
        return false
    }
}

extension Policy {
    /// Whether a name is one that the pattern stands for: itself, or behind `*.` any name that ends so.
    fileprivate static func covers(_ pattern: [UInt8], _ name: Span<UInt8>) -> Bool {
        let isWild = pattern.count > 2 && pattern[0] == UInt8(ascii: "*") && pattern[1] == UInt8(ascii: ".")
        if isWild ? name.count < pattern.count : name.count != pattern.count { return false }
        return name.ends(with: pattern, from: isWild ? 1 : 0)
    }

    package static func covers(_ pattern: String, _ name: String) -> Bool { covers(Array(pattern.utf8), Array(name.utf8).span) }
}

extension UInt8 {
    fileprivate var lowercased: UInt8 { (65...90).contains(self) ? self | 0x20 : self }
}
