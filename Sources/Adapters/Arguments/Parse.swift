internal import Spelling

extension Command {
    /// Reads a command line without the program's name. `version` is what `--version` prints.
    package func parse(_ words: [String], version: String) throws(ArgumentError) -> Parsed<Request> {
        var reading = Reading(command: self, title: name)
        var rest = words[...]
        while let word = rest.popFirst() {
            if !reading.optionsEnded, word.hasPrefix("-"), word != "-" {
                if word == "--" {
                    reading.optionsEnded = true
                } else if word == "-h" || word == "--help" {
                    return .show(reading.command.help(called: reading.title))
                } else if word == "--version" {
                    return .show("\(name) \(version)\n")
                } else {
                    try reading.takeOption(word, &rest)
                }
            } else if !reading.enterSubcommand(word) {
                try reading.takePositional(word)
            }
        }
        if words.isEmpty, !subcommands.isEmpty, standardSubcommand == nil { return .show(help(called: name)) }
        return .run(try reading.finished())
    }
}

/// A command line half read.
private struct Reading<Request> {
    var command: Command<Request>
    /// `weir limits add`, for errors and help.
    var title: String
    var optionsEnded = false
    var given = Given()
    private var positionals = 0

    init(command: Command<Request>, title: String) {
        self.command = command
        self.title = title
    }

    func error(_ message: String) -> ArgumentError { ArgumentError(description: "\(title): \(message)") }

    mutating func enterSubcommand(_ word: String) -> Bool {
        guard !optionsEnded, positionals == 0, let found = command.subcommand(word) else { return false }
        enter(found)
        return true
    }

    private mutating func enter(_ subcommand: Command<Request>) {
        command = subcommand
        title += " " + subcommand.name
    }

    mutating func takeOption(_ word: String, _ rest: inout ArraySlice<String>) throws(ArgumentError) {
        guard word.hasPrefix("--") else { throw error("\(Spelling.quoted(word)): options are long here, such as --help") }
        let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if command.option(parts[0]) == nil, let standard = command.standardSubcommand, let subcommand = command.subcommand(standard) {
            enter(subcommand)
        }
        guard let option = command.option(parts[0]) else {
            let near = Spelling.nearest(to: String(parts[0]), among: command.allOptions.map(\.name))
            throw error("\(Spelling.quoted("--" + parts[0])): no such option" + (near.map { "; did you mean --\($0)?" } ?? "; see --help"))
        }
        let name = "--" + option.name
        guard option.isRepeatable || given.options[option.name] == nil else { throw error("\(name): given twice") }
        guard let kind = option.value else {
            guard parts.count == 1 else { throw error("\(name): takes no value") }
            given.options[option.name] = []
            return
        }
        let value: String
        if parts.count == 2 {
            value = String(parts[1])
        } else {
            // What looks like an option is a value that was forgotten; --option=--value says otherwise.
            guard let next = rest.first, !next.hasPrefix("--") else { throw error("\(name): needs a value, \(kind.label)") }
            value = rest.removeFirst()
        }
        if let refusal = kind.refusal(value) { throw error("\(name): \(refusal)") }
        given.options[option.name, default: []].append(value)
    }

    mutating func takePositional(_ word: String) throws(ArgumentError) {
        let index = positionals
        guard
            let positional = index < command.positionals.count
                ? command.positionals[index] : command.positionals.last.flatMap({ $0.count == .oneOrMore ? $0 : nil })
        else {
            guard command.subcommands.isEmpty else {
                throw error("\(Spelling.quoted(word)): no such command" + Spelling.hint(for: word, among: command.subcommands.map(\.name)))
            }
            throw error("\(Spelling.quoted(word)): \(command.positionals.isEmpty ? "nothing is expected here" : "one too many")")
        }
        if let refusal = positional.value.refusal(word) { throw error("\(positional.name): \(refusal)") }
        given.positionals[positional.name, default: []].append(word)
        positionals += 1
    }

    mutating func finished() throws(ArgumentError) -> Request {
        if let standard = command.standardSubcommand, let subcommand = command.subcommand(standard) { enter(subcommand) }
        guard let request = command.request else {
            throw error(
                "a command is missing; there \(command.subcommands.count == 1 ? "is" : "are") \(Spelling.list(command.subcommands.map(\.name)))"
            )
        }
        if let missing = command.positionals.dropFirst(positionals).first(where: \.isRequired) {
            throw error("\(missing.name) is missing: \(missing.help)")
        }
        return request(given)
    }
}
