import Arguments
import Glibc
import Linux
import Testing
import WeirCommands

@Suite struct ManualTests {
    @Test("Every command, option and example of a program is in its manual page", arguments: ProgramName.allCases)
    func whole(program: ProgramName) throws {
        let page = program.manual(version: "1.2.3"), name = program.rawValue
        let plain = page.replacing("\\-", with: "-").replacing("\\&", with: "")
        func walk(_ command: Command<Void>) {
            #expect(plain.contains(command.summary))
            for option in command.options {
                #expect(plain.contains("--\(option.name)") && plain.contains(option.help), "\(command.name) \(option.name)")
            }
            for positional in command.positionals { #expect(plain.contains(positional.help), "\(command.name) \(positional.name)") }
            for note in command.notes { #expect(plain.contains(note.text), "\(command.name) \(note.about)") }
            for example in command.examples { #expect(plain.contains(example.line), "\(command.name)") }
            command.subcommands.forEach(walk)
        }
        walk(program.command)
        let title = name.uppercased().replacing("-", with: "\\-")
        #expect(page.hasPrefix(".TH \"\(title)\" \"1\" \"\" \"Weir 1.2.3\" \"Weir\"\n.SH \"NAME\"\n"))
    }

    @Test(
        "groff has nothing to say against it", .enabled(if: access("/usr/bin/groff", X_OK) == 0, "groff is missing"),
        arguments: ProgramName.allCases)
    func valid(program: ProgramName) throws {
        let path = "/tmp/weir-manual-\(getpid())-\(program.rawValue)"
        defer { unlink(path) }
        try #require(File.write(path, Array(program.manual(version: "1.2.3").utf8)))
        let child = try Child("groff", ["groff", "-man", "-ww", "-Tascii", "-P-cbou", path], output: true, errorsToo: true)
        var said: [UInt8] = []
        while let more = child.take() {
            said += more
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            if more.isEmpty { poll(&target, 1, 1000) }
        }
        let text = String(decoding: said, as: UTF8.self)
        #expect(!text.contains("warning") && !text.contains("error:"), "\(text)")
        #expect(text.contains("SYNOPSIS") && text.contains("EXIT STATUS"))
    }

    @Test("weir manual knows every program", arguments: ProgramName.allCases)
    func known(program: ProgramName) throws {
        guard case .run(.manual(let arguments)) = try weirCommand.parse(["manual", program.rawValue], version: "1") else {
            Issue.record("it shows something else")
            return
        }
        #expect(arguments.program == program && program.command.name == program.rawValue)
    }
}
