/// A part of a YAML document with its place in the file. YAML's types are guesses, so a scalar stays text until a field asks for more.
struct Node: Sendable {
    /// Counted from 1, in characters.
    struct Mark: Sendable, Equatable {
        var line: Int
        var column: Int
    }

    enum Value: Sendable {
        /// `isPlain`: written without quotes, so that it may be a number or a word with a meaning.
        case scalar(String, isPlain: Bool)
        case sequence([Node])
        case mapping([Entry])
    }

    struct Entry: Sendable {
        var key: String
        var mark: Mark
        var value: Node
    }

    var mark: Mark
    var value: Value

    /// What it is, for an error line.
    var summary: String {
        switch value {
        case .scalar("", isPlain: true): "nothing"
        case .scalar(let text, _): quoted(text)
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}
