internal import Spelling

/// Why a policy was refused: one line that says where, what was found and what is allowed.
package struct PolicyError: Error, Equatable, Sendable, CustomStringConvertible {
    package let file: String
    /// Counted from 1; `nil` when the file itself is the matter.
    package let line: Int?
    package let column: Int?
    /// `spec.detections.missing_sni`; empty for the document as a whole.
    package let path: String
    package let message: String

    init(file: String, mark: Node.Mark?, path: String, message: String) {
        self.file = file
        line = mark?.line
        column = mark?.column
        self.path = path
        self.message = message
    }

    package var description: String {
        let place = if let line, let column { ":\(line):\(column)" } else { "" }
        return "\(file)\(place): \(path.isEmpty ? "" : path + ": ")\(message)"
    }
}
