/// Which place a node's events belong to. A node chooses its name, so a place's is cleaned, and there are not more than `most`.
package struct Places: Sendable {
    /// A pattern of node names, with `*` for anything, and the place of the nodes that it fits.
    package struct Rule: Sendable, Equatable {
        package var pattern: String
        /// `*` is the node's own name.
        package var place: String

        /// `PATTERN=PLACE`, such as `eu-*=eu` or `*=*`.
        package init?(_ text: String) {
            guard let equals = text.lastIndex(of: "="), equals > text.startIndex else { return nil }
            pattern = String(text[..<equals])
            place = String(text[text.index(after: equals)...])
            guard place == "*" || !place.isEmpty && Places.clean(place) == place else { return nil }
        }
    }

    /// Beyond them a new node's events belong to `other`.
    package static let most = 256
    package static let other = "other"

    private let rules: [Rule]
    /// The place of what belongs to no node, and of nodes that no rule fits.
    package let cluster: String
    private var known: Set<String>
    /// Nodes' events that found no place of their own.
    package private(set) var refused = 0

    package init(cluster: String, rules: [Rule] = [], known: Set<String> = []) {
        self.cluster = cluster
        self.rules = rules
        self.known = known
    }

    package mutating func learn(_ place: String) { if known.count < Self.most { known.insert(place) } }

    package mutating func place(of node: String) -> String {
        guard let rule = rules.first(where: { Self.fits(node, $0.pattern) }) else { return cluster }
        guard rule.place == "*" else { return rule.place }
        let place = Self.clean(node)
        if known.contains(place) { return place }
        guard known.count < Self.most else {
            refused += 1
            return Self.other
        }
        known.insert(place)
        return place
    }

    /// A name that is a folder's on every file system and needs no escapes in a path or in a table's log: lower-case letters, digits,
    /// `-`, `.` and `_`, at most 63. Two names that differ in nothing else share a place.
    package static func clean(_ name: String) -> String {
        var bytes: [UInt8] = []
        for byte in name.utf8.prefix(63) {
            switch byte {
            case 48...57, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): bytes.append(byte)
            case 65...90: bytes.append(byte + 32)
            default: bytes.append(UInt8(ascii: "_"))
            }
        }
        return bytes.isEmpty ? "unnamed" : String(decoding: bytes, as: UTF8.self)
    }

    /// `*` stands for any number of bytes.
    static func fits(_ name: String, _ pattern: String) -> Bool {
        let name = Array(name.utf8), pattern = Array(pattern.utf8), star = UInt8(ascii: "*")
        var at = 0, index = 0, back: (index: Int, at: Int)?
        // Where it fails, the last star takes one byte more: names are short, and it never goes back beyond that star.
        while at < name.count {
            if index < pattern.count, pattern[index] == star {
                back = (index + 1, at)
                index += 1
            } else if index < pattern.count, pattern[index] == name[at] {
                index += 1
                at += 1
            } else if let last = back {
                back = (last.index, last.at + 1)
                (index, at) = (last.index, last.at + 1)
            } else {
                return false
            }
        }
        return pattern[index...].allSatisfy { $0 == star }
    }
}
