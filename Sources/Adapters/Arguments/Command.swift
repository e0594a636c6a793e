/// A command as it is declared: its options, and its purpose. Parsing, help, completion and manual are all read from this.
///
/// `Request` is what a command line comes to: the program's own type, with a case for each command, so that the compiler names one that
/// nobody performs.
package struct Command<Request>: Sendable {
    package let name: String
    /// One line, in the imperative.
    package let summary: String
    package let options: [OptionDeclaration]
    package let positionals: [PositionalDeclaration]
    package let subcommands: [Command]
    /// The subcommand that is meant when none is named.
    let standardSubcommand: String?
    /// What a newcomer has to know: a word, and what there is to say about it.
    package let notes: [(about: String, text: String)]
    /// What to type, and what it does.
    package let examples: [(line: String, effect: String)]
    /// `nil` for one that only has subcommands.
    let request: (@Sendable (Given) -> Request)?

    /// - Parameter request: what the line comes to.
    package init<Options: OptionGroup>(
        _ name: String, _ summary: String, _ options: Options, notes: [(about: String, text: String)] = [],
        examples: [(line: String, effect: String)] = [], request: @escaping @Sendable (Arguments<Options>) -> Request
    ) {
        var declarations = Declarations()
        options.declare(in: &declarations)
        self.init(
            name: name, summary: summary, options: declarations.options, positionals: declarations.positionals, subcommands: [],
            standardSubcommand: nil, notes: notes, examples: examples
        ) { given in request(Arguments(options, given)) }
    }

    /// - Parameter standard: the name of one of them.
    package init(
        _ name: String, _ summary: String, subcommands: [Command], standard: String? = nil, examples: [(line: String, effect: String)] = []
    ) {
        precondition(standard == nil || subcommands.contains { $0.name == standard }, "\(name) has no command \(standard ?? "")")
        self.init(
            name: name, summary: summary, options: [], positionals: [], subcommands: subcommands, standardSubcommand: standard, notes: [],
            examples: examples, request: nil)
    }

    private init(
        name: String, summary: String, options: [OptionDeclaration], positionals: [PositionalDeclaration], subcommands: [Command],
        standardSubcommand: String?, notes: [(about: String, text: String)], examples: [(line: String, effect: String)],
        request: (@Sendable (Given) -> Request)?
    ) {
        self.name = name
        self.summary = summary
        self.options = options
        self.positionals = positionals
        self.subcommands = subcommands
        self.standardSubcommand = standardSubcommand
        self.notes = notes
        self.examples = examples
        self.request = request
    }

    /// The same without what it comes to, for lists of several programs.
    package var declared: Command<Void> {
        Command<Void>(
            name: name, summary: summary, options: options, positionals: positionals, subcommands: subcommands.map(\.declared),
            standardSubcommand: standardSubcommand, notes: notes, examples: examples, request: nil)
    }

    func subcommand(_ name: some StringProtocol) -> Command? { subcommands.first { $0.name == name } }
    func option(_ name: some StringProtocol) -> OptionDeclaration? { allOptions.first { $0.name == name } }

    /// With the two that every command has.
    var allOptions: [OptionDeclaration] { options + [.help, .version] }
}
