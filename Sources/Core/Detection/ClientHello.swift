package import Vocabulary

/// A ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2) as far as its bytes go. GREASE (RFC 8701) is kept: it is part of what was sent.
///
/// Any bytes may be given. What cannot be read is left empty and flagged, and nothing traps.
package struct ClientHello: Sendable, Equatable {
    /// The hello's own version field; not the record's.
    package var legacyVersion: UInt16 = 0
    package var cipherSuites: [UInt16] = []
    package var compressionMethods: [UInt8] = []
    /// Types, in the order sent.
    package var extensions: [UInt16] = []
    package var supportedVersions: [UInt16] = []
    package var groups: [UInt16] = []
    package var pointFormats: [UInt8] = []
    package var signatureAlgorithms: [UInt16] = []
    /// Groups that a key share is sent for (RFC 8446 section 4.2.8), in its order.
    package var keyShares: [UInt16] = []
    /// The body of encrypted_client_hello (RFC 9849 section 5); `nil` without the extension.
    package var encryptedHello: [UInt8]?
    /// Protocol names (RFC 7301), as bytes: nothing says that they are text.
    package var alpn: [[UInt8]] = []
    /// The first host name (RFC 6066 section 3) as bytes; `nil` without the extension, empty when it holds none.
    package var serverNameBytes: [UInt8]?
    /// The bytes end before the announced length: what was not seen may still have been sent.
    package var isPartial = false
    /// Lengths inside the message disagree.
    package var isMalformed = false
    /// What it came over: JA4 says so.
    package var transport = Transport.tcp

    package init() {}

    /// `nil` when the bytes do not start a ClientHello, or end before its cipher suites do. `message` starts with the handshake type and
    /// holds no record headers; bytes after the announced length are not looked at.
    package init?(_ message: Span<UInt8>) {
        guard message.count >= 4, message[0] == 1 else { return nil }
        let length = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
        isPartial = message.count - 4 < length
        var body = Cursor(4..<min(message.count, 4 + length))
        guard let version = body.number(2, of: message), body.skip(32), let session = body.number(1, of: message), body.skip(session),
            let ciphers = body.vector(2, of: message)
        else { return nil }
        legacyVersion = UInt16(version)
        cipherSuites = numbers(ciphers, message)
        if session > 32 { isMalformed = true }
        read(afterCiphers: body, message)
    }

    package init?(_ message: RawSpan) { self.init(Span<UInt8>(_bytes: message)) }
    package init?(_ message: [UInt8]) { self.init(message.span) }

    private mutating func read(afterCiphers body: Cursor, _ message: Span<UInt8>) {
        var body = body
        guard let compression = body.vector(1, of: message) else { return cut() }
        compressionMethods = compression.contents(of: message)
        // Before TLS 1.3 a hello may end here.
        if body.isAtEnd, !isPartial { return }
        guard let size = body.number(2, of: message) else { return cut() }
        if size > body.left { cut() } else if size < body.left { isMalformed = true }
        var list = body.take(upTo: size)
        while !list.isAtEnd {
            guard let type = list.number(2, of: message) else { return cut() }
            extensions.append(UInt16(type))
            guard let content = list.vector(2, of: message) else { return cut() }
            read(extension: type, content, message)
        }
    }

    /// A length that goes beyond the bytes: of a whole message a contradiction, of a partial one to be expected.
    private mutating func cut() { if !isPartial { isMalformed = true } }

    private mutating func read(extension type: Int, _ content: Cursor, _ message: Span<UInt8>) {
        switch type {
        case 0: readServerName(content, message)
        case 10: if let list = only(content, 2, message) { groups = numbers(list, message) }
        case 11: if let list = only(content, 1, message) { pointFormats = list.contents(of: message) }
        case 13: if let list = only(content, 2, message) { signatureAlgorithms = numbers(list, message) }
        case 16:
            guard var list = only(content, 2, message) else { return }
            while !list.isAtEnd {
                guard let name = list.vector(1, of: message) else { return isMalformed = true }
                alpn.append(name.contents(of: message))
            }
        case 43: if let list = only(content, 1, message) { supportedVersions = numbers(list, message) }
        case 51: readKeyShares(content, message)
        case Self.encryptedHelloType: encryptedHello = content.contents(of: message)
        default: break
        }
    }

    /// What is odd about shares is the server's to refuse: it makes no hello malformed here, for the kernel does not look into them.
    private mutating func readKeyShares(_ content: Cursor, _ message: Span<UInt8>) {
        var content = content
        keyShares = []
        guard var list = content.vector(2, of: message) else { return }
        while let group = list.number(2, of: message), list.vector(2, of: message) != nil { keyShares.append(UInt16(group)) }
    }

    private mutating func readServerName(_ content: Cursor, _ message: Span<UInt8>) {
        if serverNameBytes == nil { serverNameBytes = [] }
        // An empty extension is what a server answers with; from a client it is no name.
        guard !content.isAtEnd, var list = only(content, 2, message) else { return }
        while !list.isAtEnd {
            guard let kind = list.number(1, of: message), let name = list.vector(2, of: message) else { return isMalformed = true }
            if kind == 0, serverNameBytes?.isEmpty ?? true { serverNameBytes = name.contents(of: message) }
        }
    }

    /// The one vector that an extension consists of.
    private mutating func only(_ content: Cursor, _ width: Int, _ message: Span<UInt8>) -> Cursor? {
        var content = content
        let list = content.vector(width, of: message)
        if list == nil || !content.isAtEnd { isMalformed = true }
        return list
    }

    private mutating func numbers(_ list: Cursor, _ message: Span<UInt8>) -> [UInt16] {
        var list = list
        var numbers: [UInt16] = []
        numbers.reserveCapacity(list.left / 2)
        while let number = list.number(2, of: message) { numbers.append(UInt16(number)) }
        if !list.isAtEnd { isMalformed = true }
        return numbers
    }
}

extension ClientHello {
    /// encrypted_client_hello (RFC 9849 section 11.1).
    package static let encryptedHelloType = 0xfe0d

    /// RFC 8701: both bytes the same, of the form 0x?A.
    package static func isGREASE(_ value: UInt16) -> Bool { value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff }

    /// The highest of supported_versions, GREASE aside (RFC 8446 section 4.2.1), else the hello's own.
    package var highestVersion: UInt16 { supportedVersions.filter { !Self.isGREASE($0) }.max() ?? legacyVersion }

    /// `1.3`, `1.2`, ... `ssl3`; `nil` for what is none of them.
    package static func name(ofVersion version: UInt16) -> String? {
        switch version {
        case 0x0304: "1.3"
        case 0x0303: "1.2"
        case 0x0302: "1.1"
        case 0x0301: "1.0"
        case 0x0300: "ssl3"
        case 0x0002: "ssl2"
        default: nil
        }
    }

    /// As text for people and messages; a byte that is no UTF-8 becomes U+FFFD.
    package var serverName: String? { serverNameBytes.map { String(decoding: $0, as: UTF8.self) } }
    package var alpnNames: [String] { alpn.map { String(decoding: $0, as: UTF8.self) } }
}
