/// Writes what a shell needs to complete a command line, from the same declaration that parses it.
package enum Shell: String, Sendable, CaseIterable {
    case bash, zsh, fish

    package func completion(of program: Command<some Any>) -> String {
        switch self {
        case .bash: bash(program)
        case .zsh: zsh(program)
        case .fish: fish(program)
        }
    }

    /// Every command with the words that lead to it.
    private func nodes<Request>(_ command: Command<Request>, _ path: String) -> [(path: String, command: Command<Request>)] {
        [(path, command)] + command.subcommands.flatMap { nodes($0, path + " " + $0.name) }
    }

    private func function(_ program: Command<some Any>) -> String { "_" + String(program.name.map { $0 == "-" ? "_" : $0 }) }

    private func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }

    /// The pattern of a `case` that recognises a subcommand by the path so far.
    private func descents<Request>(_ all: [(path: String, command: Command<Request>)]) -> String {
        let paths = all.dropFirst().map { quoted($0.path) }
        return paths.isEmpty ? "''" : paths.joined(separator: "|")
    }

    private func bash(_ program: Command<some Any>) -> String {
        let all = nodes(program, program.name)
        func action(_ value: ValueDeclaration) -> String {
            switch value.completion {
            case .files: #"COMPREPLY=($(compgen -f -- "$word"))"#
            case .directories: #"COMPREPLY=($(compgen -d -- "$word"))"#
            case .words(let words): "COMPREPLY=($(compgen -W \(quoted(words.joined(separator: " "))) -- \"$word\"))"
            case .nothing: "COMPREPLY=()"
            }
        }
        var lines = [
            "# bash completion of \(program.name); load it with: source <(\(program.name) completion bash)",
            "\(function(program))() {",
            #"    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} at=\#(program.name) words= i"#,
            "    # bash splits --option=value at the sign",
            #"    if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi"#,
            "    for ((i = 1; i < COMP_CWORD; i++)); do",
            #"        case "$at ${COMP_WORDS[i]}" in"#,
            #"            \#(descents(all))) at+=" ${COMP_WORDS[i]}" ;;"#,
            "        esac",
            "    done",
            #"    case "$at $before" in"#
        ]
        for (path, command) in all {
            for option in command.options {
                if let value = option.value { lines.append("        \(quoted("\(path) --\(option.name)"))) \(action(value)); return ;;") }
            }
        }
        lines += ["    esac", #"    case "$at" in"#]
        for (path, command) in all {
            let words = command.subcommands.map(\.name) + command.allOptions.map { "--" + $0.name } + positionalWords(command)
            lines.append(
                "        \(quoted(path))) words=\(quoted(words.joined(separator: " ")))\(takesFiles(command) ? #"; COMPREPLY=($(compgen -f -- "$word"))"# : "") ;;"
            )
        }
        lines += [
            "    esac", #"    COMPREPLY+=($(compgen -W "$words" -- "$word"))"#, "}",
            "complete -o filenames -F \(function(program)) \(program.name)"
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private func zsh(_ program: Command<some Any>) -> String {
        let all = nodes(program, program.name)
        func described(_ word: String, _ help: String) -> String {
            quoted(word + ":" + help.split(separator: ":", omittingEmptySubsequences: false).joined(separator: #"\:"#))
        }
        func action(_ value: ValueDeclaration) -> String {
            switch value.completion {
            case .files: "_files"
            case .directories: "_files -/"
            case .words(let words): "compadd -- \(words.map(quoted).joined(separator: " "))"
            case .nothing: "_message -e \(quoted(value.label))"
            }
        }
        var lines = [
            "#compdef \(program.name)",
            "# zsh completion of \(program.name); load it with: source <(\(program.name) completion zsh)",
            "\(function(program))() {",
            "    local at=\(program.name) before=${words[CURRENT-1]} i",
            "    local -a known",
            "    # --option=value: what stands before the sign is the word before",
            "    if compset -P '--*='; then before=${IPREFIX%=}; fi",
            "    for ((i = 2; i < CURRENT; i++)); do",
            #"        case "$at ${words[i]}" in"#,
            #"            \#(descents(all))) at+=" ${words[i]}" ;;"#,
            "        esac",
            "    done",
            #"    case "$at $before" in"#
        ]
        for (path, command) in all {
            for option in command.options {
                if let value = option.value { lines.append("        \(quoted("\(path) --\(option.name)"))) \(action(value)); return ;;") }
            }
        }
        lines += ["    esac", #"    case "$at" in"#]
        for (path, command) in all {
            let words =
                command.subcommands.map { described($0.name, $0.summary) } + command.allOptions.map { described("--" + $0.name, $0.help) }
                + positionalWords(command).map { described($0, "") }
            lines.append("        \(quoted(path))) known=(\(words.joined(separator: " ")))\(takesFiles(command) ? "; _files" : "") ;;")
        }
        lines += ["    esac", "    _describe -V \(quoted(program.name)) known", "}", "compdef \(function(program)) \(program.name)"]
        return lines.joined(separator: "\n") + "\n"
    }

    private func fish(_ program: Command<some Any>) -> String {
        let all = nodes(program, program.name)
        let at = "_" + function(program) + "_at"
        var lines = [
            "# fish completion of \(program.name); load it with: \(program.name) completion fish | source",
            "function \(at)",
            "    set -l at \(program.name)",
            "    for word in (commandline -opc)[2..-1]",
            "        switch \"$at $word\"",
            "            case \(all.count > 1 ? all.dropFirst().map { quoted($0.path) }.joined(separator: " ") : "''")",
            "                set at \"$at $word\"",
            "        end",
            "    end",
            "    test \"$at\" = \"$argv[1]\"",
            "end",
            "complete -c \(program.name) -f"
        ]
        for (path, command) in all {
            let start = "complete -c \(program.name) -n \(quoted("\(at) \"\(path)\""))"
            lines += command.subcommands.map { "\(start) -a \(quoted($0.name)) -d \(quoted($0.summary))" }
            for option in command.allOptions {
                let value =
                    switch option.value?.completion {
                    case nil: ""
                    case .files, .directories: " -r -F"
                    case .words(let words): " -x -a \(quoted(words.joined(separator: " ")))"
                    case .nothing: " -x"
                    }
                lines.append("\(start) -l \(option.name)\(value) -d \(quoted(option.help))")
            }
            let words = positionalWords(command)
            if !words.isEmpty { lines.append("\(start) -a \(quoted(words.joined(separator: " ")))") }
            if takesFiles(command) { lines.append("\(start) -F") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func takesFiles(_ command: Command<some Any>) -> Bool {
        command.positionals.contains { $0.value.completion == .files }
    }

    private func positionalWords(_ command: Command<some Any>) -> [String] {
        command.positionals.flatMap { positional -> [String] in
            if case .words(let words) = positional.value.completion { return words }
            return []
        }
    }
}
