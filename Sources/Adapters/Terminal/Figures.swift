internal import Units

/// Figures as people read them.
package enum Figures {
    /// `12,410`.
    package static func count(_ number: some BinaryInteger) -> String {
        let digits = String(number.magnitude)
        var text = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.utf8.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }

    /// `999 B`, `9.8 MB`: powers of a thousand, two digits at least.
    package static func bytes(_ number: Int) -> String { scaled(Double(number), ["B", "kB", "MB", "GB", "TB"]) }

    /// `9m 43s`, `42s`, `1d 2h`: the two largest units, cut.
    package static func duration(_ duration: Duration) -> String {
        let seconds = max(0, duration.wholeNanoseconds / 1_000_000_000)
        for (size, unit, smaller, smallerUnit) in [(86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")]
            as [(Int64, String, Int64, String)] where seconds >= size
        {
            let rest = seconds % size / smaller
            return "\(seconds / size)\(unit)" + (rest == 0 ? "" : " \(rest)\(smallerUnit)")
        }
        return "\(seconds)s"
    }

    /// `34 us`, `1.2 ms`, `0.04 s`: for what is measured.
    package static func latency(_ duration: Duration) -> String {
        let nanoseconds = max(0, duration.wholeNanoseconds)
        if nanoseconds < 1000 { return "\(nanoseconds) ns" }
        if nanoseconds < 1_000_000 { return decimal(Double(nanoseconds) / 1000) + " us" }
        if nanoseconds < 1_000_000_000 { return decimal(Double(nanoseconds) / 1_000_000) + " ms" }
        return decimal(Double(nanoseconds) / 1_000_000_000) + " s"
    }

    /// `00:42`, `1:02:03`.
    package static func clock(_ duration: Duration) -> String {
        let seconds = max(0, duration.wholeNanoseconds / 1_000_000_000)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return (seconds >= 3600 ? "\(seconds / 3600):" : "") + two(seconds / 60 % 60) + ":" + two(seconds % 60)
    }

    private static func scaled(_ value: Double, _ units: [String]) -> String {
        var value = value, unit = 0
        // From 999.5 on it would be rounded to a fourth digit.
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return (unit == 0 ? String(Int(value)) : decimal(value)) + " " + units[unit]
    }

    /// One decimal below ten, none from there on.
    private static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)" : String(Int(value.rounded()))
    }
}
