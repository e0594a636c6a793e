/// A command as it is declared: what it takes and what it is for. Parsing, help and completion are all read from this.
package struct Command: Sendable {
    package var name: String
    /// One line, in the imperative.
    package var summary: String
    package var options: [Option]
    package var positionals: [Positional]
    package var subcommands: [Command]
    /// The subcommand that is meant when none is named.
    package var standardSubcommand: String?
    /// What somebody who has never seen it wants to know: a word, and what there is to say about it.
    package var notes: [(about: String, text: String)] = []
    /// What to type, and what it does.
    package var examples: [(line: String, effect: String)]

    package init(
        _ name: String, _ summary: String, options: [Option] = [], positionals: [Positional] = [], subcommands: [Command] = [],
        standardSubcommand: String? = nil, notes: [(about: String, text: String)] = [], examples: [(line: String, effect: String)] = []
    ) {
        self.name = name
        self.summary = summary
        self.options = options
        self.positionals = positionals
        self.subcommands = subcommands
        self.standardSubcommand = standardSubcommand
        self.notes = notes
        self.examples = examples
    }

    func subcommand(_ name: some StringProtocol) -> Command? { subcommands.first { $0.name == name } }
    func option(_ name: some StringProtocol) -> Option? { allOptions.first { $0.name == name } }

    /// With the two that every command has.
    var allOptions: [Option] { options + [.help, .version] }
}

/// `--name`, `--name VALUE` or `--name=VALUE`.
package struct Option: Sendable {
    package var name: String
    /// `nil` for a flag.
    package var value: Value?
    package var help: String
    /// The value when the option is not given; help shows it.
    package var standard: String?
    package var isRepeatable: Bool

    /// A flag: given or not.
    package init(flag name: String, _ help: String) {
        self.name = name
        self.help = help
        isRepeatable = false
    }

    package init(_ name: String, _ value: Value, _ help: String, standard: String? = nil, isRepeatable: Bool = false) {
        if let standard { precondition(value.refusal(of: standard) == nil, "the default of --\(name) is not one of its values") }
        self.name = name
        self.value = value
        self.help = help
        self.standard = standard
        self.isRepeatable = isRepeatable
    }

    package static let help = Option(flag: "help", "show this and end")
    package static let version = Option(flag: "version", "show the version and end")

    var isAnswered: Bool { name == Option.help.name || name == Option.version.name }
}

/// What stands on its own: files, prefixes, words.
package struct Positional: Sendable {
    package enum Count: Sendable { case one, optional, oneOrMore }

    /// In capitals, as usage shows it.
    package var name: String
    package var value: Value
    package var help: String
    package var count: Count

    package init(_ name: String, _ value: Value, _ help: String, count: Count = .one) {
        self.name = name
        self.value = value
        self.help = help
        self.count = count
    }

    var isRequired: Bool { count != .optional }
}
