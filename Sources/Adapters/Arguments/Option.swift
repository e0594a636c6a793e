/// `--name`, `--name VALUE` or `--name=VALUE`, declared once: its name, form, help and default. Reading it gives an `Answer`.
package struct Option<Answer: Sendable>: Sendable {
    package let declaration: OptionDeclaration
    let answer: @Sendable ([String]?) -> Answer

    /// - Returns: `nil` when it is not given.
    package init<Value>(_ name: String, _ form: Form<Value>, _ help: String) where Answer == Value? {
        declaration = OptionDeclaration(name: name, value: ValueDeclaration(form), help: help)
        answer = { given in given?.last.map { form.checked($0) } }
    }

    /// - Parameter standard: its value when it is not given, as somebody would write it; help shows it.
    package init(_ name: String, _ form: Form<Answer>, _ help: String, standard: String) {
        precondition(ValueDeclaration(form).refusal(standard) == nil, "the default of --\(name) is not one of its values")
        declaration = OptionDeclaration(name: name, value: ValueDeclaration(form), help: help, standard: standard)
        answer = { given in form.checked(given?.last ?? standard) }
    }

    /// One that may be given several times.
    /// - Returns: all values, in order.
    package init<Value>(repeatable name: String, _ form: Form<Value>, _ help: String) where Answer == [Value] {
        declaration = OptionDeclaration(name: name, value: ValueDeclaration(form), help: help, isRepeatable: true)
        answer = { given in (given ?? []).map { form.checked($0) } }
    }
}

extension Option where Answer == Bool {
    /// Given or not.
    package init(flag name: String, _ help: String) {
        declaration = OptionDeclaration(name: name, value: nil, help: help)
        answer = { $0 != nil }
    }
}

/// A word that stands on its own: a file, a prefix.
package struct Positional<Answer: Sendable>: Sendable {
    package let declaration: PositionalDeclaration
    let answer: @Sendable ([String]) -> Answer

    /// - Parameter name: in capitals, as usage shows it.
    package init(_ name: String, _ form: Form<Answer>, _ help: String) {
        declaration = PositionalDeclaration(name: name, value: ValueDeclaration(form), help: help, count: .one)
        answer = { given in form.checked(given[0]) }
    }

    package init<Value>(optional name: String, _ form: Form<Value>, _ help: String) where Answer == Value? {
        declaration = PositionalDeclaration(name: name, value: ValueDeclaration(form), help: help, count: .optional)
        answer = { given in given.first.map { form.checked($0) } }
    }

    package init<Value>(oneOrMore name: String, _ form: Form<Value>, _ help: String) where Answer == [Value] {
        declaration = PositionalDeclaration(name: name, value: ValueDeclaration(form), help: help, count: .oneOrMore)
        answer = { given in given.map { form.checked($0) } }
    }
}

extension Form {
    /// A word that was read before.
    fileprivate func checked(_ text: String) -> Value {
        do throws(WrongValue) { return try read(text) } catch { preconditionFailure("`\(text)` was read before: \(error.description)") }
    }
}

// The same without their types, for the parser, help, completion and manual.

package struct OptionDeclaration: Sendable {
    package var name: String
    /// `nil` for a flag.
    package var value: ValueDeclaration?
    package var help: String
    package var standard: String?
    package var isRepeatable = false

    static let help = Option(flag: "help", "show this and end").declaration
    static let version = Option(flag: "version", "show the version and end").declaration
}

package struct PositionalDeclaration: Sendable {
    package enum Count: Sendable { case one, optional, oneOrMore }

    package var name: String
    package var value: ValueDeclaration
    package var help: String
    package var count: Count

    var isRequired: Bool { count != .optional }
}

package struct ValueDeclaration: Sendable {
    let label: String
    package let completion: Completion
    /// Why a word is no such value; `nil` when it is one.
    let refusal: @Sendable (String) -> String?

    init<Value>(_ form: Form<Value>) {
        label = form.label
        completion = form.completion
        refusal = { text in
            if text.isEmpty { return "the value is empty" }
            do throws(WrongValue) {
                _ = try form.read(text)
                return nil
            } catch { return error.description }
        }
    }
}
