package import Wire

/// A command line that was understood. Every value has been checked; a question about an option that was never declared is our own mistake.
package struct Arguments: Sendable {
    /// The subcommands that were named, outermost first, without the program's own name.
    package internal(set) var path: [String] = []
    /// What stands on its own, in order.
    package internal(set) var positionals: [String] = []
    var given: [String: [String]] = [:]
    var command: Command

    init(command: Command) { self.command = command }

    package func has(_ name: String) -> Bool {
        _ = declared(name)
        return given[name] != nil
    }

    /// The value, or the default that was declared.
    package func text(_ name: String) -> String? {
        let option = declared(name)
        return given[name]?.last ?? option.standard
    }

    /// All values of an option that may be repeated, in order.
    package func texts(_ name: String) -> [String] {
        let option = declared(name)
        return given[name] ?? option.standard.map { [$0] } ?? []
    }

    package func duration(_ name: String) -> Duration? { text(name).map { checked(name, Duration(text: $0)) } }
    package func number(_ name: String) -> Int? { text(name).map { checked(name, Int($0)) } }
    /// In bytes.
    package func size(_ name: String) -> Int? { text(name).map { checked(name, ByteCount($0)).bytes } }
    package func endpoint(_ name: String) -> Endpoint? { text(name).map { checked(name, Endpoint($0)) } }
    package func endpoints(_ name: String) -> [Endpoint] {
        (text(name) ?? "").split(separator: ",").map { checked(name, Endpoint($0)) }
    }
    /// The positional at `index` as an address or a block.
    package func prefix(at index: Int) -> Prefix { checked("PREFIX", Prefix(positionals[index])) }

    private func declared(_ name: String) -> Option {
        guard let option = command.option(name) else { preconditionFailure("\(command.name) has no option --\(name)") }
        return option
    }

    private func checked<Result>(_ name: String, _ value: Result?) -> Result {
        guard let value else { preconditionFailure("--\(name) was declared as something else") }
        return value
    }
}

/// What a command line asks for.
package enum Request: Sendable {
    case run(Arguments)
    /// Help or version: print it to standard output and end well.
    case show(String)
}

/// Wrong use: one line, exit code 2.
package struct ArgumentError: Error, Equatable, Sendable, CustomStringConvertible {
    package static let exitCode: Int32 = 2
    package let description: String
}
