package import Arguments
internal import Commands

// About the programs themselves.

let broker = Command<WeirRequest>(
    "broker", "the small built-in broker of weir run, for trying things out; ends with its standard input", NoOptions(),
    request: WeirRequest.broker)

package struct CompletionOptions: OptionGroup {
    package let shell = Positional<Shell>("SHELL", .choice, "which shell")
}

let completion = Command<WeirRequest>(
    "completion", "shell completion", CompletionOptions(),
    examples: [
        ("source <(weir completion bash)", "in ~/.bashrc")
    ],
    request: WeirRequest.completion)

package struct ManualOptions: OptionGroup {
    package let program = Positional<ProgramName>("PROGRAM", .choice, "whose")
}

/// The programs, as `man` knows them.
package enum ProgramName: String, CaseIterable, Sendable {
    case weir
    case agent = "weir-agent"
    case controller = "weir-controller"
    case archive = "weir-archive"

    package var command: Command<Void> {
        switch self {
        case .weir: weirCommand.declared
        case .agent: agentCommand.declared
        case .controller: controllerCommand.declared
        case .archive: archiveCommand.declared
        }
    }

    /// Its manual page.
    /// - Parameter version: what `--version` says.
    package func manual(version: String) -> String {
        let exitCodes = [
            ("0", "well"), ("1", "found what was asked about, such as an anomaly of --fail-on"),
            ("2", "wrong use, or a wrong file; one line says where"), ("3", "this machine cannot, such as for lack of a privilege"),
            ("4", "there is nothing to tell it by, such as no evidence for weir verify")
        ]
        return command.manual(
            Manual(
                product: "Weir", version: version, programs: Self.allCases.map(\.rawValue), exitCodes: exitCodes,
                more: "docs/index.md of the project"))
    }
}

let manual = Command<WeirRequest>(
    "manual", "the manual page of a program, for man", ManualOptions(),
    examples: [
        (
            "weir manual weir-agent > weir-agent.1",
            "and man -l weir-agent.1 shows it; make install puts them all where man looks"
        )
    ],
    request: WeirRequest.manual)
