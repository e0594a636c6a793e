internal import Glibc

/// What a descriptor shows its text on: a person's terminal, or a file or pipe, which gets neither colours nor a width.
package struct Terminal: Sendable, Equatable {
    package var isTerminal: Bool
    package var columns: Int
    package var rows: Int
    package var hasColours: Bool

    package init(isTerminal: Bool, columns: Int, rows: Int = 24, hasColours: Bool) {
        self.isTerminal = isTerminal
        self.columns = columns
        self.rows = rows
        self.hasColours = hasColours
    }

    /// A file or pipe has no width: what is read there later is whole.
    private static let unlimited = 100_000

    /// Asks the kernel and the environment: NO_COLOR (no-color.org), TERM=dumb, and COLUMNS where there is no terminal to ask.
    package init(of descriptor: CInt) {
        func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }
        var size = winsize()
        let isTerminal = isatty(descriptor) == 1
        let asked = unsafe isTerminal && ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        self.init(
            isTerminal: isTerminal,
            columns: asked ? Int(size.ws_col) : variable("COLUMNS").flatMap { Int($0) } ?? (isTerminal ? 120 : Self.unlimited),
            rows: asked && size.ws_row > 0 ? Int(size.ws_row) : 24, noColour: variable("NO_COLOR"), term: variable("TERM"))
    }

    /// The rule alone.
    package init(isTerminal: Bool, columns: Int, rows: Int, noColour: String?, term: String?) {
        self.init(
            isTerminal: isTerminal, columns: max(20, min(columns, isTerminal ? 1000 : Self.unlimited)), rows: max(2, min(rows, 1000)),
            hasColours: isTerminal && (noColour ?? "").isEmpty && term != nil && term != "dumb")
    }

    /// `text` in a style where there are colours, and as it is elsewhere.
    package func styled(_ text: String, _ style: Style) -> String { hasColours ? style.code + text + "\u{1b}[0m" : text }

    /// Back to the start of the line and empty, for what is written over; nothing where lines stay.
    package var lineStart: String { isTerminal ? "\r\u{1b}[K" : "" }
    /// To the top left corner; what is below is replaced line by line, so that nothing flickers.
    package static let top = "\u{1b}[H"
    package static let clearBelow = "\u{1b}[J"
    package static let clearToEndOfLine = "\u{1b}[K"
}

package enum Style: Sendable, CaseIterable {
    case bold, faint, good, warning, bad

    var code: String {
        switch self {
        case .bold: "\u{1b}[1m"
        case .faint: "\u{1b}[2m"
        case .good: "\u{1b}[32m"
        case .warning: "\u{1b}[33m"
        case .bad: "\u{1b}[31m"
        }
    }
}
