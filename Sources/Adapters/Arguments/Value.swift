internal import Spelling
internal import Wire

/// What a value must look like. It is checked when the command line is read, so that later questions cannot fail.
package enum Value: Sendable {
    /// Free text, by the name that usage shows.
    case text(String)
    case file
    case directory
    /// http:// or https://, and nothing behind a path.
    case url
    case duration(ClosedRange<Duration>)
    /// HOST:PORT, IPv6 in brackets.
    case endpoint
    /// Several, by commas.
    case endpoints
    case number(ClosedRange<Int>)
    /// Bytes, with K, M, G or T.
    case size(ClosedRange<Int>)
    case choice([String])
    case prefix

    /// In capitals, as usage shows it.
    var label: String {
        switch self {
        case .text(let name): name
        case .file: "FILE"
        case .directory: "DIR"
        case .url: "URL"
        case .duration: "TIME"
        case .endpoint: "HOST:PORT"
        case .endpoints: "HOST:PORT[,...]"
        case .number: "N"
        case .size: "SIZE"
        case .choice(let words): words.joined(separator: "|")
        case .prefix: "PREFIX"
        }
    }

    /// Why `text` is no such value, or `nil` when it is one.
    func refusal(of text: String) -> String? {
        if text.isEmpty { return "the value is empty" }
        let found = Spelling.quoted(text)
        switch self {
        case .text, .file, .directory: return nil
        case .url:
            let rest = ["http://", "https://"].first { text.hasPrefix($0) }.map { text.dropFirst($0.utf8.count) }
            let host = rest?.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).first
            guard let host, !host.isEmpty, !text.utf8.contains(where: { $0 <= 32 || $0 == 127 || $0 == 63 || $0 == 35 }) else {
                return "\(found); http://HOST[:PORT] or https://HOST[:PORT] is expected"
            }
            return nil
        case .duration(let range):
            guard let value = Duration(text: text) else { return "\(found); a time is a number with ms, s, m, h or d, such as 30s or 10m" }
            return range.contains(value) ? nil : "\(found); from \(range.lowerBound.text) to \(range.upperBound.text) is allowed"
        case .endpoint: return Endpoint(text) == nil ? Endpoint.refusal(of: text) : nil
        case .endpoints:
            let wrong = text.split(separator: ",", omittingEmptySubsequences: false).first { Endpoint($0) == nil }
            return wrong.map { Endpoint.refusal(of: $0) }
        case .number(let range):
            guard text.utf8.count <= 18, text.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(text), range.contains(value)
            else {
                return "\(found); a whole number from \(range.lowerBound) to \(range.upperBound) is expected"
            }
            return nil
        case .size(let range):
            guard let value = ByteCount(text)?.bytes else { return "\(found); a size is a number with K, M, G or T, such as 256M" }
            return range.contains(value)
                ? nil
                : "\(found); from \(ByteCount(range.lowerBound).text) to \(ByteCount(range.upperBound).text) is allowed"
        case .choice(let words):
            return words.contains(text) ? nil : "\(found); allowed \(words.count == 1 ? "is" : "are") \(Spelling.list(words))"
        case .prefix:
            return Prefix(text) == nil
                ? "\(found); an address or a block is expected, such as 203.0.113.7 or 2001:db8::/64, with no bits beyond its length" : nil
        }
    }
}

/// Where something listens.
package struct Endpoint: Sendable, Equatable, CustomStringConvertible {
    /// A name, or an address without brackets.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `127.0.0.1:9740`, `localhost:9740`, `[::1]:9740`.
    package init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits) else {
            return nil
        }
        let host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]"), host.dropFirst().dropLast().contains(":"), Address(host.dropFirst().dropLast()) != nil else {
                return nil
            }
            self.init(host: String(host.dropFirst().dropLast()), port: port)
        } else {
            guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy(Self.isNameByte) else { return nil }
            self.init(host: String(host), port: port)
        }
    }

    /// Only this machine reaches it: `localhost`, 127.0.0.0/8 or ::1. Any other name may be an address of the network.
    package var isLoopback: Bool {
        guard let address = Address(host) else { return host.lowercased() == "localhost" }
        return [Prefix("127.0.0.0/8"), Prefix("::1/128")].contains { $0?.contains(address) == true }
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    static func refusal(of text: some StringProtocol) -> String {
        "\(Spelling.quoted(text)); HOST:PORT is expected, such as 127.0.0.1:9092 or [::1]:9092"
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "_")
    }
}
