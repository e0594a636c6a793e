extension Duration {
    /// `300ms`, `30s`, `5m`, `1h`, `7d`: one whole number and one unit, as policies and options spell time.
    package init?(text: some StringProtocol) {
        let digits = text.utf8.prefix { (48...57).contains($0) }.count
        guard (1...12).contains(digits), let value = Int64(text.prefix(digits)) else { return nil }
        switch text.dropFirst(digits) {
        case "ms": self = .milliseconds(value)
        case "s": self = .seconds(value)
        case "m": self = .seconds(value * 60)
        case "h": self = .seconds(value * 3600)
        case "d": self = .seconds(value * 86_400)
        default: return nil
        }
    }

    /// The same spelling, in the largest unit that is exact; below a millisecond nothing is left of it.
    package var text: String {
        let milliseconds = wholeNanoseconds / 1_000_000
        if milliseconds == 0 { return "0s" }
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] as [(String, Int64)]
        where milliseconds % size == 0 {
            return "\(milliseconds / size)\(unit)"
        }
        return "\(milliseconds)ms"
    }
}
