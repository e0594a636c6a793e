internal import Spelling
package import Units

/// Why a word is no such value: the end of a line that begins with the option's name.
package struct WrongValue: Error, Sendable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// How a value is written on the command line. It is read once when the line is, so that later questions cannot fail.
package struct Form<Value: Sendable>: Sendable {
    /// As usage shows it, in capitals where it is no literal.
    let label: String
    let completion: Completion
    let read: @Sendable (String) throws(WrongValue) -> Value

    package init(
        _ label: String, completing completion: Completion = .nothing, read: @escaping @Sendable (String) throws(WrongValue) -> Value
    ) {
        self.label = label
        self.completion = completion
        self.read = read
    }
}

/// What a shell may offer.
package enum Completion: Sendable, Equatable {
    case nothing, files, directories
    case words([String])
}

extension Form where Value == String {
    /// Free text, by the name that usage shows.
    package static func text(_ name: String) -> Form { Form(name) { text in text } }
    package static var file: Form { Form("FILE", completing: .files) { text in text } }
    package static var directory: Form { Form("DIR", completing: .directories) { text in text } }

    /// http:// or https://, and nothing behind a path.
    package static var url: Form {
        Form("URL") { text throws(WrongValue) in
            let rest = ["http://", "https://"].first { text.hasPrefix($0) }.map { text.dropFirst($0.utf8.count) }
            let host = rest?.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).first
            guard let host, !host.isEmpty, !text.utf8.contains(where: { $0 <= 32 || $0 == 127 || $0 == 63 || $0 == 35 }) else {
                throw WrongValue("\(Spelling.quoted(text)); http://HOST[:PORT] or https://HOST[:PORT] is expected")
            }
            return text
        }
    }
}

extension Form {
    /// One of a few, by the words that stand for them.
    package static func choice(_ values: KeyValuePairs<String, Value>) -> Form { choice(values.map(\.key), values.map(\.value)) }

    /// The same, where a value has a word of its own.
    package static func choice(_ values: [Value], _ word: (Value) -> String) -> Form { choice(values.map(word), values) }

    private static func choice(_ words: [String], _ values: [Value]) -> Form {
        Form(words.joined(separator: "|"), completing: .words(words)) { text throws(WrongValue) in
            guard let index = words.firstIndex(of: text) else {
                throw WrongValue("\(Spelling.quoted(text)); allowed \(words.count == 1 ? "is" : "are") \(Spelling.list(words))")
            }
            return values[index]
        }
    }
}

extension Form where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    package static var choice: Form { choice(Array(Value.allCases)) { $0.rawValue } }
}

extension Form where Value: FixedWidthInteger {
    package static func number(_ range: ClosedRange<Value>) -> Form {
        Form("N") { text throws(WrongValue) in
            guard text.utf8.count <= 18, text.utf8.allSatisfy({ (48...57).contains($0) }), let value = Value(text), range.contains(value)
            else {
                throw WrongValue("\(Spelling.quoted(text)); a whole number from \(range.lowerBound) to \(range.upperBound) is expected")
            }
            return value
        }
    }
}

extension Form where Value == ByteCount {
    /// With K, M, G or T.
    package static func size(_ range: ClosedRange<Int>) -> Form {
        Form("SIZE") { text throws(WrongValue) in
            guard let value = ByteCount(text) else {
                throw WrongValue("\(Spelling.quoted(text)); a size is a number with K, M, G or T, such as 256M")
            }
            guard range.contains(value.bytes) else {
                let (least, most) = (ByteCount(range.lowerBound).text, ByteCount(range.upperBound).text)
                throw WrongValue("\(Spelling.quoted(text)); from \(least) to \(most) is allowed")
            }
            return value
        }
    }
}

extension Form where Value == Duration {
    package static func duration(_ range: ClosedRange<Duration>) -> Form {
        Form("TIME") { text throws(WrongValue) in
            guard let value = Duration(text: text) else {
                throw WrongValue("\(Spelling.quoted(text)); a time is a number with ms, s, m, h or d, such as 30s or 10m")
            }
            guard range.contains(value) else {
                throw WrongValue("\(Spelling.quoted(text)); from \(range.lowerBound.text) to \(range.upperBound.text) is allowed")
            }
            return value
        }
    }
}

extension Form where Value == Endpoint {
    /// HOST:PORT, IPv6 in brackets.
    package static var endpoint: Form {
        Form("HOST:PORT") { text throws(WrongValue) in
            guard let endpoint = Endpoint(text) else { throw Endpoint.refusal(of: text) }
            return endpoint
        }
    }
}

extension Form where Value == [Endpoint] {
    /// Several, by commas.
    package static var endpoints: Form {
        Form("HOST:PORT[,...]") { text throws(WrongValue) in
            var found: [Endpoint] = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                guard let endpoint = Endpoint(part) else { throw Endpoint.refusal(of: part) }
                found.append(endpoint)
            }
            return found
        }
    }
}

extension Form where Value == Prefix {
    package static var prefix: Form<Prefix> {
        Form("PREFIX") { text throws(WrongValue) in
            guard let prefix = Prefix(text) else {
                throw WrongValue(
                    "\(Spelling.quoted(text)); an address or a block is expected, such as 203.0.113.7 or 2001:db8::/64, "
                        + "with no bits beyond its length")
            }
            return prefix
        }
    }
}
