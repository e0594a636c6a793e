/// Rows under headings, laid out so that a line never exceeds the width.
package struct Table: Sendable {
    package enum Alignment: Sendable { case left, right }

    package struct Column: Sendable {
        package var title: String
        package var alignment: Alignment
        /// Never narrower than this, while there is room at all.
        package var minimum: Int
        /// When the width is short, what is beyond the minimum is given up in inverse proportion; 0 gives up first.
        package var weight: Int

        package init(_ title: String, _ alignment: Alignment = .left, minimum: Int = 4, weight: Int = 1) {
            precondition(minimum > 0 && weight >= 0, "a column has a width")
            self.title = title
            self.alignment = alignment
            self.minimum = minimum
            self.weight = weight
        }
    }

    package let columns: [Column]
    package private(set) var rows: [(cells: [String], style: Style?)] = []

    package init(_ columns: [Column]) {
        precondition(!columns.isEmpty, "a table has columns")
        self.columns = columns
    }

    package mutating func append(_ cells: [String], style: Style? = nil) {
        precondition(cells.count == columns.count, "a row has a cell for each column")
        rows.append((cells.map { Width.fitted(Width.harmless($0), to: Self.cellLimit) }, style))
    }

    /// Heading and rows, each without a line end.
    package func lines(for terminal: Terminal) -> [String] {
        let widths = widths(within: terminal.columns)
        let heading = terminal.styled(line(columns.map(\.title), widths), .faint)
        return [heading]
            + rows.map { row in
                let text = line(row.cells, widths)
                return row.style.map { terminal.styled(text, $0) } ?? text
            }
    }

    private static let gap = 2
    private static let cellLimit = 512

    /// As wide as the widest cell; where that is too much, the columns are cut towards their minimum, the light ones first, and at last
    /// the ones at the end go.
    private func widths(within total: Int) -> [Int] {
        var widths = columns.indices.map { column in
            max(Width.of(columns[column].title), rows.map { Width.of($0.cells[column]) }.max() ?? 0)
        }
        let minima = columns.indices.map { min(columns[$0].minimum, widths[$0]) }
        func excess() -> Int { widths.reduce(0, +) + Self.gap * (widths.filter { $0 > 0 }.count - 1) - total }
        while excess() > 0 {
            let candidates = columns.indices.filter { widths[$0] > minima[$0] }
            // One column's worth at a time from the one with most to spare for its weight: at most a line's length of turns.
            guard let chosen = candidates.max(by: { spare($0, widths, minima) < spare($1, widths, minima) }) else { break }
            widths[chosen] -= 1
        }
        for column in columns.indices.reversed() where excess() > 0 {
            widths[column] = column == 0 ? max(1, min(widths[0], total)) : 0
        }
        return widths
    }

    private func spare(_ column: Int, _ widths: [Int], _ minima: [Int]) -> Double {
        let left = Double(widths[column] - minima[column])
        return columns[column].weight == 0 ? left * 1e6 : left / Double(columns[column].weight)
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for column in columns.indices where widths[column] > 0 {
            let cell = Width.fitted(cells[column], to: widths[column])
            let padding = String(repeating: " ", count: max(0, widths[column] - Width.of(cell)))
            line += (line.isEmpty ? "" : "  ") + (columns[column].alignment == .left ? cell + padding : padding + cell)
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
