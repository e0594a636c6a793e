/// What the pages of all programs of a product share.
package struct Manual: Sendable {
    package let product: String
    /// What `--version` says.
    package let version: String
    package let programs: [String]
    package let exitCodes: [(code: String, meaning: String)]
    /// Where there is more to read.
    package let more: String

    package init(product: String, version: String, programs: [String], exitCodes: [(code: String, meaning: String)], more: String) {
        self.product = product
        self.version = version
        self.programs = programs
        self.exitCodes = exitCodes
        self.more = more
    }
}

/// Manual pages, in man(7)'s macros, made from what each command declares: help, completion and manual cannot differ.
extension Command {
    /// The page of a program, with all of its commands.
    package func manual(_ book: Manual) -> String {
        var page = Page()
        page.macro("TH", name.uppercased(), "1", "", "\(book.product) \(book.version)", book.product)
        page.macro("SH", "NAME")
        page.text("\(name) - \(summary)")
        page.macro("SH", "SYNOPSIS")
        for command in leaves(under: []) { page.paragraph(command.usage) }
        describe(in: &page, called: name, heading: "SH")
        page.macro("SH", "EXIT STATUS")
        for (code, meaning) in book.exitCodes { page.item(code, meaning) }
        page.macro("SH", "SEE ALSO")
        page.text(book.programs.filter { $0 != name }.map { "\($0)(1)" }.joined(separator: ", ") + "; \(book.more)")
        return page.lines.joined(separator: "\n") + "\n"
    }

    /// Commands that do something, each with what to type.
    private func leaves(under path: [String]) -> [(command: Command, usage: String)] {
        let title = (path + [name]).joined(separator: " ")
        guard !subcommands.isEmpty else { return [(self, usage(called: title))] }
        return subcommands.flatMap { $0.leaves(under: path + [name]) }
    }

    private func describe(in page: inout Page, called title: String, heading: String) {
        if heading == "SH" { page.macro("SH", subcommands.isEmpty ? "OPTIONS" : "COMMANDS") }
        for positional in positionals { page.item(positional.name, positional.help) }
        if subcommands.isEmpty { for option in allOptions { page.item(option.signature, option.explanation) } }
        for note in notes { page.item(note.about, note.text) }
        if !examples.isEmpty {
            page.macro(heading == "SH" ? "SH" : "P", heading == "SH" ? "EXAMPLES" : nil)
            for example in examples { page.item(example.line, example.effect) }
        }
        for command in subcommands {
            page.macro("SS", "\(title) \(command.name)")
            page.text(command.summary + (command.name == standardSubcommand ? " (when none is named)" : ""))
            command.describe(in: &page, called: "\(title) \(command.name)", heading: "SS")
        }
    }
}

/// Lines of a page. A line that begins with a dot or a quote would be a macro; a dash would be a hyphen.
private struct Page {
    var lines: [String] = []

    private func plain(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\e").replacing("-", with: "\\-")
        return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
    }

    mutating func macro(_ name: String, _ words: String?...) {
        let quoted = words.compactMap { $0 }.map { "\"\(plain($0).replacing("\"", with: "\\(dq"))\"" }
        lines.append(([".\(name)"] + quoted).joined(separator: " "))
    }

    mutating func text(_ text: String) { lines.append(plain(text)) }

    mutating func paragraph(_ words: String) {
        lines += [".P", plain(words)]
    }

    mutating func item(_ tag: String, _ words: String) {
        lines += [".TP", ".B \(plain(tag))", plain(words)]
    }
}
