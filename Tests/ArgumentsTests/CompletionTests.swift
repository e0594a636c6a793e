import Arguments
import Testing
import WeirCommands

@Suite struct CompletionTests {
    @Test("Every command, option and choice is in every shell's completion", arguments: Shell.allCases)
    func complete(shell: Shell) {
        let text = shell.completion(of: weirCommand)
        func walk(_ command: Command<Void>) {
            #expect(text.contains(command.name))
            for option in command.options {
                #expect(text.contains(shell == .fish ? "-l \(option.name) " : "--\(option.name)"), "\(command.name) \(option.name)")
                if case .words(let words)? = option.value?.completion { for word in words { #expect(text.contains(word)) } }
            }
            for positional in command.positionals {
                if case .words(let words) = positional.value.completion {
                    #expect(text.contains(words.joined(separator: " ")) || words.allSatisfy { text.contains("'\($0):'") })
                }
            }
            command.subcommands.forEach(walk)
        }
        walk(weirCommand.declared)
    }
}
