/// What Deployments had before they were scaled out, and what they were given: so that they go back, whoever has to bring them there.
///
/// Each entry is written down before the number is changed. So after a crash the Deployment has what the entry says, or still
/// what it had before; in the second case nobody touches it.
package struct ScaleLedger: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package let before: Int
        package let given: Int

        package init(before: Int, given: Int) {
            self.before = before
            self.given = given
        }
    }

    /// By workload, `namespace/name`.
    package private(set) var entries: [String: Entry] = [:]

    /// More than a policy has targets. What is beyond is not remembered, and does not go back by itself.
    package static let most = 1024

    package init() {}

    /// The number for a decision in force. Out only: under attack nobody is scaled in.
    package func out(to wanted: Int, from current: Int) -> Int { max(current, wanted) }

    /// The number when the decision is over: what it was before, unless somebody else has changed it meanwhile.
    package func back(_ workload: String, from current: Int) -> Int {
        guard let entry = entries[workload], entry.given == current else { return current }
        return entry.before
    }

    /// Before the number is changed. False where that is nothing new, or there is no room.
    package mutating func note(_ workload: String, from current: Int, to wanted: Int) -> Bool {
        let entry = Entry(before: entries[workload]?.before ?? current, given: wanted)
        guard entries[workload] != entry, entries[workload] != nil || entries.count < Self.most else { return false }
        entries[workload] = entry
        return true
    }

    package mutating func forget(_ workload: String) -> Bool { entries.removeValue(forKey: workload) != nil }

    // MARK: As text, for a ConfigMap

    /// A key has no slash there; no namespace has a dot (RFC 1123 labels), so the first one parts the two.
    package static func key(of workload: String) -> String { workload.replacing("/", with: ".", maxReplacements: 1) }

    package static func text(of entry: Entry) -> String { "\(entry.before) \(entry.given)" }

    /// Takes what is no entry for none.
    package init(_ texts: some Sequence<(key: String, text: String)>) {
        for (key, text) in texts {
            let numbers = text.split(separator: " ").map { Int($0) }
            guard let dot = key.firstIndex(of: "."), numbers.count == 2, let before = numbers[0], let given = numbers[1],
                before >= 0, given >= 0, entries.count < Self.most
            else { continue }
            entries["\(key[..<dot])/\(key[key.index(after: dot)...])"] = Entry(before: before, given: given)
        }
    }
}
