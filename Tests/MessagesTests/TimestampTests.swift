import Messages
import Testing
import Units

@Suite struct TimestampTests {
    @Test(
        "Times are written as RFC 3339, with nanoseconds when there are any",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (1, "1970-01-01T00:00:00.000000001Z"), (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (1_795_514_400_123_456_789, "2026-11-24T10:00:00.123456789Z"), (4_107_542_399_000_000_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00Z"), (.max, "2262-04-11T23:47:16.854775807Z"),
            (-1, "1969-12-31T23:59:59.999999999Z")
        ] as [(Int64, String)])
    func written(nanoseconds: Int64, text: String) {
        #expect(Instant(nanoseconds: nanoseconds).rfc3339 == text)
        if nanoseconds >= 0 { #expect(Instant(rfc3339: text)?.nanoseconds == nanoseconds) }
    }

    @Test("Every day until 2262 is read back as itself")
    func everyDay() {
        for day in 0..<106_751 as Range<Int64> {
            let instant = Instant(nanoseconds: day * 86_400_000_000_000 + 1_000_000_007)
            guard Instant(rfc3339: instant.rfc3339) == instant else { Issue.record("day \(day): \(instant.rfc3339)"); return }
        }
    }

    @Test(
        "The other spellings of a time are understood",
        arguments: [
            ("2026-11-24t10:00:00z", "2026-11-24T10:00:00Z"), ("2026-11-24T12:30:00+02:30", "2026-11-24T10:00:00Z"),
            ("2026-11-24T09:00:00-01:00", "2026-11-24T10:00:00Z"),
            ("2026-11-24T10:00:00.5Z", "2026-11-24T10:00:00.500000000Z"),
            ("2026-11-24T10:00:00.1234567891234Z", "2026-11-24T10:00:00.123456789Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"), ("2026-11-24T10:00:00.0Z", "2026-11-24T10:00:00Z")
        ])
    func spellings(text: String, canonical: String) {
        #expect(Instant(rfc3339: text)?.rfc3339 == canonical)
    }

    @Test(
        "What is no time is refused",
        arguments: [
            "", "2026", "2026-11-24", "2026-11-24T10:00:00", "2026-11-24 10:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24T10:60:00Z", "2026-11-24T10:00:61Z",
            "2026-11-24T10:00:00.Z",
            "2026-11-24T10:00:00ZZ", "2026-11-24T10:00:00+2:00", "2026-11-24T10:00:00+24:00", "1969-12-31T23:59:59Z",
            "2262-04-12T00:00:00Z", "9999-01-01T00:00:00Z",
            "+026-11-24T10:00:00Z", "2026-11-24T10:00:00é"
        ])
    func refused(text: String) {
        #expect(Instant(rfc3339: text) == nil)
    }
}
