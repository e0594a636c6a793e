internal import Units

// RFC 3339 by arithmetic on the civil calendar: no locale, no time zone database. The two conversions are those of Howard Hinnant's
// "chrono-Compatible Low-Level Date Algorithms".

extension Instant {
    /// `2026-11-24T10:00:00Z`, with nine digits of fraction when there is one.
    package var rfc3339: String {
        var bytes: [UInt8] = []
        appendRFC3339(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    package func appendRFC3339(to bytes: inout [UInt8]) {
        let (second, fraction) = Self.floored(nanoseconds, 1_000_000_000)
        let (day, time) = Self.floored(second, 86_400)
        let date = Self.civil(day: day)
        func append(_ value: Int64, _ digits: Int, _ separator: Unicode.Scalar?) {
            var scale: Int64 = 1
            for _ in 1..<digits { scale *= 10 }
            while scale > 0 {
                bytes.append(48 + UInt8(value / scale % 10))
                scale /= 10
            }
            if let separator { bytes.append(UInt8(truncatingIfNeeded: separator.value)) }
        }
        append(date.year, 4, "-")
        append(date.month, 2, "-")
        append(date.day, 2, "T")
        append(time / 3600, 2, ":")
        append(time / 60 % 60, 2, ":")
        append(time % 60, 2, fraction == 0 ? "Z" : ".")
        if fraction != 0 { append(fraction, 9, "Z") }
    }

    /// `nil` when it is no RFC 3339 time, or not between 1970 and 2262, where the nanoseconds end.
    package init?(rfc3339 text: String) { self.init(rfc3339: text.utf8Span.span) }

    /// The same of bytes, without an allocation: every event has two or three.
    package init?(rfc3339 text: Span<UInt8>) {
        // The shortest that there is; from here on the first twenty bytes are there.
        guard text.count >= 20, let year = Self.number(text, 0, 4), text[4] == 0x2d, let month = Self.number(text, 5, 2), text[7] == 0x2d,
            let day = Self.number(text, 8, 2),
            text[10] | 0x20 == 0x74, let hour = Self.number(text, 11, 2), text[13] == 0x3a, let minute = Self.number(text, 14, 2),
            text[16] == 0x3a, let second = Self.number(text, 17, 2),
            (1970...2262).contains(year), (1...12).contains(month), day >= 1, day <= Self.days(inMonth: month, of: year),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var index = 19, fraction: Int64 = 0
        if text[index] == 0x2e {
            index += 1
            var scale: Int64 = 100_000_000
            while index < text.count, case let digit = text[index] &- 48, digit < 10 {
                fraction += Int64(digit) * scale
                scale /= 10
                index += 1
            }
            guard index > 20, index < text.count else { return nil }
        }
        var offset: Int64 = 0
        if text[index] | 0x20 == 0x7a {
            guard index + 1 == text.count else { return nil }
        } else {
            guard text[index] == 0x2b || text[index] == 0x2d, text.count == index + 6, let hours = Self.number(text, index + 1, 2),
                text[index + 3] == 0x3a,
                let minutes = Self.number(text, index + 4, 2), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 3600 + minutes * 60) * (text[index] == 0x2b ? 1 : -1)
        }
        let seconds = Self.days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowing) = product.addingReportingOverflow(fraction)
        guard !overflow, !overflowing, sum >= 0 else { return nil }
        self.init(nanoseconds: sum)
    }

    /// Exactly so many digits, which the caller knows to be there.
    private static func number(_ text: Span<UInt8>, _ start: Int, _ digits: Int) -> Int64? {
        var value: Int64 = 0
        for index in start..<start + digits {
            let digit = text[index] &- 48
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        return value
    }

    private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01. Years begin in March, so that the leap day is a year's last.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400, yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floored(day + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func floored(_ value: Int64, _ unit: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: unit)
        return remainder < 0 ? (quotient - 1, remainder + unit) : (quotient, remainder)
    }
}
