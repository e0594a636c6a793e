/// Why a program ends before its work is done: one line, and the exit code that goes with it.
package struct Refusal: Error, Equatable, CustomStringConvertible {
    /// Without the program's name, which stands before it on standard error.
    package let description: String
    package let code: CInt

    package init(description: String, code: CInt) {
        self.description = description
        self.code = code
    }

    /// Wrong use or wrong input.
    package static func wrong(_ description: String) -> Refusal { Refusal(description: description, code: 2) }
    /// This machine cannot. The line says what to do.
    package static func cannot(_ description: String) -> Refusal { Refusal(description: description, code: 3) }
}
