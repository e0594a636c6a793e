import Terminal
import Testing

private func table() -> Table {
    var table = Table([
        .init("time", .right, minimum: 5, weight: 9), .init("source", minimum: 10, weight: 4), .init("name", minimum: 6, weight: 1),
        .init("anomalies", minimum: 11, weight: 9)
    ])
    table.append(["0.013", "203.0.113.66:40112", "-", "missing_sni"])
    table.append(["10.020", "[2001:db8::66]:51822", "a.very.long.name.of.a.shop.example", "-"], style: .bad)
    return table
}

private func width(_ line: String) -> Int { line.unicodeScalars.count }

@Suite struct TableTests {
    @Test("With room, columns are as wide as what is in them, and no line ends in spaces")
    func room() {
        #expect(
            table().lines(for: Terminal(isTerminal: false, columns: 120, hasColours: false)) == [
                "  time  source                name                                anomalies",
                " 0.013  203.0.113.66:40112    -                                   missing_sni",
                "10.020  [2001:db8::66]:51822  a.very.long.name.of.a.shop.example  -"
            ])
    }

    @Test("Short of room, the light columns are cut first")
    func short() {
        #expect(
            table().lines(for: Terminal(isTerminal: false, columns: 60, hasColours: false)) == [
                "  time  source                name               anomalies",
                " 0.013  203.0.113.66:40112    -                  missing_sni",
                "10.020  [2001:db8::66]:51822  a.very.long.name…  -"
            ])
    }

    @Test("No line is ever wider than the terminal", arguments: 1...120)
    func fits(columns: Int) {
        for line in table().lines(for: Terminal(isTerminal: true, columns: columns, hasColours: false)) { #expect(width(line) <= columns) }
    }

    @Test("Wide characters count as two")
    func wide() {
        var table = Table([.init("name", minimum: 3), .init("n", .right, minimum: 1)])
        table.append(["日本語", "1"])
        table.append(["e\u{301}", "22"])
        #expect(
            table.lines(for: Terminal(isTerminal: false, columns: 80, hasColours: false)) == ["name     n", "日本語   1", "e\u{301}       22"])
        #expect(table.lines(for: Terminal(isTerminal: false, columns: 8, hasColours: false))[1] == "日…    1")
    }

    @Test("A name from a packet cannot move the cursor")
    func harmless() {
        var table = Table([.init("name")])
        table.append(["a\u{1b}[2J\nb\u{202e}"])
        #expect(table.lines(for: Terminal(isTerminal: true, columns: 80, hasColours: true))[1] == "a\u{fffd}[2J\u{fffd}b\u{fffd}")
    }

    @Test("A row with a style is styled whole, only where there are colours")
    func styled() {
        let lines = table().lines(for: Terminal(isTerminal: true, columns: 120, hasColours: true))
        #expect(lines[2].hasPrefix("\u{1b}[31m10.020") && lines[2].hasSuffix("-\u{1b}[0m") && !lines[1].contains("\u{1b}"))
    }
}

@Suite struct ProgressTests {
    private let terminal = Terminal(isTerminal: true, columns: 80, hasColours: false)

    @Test("The bar has the bytes, the share and the time left")
    func bar() {
        var progress = Progress("a.pcap", total: 10_000_000, now: .seconds(100))
        #expect(
            progress.line(done: 2_500_000, now: .seconds(105), on: terminal)
                == "\r\u{1b}[Ka.pcap  ███████░░░░░░░░░░░░░░░░░░░░░░░   25%  2.5 MB of 10 MB  15s left")
        #expect(progress.line(done: 10_000_000, now: .seconds(120), on: terminal)?.hasSuffix("100%  10 MB of 10 MB  0s left") == true)
    }

    @Test("It is not shown for what is over at once, nor more than ten times a second, nor where there is no terminal")
    func seldom() {
        var progress = Progress("a", total: 10, now: .zero)
        #expect(progress.line(done: 1, now: .milliseconds(99), on: terminal) == nil)
        #expect(progress.line(done: 1, now: .milliseconds(100), on: terminal) != nil)
        #expect(progress.line(done: 2, now: .milliseconds(199), on: terminal) == nil)
        #expect(progress.line(done: 2, now: .milliseconds(200), on: terminal) != nil)
        #expect(progress.line(done: 3, now: .seconds(9), on: Terminal(isTerminal: false, columns: 80, hasColours: false)) == nil)
    }

    @Test("Without room for a bar the figures stand alone")
    func narrow() {
        var progress = Progress("a.pcap", total: 10_000_000, now: .zero)
        #expect(
            progress.line(done: 2_500_000, now: .seconds(5), on: Terminal(isTerminal: true, columns: 46, hasColours: false))
                == "\r\u{1b}[Ka.pcap   25%  2.5 MB of 10 MB  15s left")
    }

    @Test("Of a pipe nobody knows the end")
    func pipe() {
        var progress = Progress("-", total: nil, now: .zero)
        #expect(progress.line(done: 1_500_000, now: .seconds(62), on: terminal) == "\r\u{1b}[K-  1.5 MB  01:02")
    }

    @Test("It fits any terminal", arguments: 20...100)
    func fits(columns: Int) {
        for (done, total) in [(0, 10), (5, 10), (20, 10), (Int.max, Int.max), (1, 0)] {
            var progress = Progress("capture.pcap", total: total, now: .zero)
            let line = progress.line(done: done, now: .seconds(3), on: Terminal(isTerminal: true, columns: columns, hasColours: false))
            #expect((line?.unicodeScalars.count ?? 0) - 4 < columns)
        }
    }
}
