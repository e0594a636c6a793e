/// Why a text is not the message that it should be: the member, and what is wrong with it.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Problem: Equatable, Sendable {
        case notJSON
        /// More than a message may have of bytes, members or depth.
        case tooBig
        case missing
        case wrongType(wanted: String)
        case wrongValue(wanted: String)
    }

    /// `limit.until` is `until` in `limit`; empty for the text as a whole.
    package let member: String
    package let problem: Problem

    package init(_ member: String, _ problem: Problem) {
        self.member = member
        self.problem = problem
    }

    package var description: String {
        let what =
            switch problem {
            case .notJSON: "not JSON"
            case .tooBig: "more bytes, members or depth than a message has"
            case .missing: "missing"
            case .wrongType(let wanted), .wrongValue(let wanted): "not \(wanted)"
            }
        return member.isEmpty ? what : "\(member): \(what)"
    }

    func inside(_ outer: String) -> JSONError { JSONError(member.isEmpty ? outer : "\(outer).\(member)", problem) }
}
