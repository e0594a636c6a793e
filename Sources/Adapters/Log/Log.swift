internal import Glibc
internal import Linux
internal import Messages
internal import Wire

/// Log lines on standard error: for people as text, for collectors as one JSON object a line.
package struct Log: Sendable {
    package enum Format: String, Sendable { case text, json }
    package enum Level: String, Sendable { case info, warning, error }

    private let program: String
    private let format: Format

    package init(program: String, format: Format) {
        self.program = program
        self.format = format
    }

    /// - Parameter fields: names as in OpenTelemetry where it has the thing.
    package func write(_ level: Level, _ message: String, _ fields: [(name: String, value: String)] = []) {
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
        // One write, so that lines of several processes do not mix. A log that nobody reads must not stop the program.
        unsafe _ = Glibc.write(2, bytes, bytes.count)
    }

    /// What others wrote must not move a terminal's cursor or forge a line.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || (127..<160).contains($0.value) ? "\u{fffd}" : $0 }))
    }
}
