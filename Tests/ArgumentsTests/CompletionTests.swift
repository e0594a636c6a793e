import Arguments
import Testing

@Suite struct CompletionTests {
    @Test("Every command, option and choice is in every shell's completion", arguments: Shell.allCases)
    func complete(shell: Shell) {
        let text = shell.completion(of: .weir)
        func walk(_ command: Command) {
            #expect(text.contains(command.name))
            for option in command.options {
                #expect(text.contains(shell == .fish ? "-l \(option.name) " : "--\(option.name)"), "\(command.name) \(option.name)")
                if case .choice(let words) = option.value { for word in words { #expect(text.contains(word)) } }
            }
            for positional in command.positionals {
                if case .choice(let words) = positional.value {
                    #expect(text.contains(words.joined(separator: " ")) || words.allSatisfy { text.contains("'\($0):'") })
                }
            }
            command.subcommands.forEach(walk)
        }
        walk(.weir)
    }
}
