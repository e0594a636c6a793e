internal import Vocabulary

// The texts that JA3 and JA4 are hashes of. docs/detections.md has the places where implementations differ.

extension ClientHello {
    /// `771,4865-4866,0-23,29-23,0`: the hello's own version, then what it lists, in its order, without GREASE.
    package var ja3Text: String {
        func list(_ values: [UInt16]) -> String { Self.withoutGREASE(values).map { String($0) }.joined(separator: "-") }
        return
            "\(legacyVersion),\(list(cipherSuites)),\(list(extensions)),\(list(groups)),\(pointFormats.map { String($0) }.joined(separator: "-"))"
    }

    /// The three parts of JA4, the last two before they are hashed; empty means that nothing is hashed.
    package var ja4Parts: (head: String, ciphers: String, extensions: String) {
        let ciphers = Self.withoutGREASE(cipherSuites)
        let extensions = Self.withoutGREASE(self.extensions)
        let named = extensions.contains(0) ? "d" : "i"
        let head =
            "\(transport == .udp ? "q" : "t")\(Self.ja4Version(highestVersion))\(named)\(Self.count(ciphers))\(Self.count(extensions))\(Self.ja4Protocol(alpn.first ?? []))"
        var hashed = Self.list(extensions.filter { $0 != 0 && $0 != 16 }.sorted())
        let algorithms = Self.withoutGREASE(signatureAlgorithms)
        if !hashed.isEmpty, !algorithms.isEmpty { hashed += "_" + Self.list(algorithms) }
        return (head, Self.list(ciphers.sorted()), hashed)
    }

    private static func withoutGREASE(_ values: [UInt16]) -> [UInt16] { values.filter { !isGREASE($0) } }

    private static func count(_ values: [UInt16]) -> String {
        let count = min(values.count, 99)
        return count < 10 ? "0\(count)" : "\(count)"
    }

    private static func list(_ values: [UInt16]) -> String {
        values.map { value in
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 4 - digits.utf8.count) + digits
        }.joined(separator: ",")
    }

    private static func ja4Version(_ version: UInt16) -> String {
        switch version {
        case 0x0304: "13"
        case 0x0303: "12"
        case 0x0302: "11"
        case 0x0301: "10"
        case 0x0300: "s3"
        case 0x0002: "s2"
        default: "00"
        }
    }

    /// First and last character of the first protocol, or of its hexadecimal when either is no letter or digit.
    private static func ja4Protocol(_ name: [UInt8]) -> String {
        guard let first = name.first, let last = name.last else { return "00" }
        func isAlphanumeric(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) }
        if isAlphanumeric(first), isAlphanumeric(last) { return String(decoding: [first, last], as: UTF8.self) }
        return String(first >> 4, radix: 16) + String(last & 15, radix: 16)
    }
}
