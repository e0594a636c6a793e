import JSON
import Messages
import Testing

@Suite struct MalformedTests {
    private func read(_ text: String) throws -> ThrottleEvent {
        var reader = MessageReader()
        return try reader.throttleEvent(Array(text.utf8).span.bytes)
    }

    private func replaced(_ old: String, _ new: String) throws -> String {
        let parts = Examples.eventText.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
        try #require(parts.count == 2)
        return parts.joined(separator: new)
    }

    @Test(
        "A wrong member is named with what it should be",
        arguments: [
            ("throttle-event/v1", "throttle-event/v2", JSONError("schema", .wrongValue(wanted: "'weir.dev/throttle-event/v1'"))),
            ("\"id\":\"node-a:6f1c2a90:42\"", "\"id\":42", JSONError("id", .wrongType(wanted: "a string"))),
            ("\"id\":\"node-a:6f1c2a90:42\"", "\"id\":\"\"", JSONError("id", .wrongValue(wanted: "a name"))),
            ("2026-11-24T10:00:00.123456789Z", "yesterday", JSONError("time", .wrongValue(wanted: "a time (RFC 3339, 1970 to 2262)"))),
            (
                "2026-11-24T10:00:00.123456789Z", "2500-01-01T00:00:00Z",
                JSONError("time", .wrongValue(wanted: "a time (RFC 3339, 1970 to 2262)"))
            ),
            (
                "\"source.address\":\"203.0.113.7\"", "\"source.address\":\"203.0.113.700\"",
                JSONError("source.address", .wrongValue(wanted: "an address"))
            ),
            ("203.0.113.7/32", "203.0.113.7/33", JSONError("source.prefix", .wrongValue(wanted: "a prefix"))),
            ("203.0.113.7/32", "203.0.113.8/32", JSONError("source.prefix", .wrongValue(wanted: "a prefix of source.address"))),
            ("40123", "65536", JSONError("source.port", .wrongValue(wanted: "between 0 and 65535"))),
            ("40123", "-1", JSONError("source.port", .wrongValue(wanted: "between 0 and 65535"))),
            ("40123", "1e3", JSONError("source.port", .wrongType(wanted: "an integer"))),
            ("40123", "18446744073709551615", JSONError("source.port", .wrongType(wanted: "an integer"))),
            ("[\"missing_sni\"]", "\"missing_sni\"", JSONError("anomalies", .wrongType(wanted: "an array of strings"))),
            ("[\"missing_sni\"]", "[\"missing_sni\",[]]", JSONError("anomalies", .wrongType(wanted: "an array of strings"))),
            ("\"high\"", "\"terrible\"", JSONError("severity", .wrongValue(wanted: "a severity"))),
            ("\"tracked\"", "\"sure\"", JSONError("proof", .wrongValue(wanted: "tracked, socket or unproven"))),
            ("\"action\":\"limited\"", "\"action\":null", JSONError("action", .wrongType(wanted: "a string"))),
            ("\"enforced\":true", "\"enforced\":1", JSONError("limit.enforced", .wrongType(wanted: "true or false"))),
            ("\"per_second\":3", "\"per_second\":-3", JSONError("limit.per_second", .wrongValue(wanted: "between 0 and 1000000"))),
            ("\"seen\":51,", "", JSONError("counts.seen", .missing)),
            ("\"policy\":{", "\"policies\":{", JSONError("policy", .missing)),
            ("\"counts\":{", "\"counts\":[], \"x\":{", JSONError("counts", .wrongType(wanted: "an object")))
        ])
    func members(old: String, new: String, error: JSONError) throws {
        let text = try replaced(old, new)
        #expect(throws: error) { try read(text) }
    }

    @Test(
        "Each member that a reader needs is missed when it is not there",
        arguments: [
            "schema", "id", "time", "node", "direction", "source.address", "source.port", "source.prefix", "destination.address",
            "destination.port", "anomalies", "severity",
            "completeness", "proof", "action", "counts", "enforced_by", "policy", "trace_id"
        ])
    func missing(member: String) throws {
        let text = try replaced("\"\(member)\":", "\"not.\(member)\":")
        #expect(throws: JSONError(member, .missing)) { try read(text) }
    }

    @Test("Unknown members and unknown anomalies are passed over")
    func unknown() throws {
        let text = try replaced("{\"schema\"", "{\"new\":{\"id\":[1,{\"schema\":2}]},\"schema\"")
        #expect(try read(text) == Examples.event())
        #expect(try read(try replaced("[\"missing_sni\"]", "[\"missing_sni\",\"from_the_future\"]")) == Examples.event())
    }

    private static let nests = String(repeating: "[", count: 9)
    private static let deep = "{\"a\":\(nests)\(String(repeating: "]", count: 9))}"
    private static let wide = "{\"a\":[\(String(repeating: "1,", count: 2000))1]}"
    private static let noObjects: [(String, JSONError.Problem)] = [
        ("", .notJSON), ("null", .wrongType(wanted: "an object")), ("[1,2]", .wrongType(wanted: "an object")), ("{", .notJSON),
        ("{}{}", .notJSON),
        ("{\"a\":\"\u{1}\"}", .notJSON), (String(repeating: "[", count: 5000), .notJSON), (deep, .tooBig), (wide, .tooBig)
    ]

    @Test("What is no JSON object is refused", arguments: noObjects)
    func notAnObject(text: String, problem: JSONError.Problem) {
        #expect(throws: JSONError("", problem)) { try read(text) }
    }

    @Test("Bytes that are no UTF-8 are refused")
    func notUTF8() {
        var bytes = Examples.event().encoded()
        bytes[20] = 0xff
        var reader = MessageReader()
        #expect(throws: JSONError("", .notJSON)) { try reader.throttleEvent(bytes.span.bytes) }
    }

    @Test("A release that is no operator's is refused")
    func controllersRelease() {
        var release = Examples.limit().released(at: Examples.limit().until)
        release.origin = .controller
        var reader = MessageReader()
        #expect(throws: JSONError("released", .wrongValue(wanted: "an operator's word"))) { try reader.limit(release.encoded().span.bytes) }
    }

    @Test("Every truncation of a message is refused, none traps")
    func truncated() {
        var reader = MessageReader()
        func refuses(_ bytes: [UInt8], _ read: (inout MessageReader, RawSpan) throws -> Void) -> Bool {
            do { try read(&reader, bytes.span.bytes); return false } catch { return true }
        }
        let event = Examples.event().encoded(), limit = Examples.limit().encoded(), decision = Examples.decision().encoded(),
            status = Examples.status().encoded()
        for length in 0..<event.count { #expect(refuses(Array(event[..<length])) { _ = try $0.throttleEvent($1) }) }
        for length in 0..<limit.count { #expect(refuses(Array(limit[..<length])) { _ = try $0.limit($1) }) }
        for length in 0..<decision.count { #expect(refuses(Array(decision[..<length])) { _ = try $0.scaleDecision($1) }) }
        for length in 0..<status.count { #expect(refuses(Array(status[..<length])) { _ = try $0.nodeStatus($1) }) }
    }

    @Test(
        "A wrong member of a node's report is named with what it should be",
        arguments: [
            ("node-status/v1", "node-status/v2", JSONError("schema", .wrongValue(wanted: "'weir.dev/node-status/v1'"))),
            ("\"node\":\"node-a\"", "\"node\":\"\"", JSONError("node", .wrongValue(wanted: "a name"))),
            ("enforce", "doubt", JSONError("mode", .wrongValue(wanted: "observe or enforce"))),
            ("10.0.0.7", "10.0.0.0/8", JSONError("addresses", .wrongValue(wanted: "addresses"))),
            ("\"next_offset\":42", "\"next_offset\":-1", JSONError("limits.next_offset", .wrongValue(wanted: "0 or more"))),
            ("\"held\":17,", "", JSONError("limits.held", .missing)),
            ("|all", "|some", JSONError("limits.lacks.key", .wrongValue(wanted: "prefix|class"))),
            (
                "allowed", "forbidden",
                JSONError(
                    "limits.lacks.reason",
                    .wrongValue(
                        wanted: "allowed, no_room, not_understood, too_wide, too_long, too_hard, not_limiting, rehearsal, over_budget"))
            )
        ])
    func status(old: String, new: String, error: JSONError) throws {
        let text = Examples.statusText.replacing(old, with: new)
        #expect(text != Examples.statusText)
        var reader = MessageReader()
        #expect(throws: error) { try reader.nodeStatus(Array(text.utf8).span.bytes) }
    }

    @Test("A byte changed anywhere gives a message or an error, never a trap")
    func flipped() {
        var reader = MessageReader()
        let event = Examples.event().encoded()
        var read = 0
        for index in event.indices {
            for bit in 0..<8 {
                var bytes = event
                bytes[index] ^= 1 << bit
                if (try? reader.throttleEvent(bytes.span.bytes)) != nil { read += 1 }
            }
        }
        #expect(read > 0)
    }
}
