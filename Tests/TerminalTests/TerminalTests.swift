import Glibc
import Terminal
import Testing

private let plain = Terminal(isTerminal: false, columns: 80, hasColours: false)
private let colourful = Terminal(isTerminal: true, columns: 80, hasColours: true)

@Suite struct TerminalTests {
    @Test(
        "Colours are for terminals that can and people who want them",
        arguments: [
            (true, nil, "xterm", true), (true, "", "xterm", true), (true, "1", "xterm", false), (true, nil, "dumb", false),
            (true, nil, nil, false), (false, nil, "xterm", false)
        ] as [(Bool, String?, String?, Bool)])
    func colours(isTerminal: Bool, noColour: String?, term: String?, expected: Bool) {
        #expect(Terminal(isTerminal: isTerminal, columns: 80, rows: 24, noColour: noColour, term: term).hasColours == expected)
    }

    @Test("A pipe is no terminal")
    func pipe() {
        var ends: [CInt] = [0, 0]
        #expect(Glibc.pipe(&ends) == 0)
        let terminal = Terminal(of: ends[1])
        #expect(!terminal.isTerminal && !terminal.hasColours && terminal.columns >= 20)
        close(ends[0])
        close(ends[1])
    }

    @Test("A style leaves no trace where there are no colours", arguments: Style.allCases)
    func style(style: Style) {
        #expect(plain.styled("x", style) == "x")
        #expect(colourful.styled("x", style).hasPrefix("\u{1b}[") && colourful.styled("x", style).hasSuffix("mx\u{1b}[0m"))
    }
}

@Suite struct FiguresTests {
    @Test(
        "Thousands are separated",
        arguments: [
            (0, "0"), (999, "999"), (1000, "1,000"), (12_410, "12,410"), (1_234_567, "1,234,567"), (-1000, "-1,000"),
            (Int.min, "-9,223,372,036,854,775,808")
        ])
    func count(number: Int, text: String) { #expect(Figures.count(number) == text) }

    @Test(
        "Bytes have a unit",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_800_000, "9.8 MB"), (99_949, "100 kB"), (999_500, "1.0 MB"),
            (Int.max, "9223372 TB")
        ])
    func bytes(number: Int, text: String) { #expect(Figures.bytes(number) == text) }

    @Test(
        "Durations have two units",
        arguments: [(583, "9m 43s"), (42, "42s"), (60, "1m"), (3600, "1h"), (3725, "1h 2m"), (93_600, "1d 2h"), (-5, "0s")])
    func duration(seconds: Int, text: String) { #expect(Figures.duration(.seconds(seconds)) == text) }

    @Test(
        "Latencies are measured in what fits",
        arguments: [
            (34_000, "34 us"), (999, "999 ns"), (1_200_000, "1.2 ms"), (40_000_000, "40 ms"), (1_500_000_000, "1.5 s"), (9_960, "10 us")
        ])
    func latency(nanoseconds: Int, text: String) { #expect(Figures.latency(.nanoseconds(nanoseconds)) == text) }

    @Test("A clock counts minutes, then hours", arguments: [(42, "00:42"), (599, "09:59"), (3723, "1:02:03")])
    func clock(seconds: Int, text: String) { #expect(Figures.clock(.seconds(seconds)) == text) }

    @Test(
        "Into a file or a pipe a table's cells are whole, however long",
        .enabled(if: getenv("COLUMNS") == nil, "COLUMNS says how wide a pipe is"))
    func whole() {
        var ends: [CInt] = [0, 0]
        pipe(&ends)
        defer { ends.forEach { close($0) } }
        let name = String(repeating: "n", count: 255), address = "2001:db8:1111:2222:3333:4444:5555:6666"
        var table = Table([.init("source", minimum: 12, weight: 2), .init("destination", minimum: 6, weight: 0), .init("name", minimum: 5)])
        table.append([address, address, name])
        #expect(table.lines(for: Terminal(of: ends[1])).last == "\(address)  \(address)  \(name)")
    }
}
