internal import ArchiveCore
internal import JSON
internal import Messages
internal import Units

/// What the log says of a file's rows, of it what queries ask about. `nil` where it does not say.
struct FileStatistics: Sendable {
    /// Microseconds since the Unix epoch.
    var times: ClosedRange<Int64>?
    var sources: ClosedRange<Int64>?
}

struct StatisticsReader: ~Copyable {
    private var parser = JSONParser()

    mutating func read(_ text: String) -> FileStatistics {
        // Statistics that cannot be read say nothing: then the file is read.
        (try? unsafe parser.object(text.utf8Span.span.bytes) { object throws(JSONError) in
            let least = try object.object("minValues", Self.values), greatest = try object.object("maxValues", Self.values)
            // Other writers cut times to milliseconds, the greatest too.
            return FileStatistics(
                times: Self.range(least.time, greatest.time.map { $0 + 999 }), sources: Self.range(least.source, greatest.source))
        }) ?? FileStatistics()
    }

    private static func values(_ object: borrowing JSONObject) throws(JSONError) -> (time: Int64?, source: Int64?) {
        let time = try object.optionalString("time").flatMap { Instant(rfc3339: $0) }
        return (time?.microseconds, try object.optionalInteger("source_number").map(Int64.init))
    }

    private static func range(_ least: Int64?, _ greatest: Int64?) -> ClosedRange<Int64>? {
        guard let least, let greatest, least <= greatest else { return nil }
        return least...greatest
    }
}
