/// Builds ClientHello messages field by field (RFC 8446 section 4.1.2).
package struct Hello: Sendable {
    package var legacyVersion: UInt16 = 0x0303
    package var sessionID = [UInt8](repeating: 7, count: 32)
    package var ciphers: [UInt16] = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f]
    package var compression: [UInt8] = [0]
    /// `nil` leaves the whole block out, as old clients did.
    package var extensions: [(type: UInt16, body: [UInt8])]?

    package var random = (0..<32).map { UInt8($0) }

    /// - Parameter number: of the hello, for its random: one that two flows share is an anomaly of its own.
    package init(
        serverName: String? = "shop.example", versions: [UInt16] = [0x0304, 0x0303], alpn: [String] = ["h2"], padding: Int = 0,
        number: Int = 0
    ) {
        for byte in 0..<8 { random[byte] = UInt8(truncatingIfNeeded: number >> (8 * byte)) }
        var list: [(type: UInt16, body: [UInt8])] = []
        if let serverName { list.append((0, Self.serverName(serverName))) }
        list.append((10, [0, 4, 0, 29, 0, 23]))
        list.append((13, [0, 4, 0x04, 0x03, 0x08, 0x04]))
        if !alpn.isEmpty { list.append((16, Self.vector16(alpn.flatMap { Self.vector8(Array($0.utf8)) }))) }
        if !versions.isEmpty { list.append((43, Self.vector8(versions.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }))) }
        if padding > 0 { list.append((51, Self.vector16([0x11, 0xec] + Self.vector16([UInt8](repeating: 0xa5, count: padding))))) }
        extensions = list
    }

    package static func serverName(_ name: String) -> [UInt8] { vector16([0] + vector16(Array(name.utf8))) }
    package static func vector8(_ body: [UInt8]) -> [UInt8] { [UInt8(body.count)] + body }
    package static func vector16(_ body: [UInt8]) -> [UInt8] { [UInt8(body.count >> 8), UInt8(body.count & 255)] + body }

    /// The handshake message, its four-byte header included.
    package var message: [UInt8] {
        var body: [UInt8] = [UInt8(legacyVersion >> 8), UInt8(legacyVersion & 255)] + random
        body += Self.vector8(sessionID)
        body += Self.vector16(ciphers.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] })
        body += Self.vector8(compression)
        if let extensions {
            body += Self.vector16(extensions.flatMap { [UInt8($0.type >> 8), UInt8($0.type & 255)] + Self.vector16($0.body) })
        }
        return [1, UInt8(body.count >> 16), UInt8(body.count >> 8 & 255), UInt8(body.count & 255)] + body
    }

    /// The message in TLS records of at most `recordSize` message bytes.
    package func stream(recordSize: Int = 16384) -> [UInt8] {
        let message = message
        return stride(from: 0, to: message.count, by: recordSize).flatMap { start -> [UInt8] in
            let part = Array(message[start..<min(start + recordSize, message.count)])
            return [22, 3, 1] + Self.vector16(part)
        }
    }
}
