internal import Spelling
internal import Units

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

    static func refusal(of text: some StringProtocol) -> WrongValue {
        WrongValue("\(Spelling.quoted(text)); HOST:PORT is expected, such as 127.0.0.1:9092 or [::1]:9092")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "_")
    }
}
