/// Where a record of the ring (`struct weir_handshake`, bpf/shared/include/weir/wire.h) has what the history must know of it: 64-bit words
/// in this machine's order. Everything else in it is kept as it is. `HistoryTests` holds this against `Wire`.
package enum RecordLayout {
    package static let size = words * 8
    package static let words = 17
    /// When it was seen, and the first byte of its client's: the ring's clock, nanoseconds.
    package static let seen = 0, first = 1
    package static let anomalies = 2
    /// The stack's hash; 0: none.
    package static let fingerprint = 3
    /// When the limit ends; 0: there is none.
    package static let until = 4
    /// The low 16 bits of this word: how many bytes of the hello follow the record.
    package static let rawLength = 12
}

/// A record's words. In the history their times are those of the wall clock.
package typealias RecordWords = InlineArray<17, UInt64>

/// What a history says, in its order.
package enum HistoryItem {
    /// The first that a segment says.
    case begin(HistoryBegin)
    /// In force from here on.
    case policy(HistoryPolicy)
    /// - `hello`: a number for `HistoryStream.hello`, where a hello of the same stack is known.
    /// - `isOwn`: that hello has the same name and protocols as the record's.
    case record(RecordWords, hello: Int?, isOwn: Bool)
    case gap(HistoryGap)
    /// The agent ended as it should, at that time of the wall clock, nanoseconds.
    case end(Int64)
}

package struct HistoryBegin: Equatable, Sendable {
    package var node: String
    /// Wall clock, nanoseconds.
    package var time: Int64
    /// An agent starts with it; else one goes on with its next file.
    package var isStart: Bool
    package init(node: String, time: Int64, isStart: Bool) { (self.node, self.time, self.isStart) = (node, time, isStart) }
}

package struct HistoryPolicy: Equatable, Sendable {
    package var name: String
    /// As `Policy.version`.
    package var version: String
    package var enforces: Bool
    /// The file's bytes, where they were at hand and are not too many.
    package var text: [UInt8]
    package static let mostText = 64 << 10

    package init(name: String, version: String, enforces: Bool, text: [UInt8]) {
        (self.name, self.version, self.enforces) = (name, version, enforces)
        self.text = text.count <= Self.mostText ? text : []
    }
}

/// Records that are not there.
package struct HistoryGap: Equatable, Sendable {
    package enum Cause: UInt8, Sendable, CaseIterable {
        /// The writer was behind, and the buffer before it full.
        case buffer = 0
        /// The disk did not take them.
        case disk = 1

        package var id: String { self == .buffer ? "buffer_full" : "disk" }
    }

    package var cause: Cause
    package var count: Int
    /// Wall clock, nanoseconds.
    package var from: Int64, to: Int64
    package init(_ cause: Cause, count: Int, from: Int64, to: Int64) {
        (self.cause, self.count, self.from, self.to) = (cause, count, from, to)
    }
}
