/// How many bytes: `64K`, `256M`, `2G`, one whole number and one unit, each 1,024 of the last.
package struct ByteCount: Sendable, Equatable {
    package let bytes: Int

    package init(_ bytes: Int) { self.bytes = bytes }

    package init?(_ text: some StringProtocol) {
        let digits = text.utf8.prefix { (48...57).contains($0) }.count
        guard (1...6).contains(digits), let number = Int(text.prefix(digits)), let unit = text.dropFirst(digits).first,
            text.utf8.count == digits + 1, let power = "KMGT".firstIndex(of: unit)
        else { return nil }
        bytes = number << (10 * ("KMGT".distance(from: "KMGT".startIndex, to: power) + 1))
    }

    /// The same spelling, in the largest unit that is exact.
    package var text: String {
        for (unit, shift) in [("T", 40), ("G", 30), ("M", 20)] where bytes > 0 && bytes & ((1 << shift) - 1) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes >> 10)K"
    }
}
