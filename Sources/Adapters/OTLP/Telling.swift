package import Units
internal import Vocabulary

/// What one step of a detection's way took (OpenTelemetry's span). Its id follows from the trace, its name and whose it is:
/// several programs can name each other's, and one that is told again is the same one.
package struct Span: Sendable, Equatable {
    package enum Kind: Int, Sendable { case `internal` = 1, server, client, producer, consumer }

    package var traceID: String
    package var id: String
    package var parent: String?
    package var name: String
    package var kind = Kind.internal
    package var start: Instant
    package var end: Instant
    package var attributes: [Attribute] = []

    package init(_ name: String, of owner: String, traceID: String, parent: String?, from start: Instant, to end: Instant) {
        self.name = name
        self.traceID = traceID
        self.parent = parent
        id = Self.id(name, of: owner, traceID: traceID)
        self.start = start
        // Two clocks, of a node and a broker, may disagree; no span ends before it begins.
        self.end = max(start, end)
    }

    /// Sixteen hexadecimal digits, never all zero (W3C Trace Context): FNV-1a.
    package static func id(_ name: String, of owner: String, traceID: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(traceID)/\(name)/\(owner)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let text = String(max(hash, 1), radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }
}

/// One line under a trace's id (OpenTelemetry's log record).
package struct LogRecord: Sendable, Equatable {
    package enum Severity: Int, Sendable { case info = 9, warning = 13 }

    package var time: Instant
    package var severity = Severity.info
    /// What it is, as `weir.limit`.
    package var event: String
    package var body: String
    package var traceID: String
    package var span: String
    package var attributes: [Attribute] = []

    package init(_ event: String, at time: Instant, _ body: String, traceID: String, span: String) {
        self.event = event
        self.time = time
        self.body = body
        self.traceID = traceID
        self.span = span
    }
}

package struct Attribute: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case text(String)
        case number(Int)
        case texts([String])
    }

    package var name: String
    package var value: Value
    package init(_ name: String, _ value: String) { (self.name, self.value) = (name, .text(value)) }
    package init(_ name: String, _ value: Int) { (self.name, self.value) = (name, .number(value)) }
    package init(_ name: String, _ value: [String]) { (self.name, self.value) = (name, .texts(value)) }
}

/// Who speaks: a program on a node.
package struct Speaker: Sendable, Hashable {
    package var service: String
    package var instance: String
    package init(service: String, instance: String) {
        self.service = service
        self.instance = instance
    }
}

/// What a speaker has to tell.
package enum Telling: Sendable {
    case span(Span, of: Speaker)
    case log(LogRecord, of: Speaker)
}
