extension Command {
    /// What `--help` prints: usage, everything that can be given in one line each, and what to type.
    func help(called title: String) -> String {
        var lines = ["\(title): \(summary)", "", "usage: \(usage(called: title))"]
        func section(_ heading: String, _ rows: [(String, String)]) {
            guard !rows.isEmpty else { return }
            let width = rows.map(\.0.count).max() ?? 0
            lines += ["", heading + ":"]
            lines += rows.map { "  " + $0.0 + String(repeating: " ", count: width - $0.0.count + 2) + $0.1 }
        }
        section("commands", subcommands.map { ($0.name, $0.summary + ($0.name == standardSubcommand ? " (when none is named)" : "")) })
        section("arguments", positionals.map { ($0.name, $0.help) })
        section("options", allOptions.map { ($0.signature, $0.explanation) })
        section("what to know", notes.map { ($0.about, $0.text) })
        section("examples", examples.map { ($0.line, $0.effect) })
        if !subcommands.isEmpty { lines += ["", "\(title) COMMAND --help says more about each."] }
        return lines.joined(separator: "\n") + "\n"
    }

    func usage(called title: String) -> String {
        var parts = [title]
        if !subcommands.isEmpty { parts.append(standardSubcommand == nil ? "COMMAND" : "[COMMAND]") }
        if options.count > 4 || (!subcommands.isEmpty && !options.isEmpty) {
            parts.append("[OPTION...]")
        } else {
            parts += options.map { "[\($0.signature)]" + ($0.isRepeatable ? "..." : "") }
        }
        for positional in positionals {
            switch positional.count {
            case .one: parts.append(positional.name)
            case .optional: parts.append("[\(positional.name)]")
            case .oneOrMore: parts.append("\(positional.name)...")
            }
        }
        return parts.joined(separator: " ")
    }
}

extension OptionDeclaration {
    var signature: String { "--\(name)" + (value.map { " \($0.label)" } ?? "") }

    var explanation: String {
        help + (standard.map { " (default \($0))" } ?? "") + (isRepeatable ? " (may be repeated)" : "")
    }
}
