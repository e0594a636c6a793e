/// The options and positionals of a command: a struct whose stored properties are `Option`, `Positional`, or another such group. Their
/// order is that of usage and help.
package protocol OptionGroup: Declared {}

/// A command that takes nothing.
package struct NoOptions: OptionGroup {
    package init() {}
}

/// What a command declares, in order.
package struct Declarations: Sendable {
    var options: [OptionDeclaration] = []
    var positionals: [PositionalDeclaration] = []
}

package protocol Declared: Sendable {
    func declare(in declarations: inout Declarations)
}

extension Option: Declared {
    package func declare(in declarations: inout Declarations) { declarations.options.append(declaration) }
}

extension Positional: Declared {
    package func declare(in declarations: inout Declarations) { declarations.positionals.append(declaration) }
}

extension OptionGroup {
    package func declare(in declarations: inout Declarations) {
        // By reflection, because a list beside the properties would be a second place that somebody forgets.
        for child in Mirror(reflecting: self).children {
            guard let declared = child.value as? any Declared else {
                preconditionFailure("\(Self.self).\(child.label ?? "") is no option, no positional and no group of them")
            }
            declared.declare(in: &declarations)
        }
    }
}

/// A command line that was understood: the group's properties by their names, each with its value.
@dynamicMemberLookup
package struct Arguments<Options: OptionGroup>: Sendable {
    private let options: Options
    private let given: Given

    init(_ options: Options, _ given: Given) {
        self.options = options
        self.given = given
    }

    package subscript<Answer>(dynamicMember path: KeyPath<Options, Option<Answer>>) -> Answer {
        let option = options[keyPath: path]
        return option.answer(given.options[option.declaration.name])
    }

    package subscript<Answer>(dynamicMember path: KeyPath<Options, Positional<Answer>>) -> Answer {
        let positional = options[keyPath: path]
        return positional.answer(given.positionals[positional.declaration.name] ?? [])
    }

    package subscript<Group: OptionGroup>(dynamicMember path: KeyPath<Options, Group>) -> Arguments<Group> {
        Arguments<Group>(options[keyPath: path], given)
    }

    /// Whether the line has it; its default does not count.
    package func isGiven<Answer>(_ path: KeyPath<Options, Option<Answer>>) -> Bool {
        given.options[options[keyPath: path].declaration.name] != nil
    }
}

/// The words of a command line, sorted by what they belong to. Each has been read by its form.
package struct Given: Sendable {
    /// By name; a flag has no values.
    var options: [String: [String]] = [:]
    /// By name, in order.
    var positionals: [String: [String]] = [:]
}

/// What a command line asks for.
package enum Parsed<Request> {
    case run(Request)
    /// Help or version: print it to standard output and end well.
    case show(String)
}

/// Wrong use: one line, exit code 2.
package struct ArgumentError: Error, Equatable, Sendable, CustomStringConvertible {
    package static let exitCode: Int32 = 2
    package let description: String
}
