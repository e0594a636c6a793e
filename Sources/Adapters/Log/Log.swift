internal import Linux
internal import Messages
internal import Units

/// Log lines on standard error: for people as text, for collectors as one JSON object a line. Nothing here waits for whoever reads them.
package struct Log: Sendable {
    package enum Format: String, CaseIterable, Sendable { case text, json }
    package enum Level: String, Sendable { case info, warning, error }

    private let program: String
    private let format: Format
    private let lines: Lines

    /// - Parameter descriptor: stays its owner's.
    package init(program: String, format: Format, descriptor: Int32 = 2) {
        self.program = program
        self.format = format
        lines = Lines(descriptor)
    }

    /// Lines that found no room, because nobody read those before them.
    package var dropped: Int { lines.dropped }

    /// - Parameter fields: names as in OpenTelemetry where it has the thing.
    package func write(_ level: Level, _ message: String, _ fields: [(name: String, value: String)] = []) {
        flush()
        lines.add(line(level, message, fields))
    }

    /// Writes what waits, as far as it is taken. Call it now and then.
    package func flush() {
        guard let missing = lines.flush(), missing > 0 else { return }
        lines.add(line(.warning, "log lines were dropped, because standard error was not read", [("lines", "\(missing)")]))
    }

    /// Gives the reader so long to take what waits: before the end of the program.
    package func close(withinMilliseconds milliseconds: Int) {
        let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        flush()
        while lines.isWaiting, Clock.monotonic < end {
            lines.wait(milliseconds: 10)
            flush()
        }
    }

    /// Why a program does not start or cannot go on: one line, as it is.
    package static func lastWords(_ text: String) {
        let output = NonblockingOutput(2)
        let bytes = Array("\(text)\n".utf8)
        var written = 0
        for _ in 0..<20 where written < bytes.count {
            guard let count = output.write(bytes, from: written) else { return }
            written += count
            if written < bytes.count { output.hasRoom(within: 10) }
        }
    }

    private func line(_ level: Level, _ message: String, _ fields: [(name: String, value: String)]) -> [UInt8] {
        var bytes: [UInt8]
        let time = Instant(nanoseconds: Clock.wall)
        switch format {
        case .json:
            var json = JSONWriter(capacity: 256)
            json.object { json in
                json.member("time", time)
                json.member("level", level.rawValue)
                json.member("program", program)
                json.member("message", message)
                for (name, value) in fields { json.member(name, value) }
            }
            bytes = json.bytes
        case .text:
            bytes = []
            time.appendRFC3339(to: &bytes)
            bytes += " \(program): \(level == .info ? "" : "\(level.rawValue): ")\(Self.printable(message))".utf8
            for (name, value) in fields { bytes += " \(name)=\(Self.printable(value))".utf8 }
        }
        bytes.append(10)
        return bytes
    }

    /// What others wrote must not move a terminal's cursor or forge a line.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || (127..<160).contains($0.value) ? "\u{fffd}" : $0 }))
    }
}
