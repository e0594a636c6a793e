internal import Spelling
internal import Units

/// A value of the file and the way that led to it. It answers as the type that is asked for, or says where and why it cannot.
struct Field {
    let file: String
    let path: String
    let node: Node

    func error(_ message: String, at mark: Node.Mark? = nil) -> PolicyError {
        PolicyError(file: file, mark: mark ?? node.mark, path: path, message: message)
    }

    private func child(_ name: String, _ node: Node) -> Field {
        Field(file: file, path: name.hasPrefix("[") || path.isEmpty ? path + name : path + "." + name, node: node)
    }

    // MARK: Structure

    /// The members of a mapping. A name that is not `known`, or comes twice, is an error.
    func members(_ known: [String], called noun: String = "field") throws(PolicyError) -> Members {
        guard case .mapping(let entries) = node.value else { throw error("a mapping is expected, not \(node.summary)") }
        var members: [String: Field] = [:]
        for entry in entries {
            let field = child(entry.key.utf8.allSatisfy(Self.isWordByte) ? entry.key : quoted(entry.key), entry.value)
            guard known.contains(entry.key) else {
                throw field.error("no such \(noun)" + Spelling.hint(for: entry.key, among: known), at: entry.mark)
            }
            guard members.updateValue(field, forKey: entry.key) == nil else {
                throw field.error("this \(noun) is here twice", at: entry.mark)
            }
        }
        return Members(parent: self, fields: members)
    }

    func elements(_ count: ClosedRange<Int>) throws(PolicyError) -> [Field] {
        guard case .sequence(let nodes) = node.value else { throw error("a list is expected, not \(node.summary)") }
        guard count.contains(nodes.count) else {
            throw error(nodes.isEmpty ? "the list is empty" : "\(nodes.count) elements; at most \(count.upperBound) are allowed")
        }
        return nodes.enumerated().map { child("[\($0.offset)]", $0.element) }
    }

    // MARK: Scalars

    func text() throws(PolicyError) -> String {
        guard case .scalar(let text, let isPlain) = node.value, !(text.isEmpty && isPlain) else {
            throw error("text is expected, not \(node.summary)")
        }
        return text
    }

    func integer(_ range: ClosedRange<Int>) throws(PolicyError) -> Int {
        guard case .scalar(let text, isPlain: true) = node.value, (1...12).contains(text.utf8.count), let value = Int(text),
            range.contains(value)
        else {
            throw error("\(node.summary); a whole number from \(range.lowerBound) to \(range.upperBound) is expected")
        }
        return value
    }

    /// A whole number with its sign, such as `5%`.
    func percent(_ range: ClosedRange<Int>) throws(PolicyError) -> Int {
        guard case .scalar(let text, isPlain: true) = node.value, text.hasSuffix("%"), (2...4).contains(text.utf8.count),
            let value = Int(text.dropLast()), range.contains(value)
        else {
            throw error("\(node.summary); a share from \(range.lowerBound)% to \(range.upperBound)% is expected")
        }
        return value
    }

    /// YAML 1.1 also takes `yes`, `on` and `y`; they surprise more than they help.
    func boolean() throws(PolicyError) -> Bool {
        try choice([("true", true), ("false", false)])
    }

    func choice<Value>(_ allowed: [(String, Value)]) throws(PolicyError) -> Value {
        guard case .scalar(let text, _) = node.value, let found = allowed.first(where: { $0.0 == text }) else {
            throw error("\(node.summary); allowed \(allowed.count == 1 ? "is" : "are") \(Spelling.list(allowed.map(\.0), joined: "and"))")
        }
        return found.1
    }

    func duration(_ range: ClosedRange<Duration>) throws(PolicyError) -> Duration {
        guard case .scalar(let text, _) = node.value, let value = Duration(text: text) else {
            throw error("\(node.summary); a duration is a number with ms, s, m, h or d, such as 30s or 10m")
        }
        guard range.contains(value) else {
            throw error("\(quoted(text)); from \(range.lowerBound.text) to \(range.upperBound.text) is allowed")
        }
        return value
    }

    /// A block of addresses, written with its bits beyond the length zero.
    func prefix() throws(PolicyError) -> Prefix {
        let text = try text()
        if let prefix = Prefix(text) { return prefix }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = Address(parts[0]), let length = UInt8(parts[1]),
            parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
            length <= (address.isIPv4 ? 32 : 128)
        else {
            throw error("\(quoted(text)) is no address block; write it as 203.0.113.0/24 or 2001:db8::/32")
        }
        let meant = Prefix(address, length: address.isIPv4 ? 96 + Int(length) : Int(length))
        throw error("\(quoted(text)) has bits beyond its length; did you mean \(meant)?")
    }

    private static func isWordByte(_ byte: UInt8) -> Bool { byte > 32 && byte < 127 && byte != UInt8(ascii: ".") }
}

struct Members {
    let parent: Field
    let fields: [String: Field]

    subscript(name: String) -> Field? { fields[name] }

    func required(_ name: String) throws(PolicyError) -> Field {
        guard let field = fields[name] else { throw parent.error("\(name) is missing") }
        return field
    }
}

func quoted(_ text: String) -> String { Spelling.quoted(text) }
