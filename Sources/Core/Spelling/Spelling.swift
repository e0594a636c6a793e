/// What an error line says about a word that is not known, and about words in general.
package enum Spelling {
    /// The allowed word that was probably meant, or `nil` when none is near: at most a third of the letters differ.
    package static func nearest(to word: String, among allowed: some Sequence<String>) -> String? {
        guard word.utf8.count <= 64 else { return nil }
        let limit = max(1, min(4, word.utf8.count / 3))
        var best: (word: String, distance: Int)?
        for candidate in allowed {
            let distance = distance(fold(word), fold(candidate))
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.word
    }

    /// `; did you mean missing_sni?`, or `; there are a, b and c` while they are few: the end of a sentence about an unknown word.
    package static func hint(for word: String, among allowed: [String]) -> String {
        if let near = nearest(to: word, among: allowed) { return "; did you mean \(near)?" }
        if allowed.count > 20 { return "; there are \(allowed.count), such as \(list(Array(allowed.prefix(3))))" }
        return allowed.isEmpty ? "" : "; there \(allowed.count == 1 ? "is" : "are") \(list(allowed))"
    }

    /// `a`, `a and b`, `a, b and c`.
    package static func list(_ words: [String], joined last: String = "and") -> String {
        guard words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " \(last) " + words[words.count - 1]
    }

    /// Foreign text as it may stand in one line: control characters escaped, long text cut.
    package static func quoted(_ text: some StringProtocol, upTo limit: Int = 48) -> String {
        var result = "`"
        var count = 0
        for scalar in text.unicodeScalars {
            guard count < limit else {
                result += "…"
                break
            }
            count += 1
            if isInvisible(scalar) {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result + "`"
    }

    /// Control characters, and those that reorder or hide what a terminal shows.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: true
        default: false
        }
    }

    /// Case, `-` and `_` are what people confuse without noticing.
    private static func fold(_ word: String) -> [UInt8] {
        word.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : (65...90).contains($0) ? $0 + 32 : $0 }
    }

    /// Edits, with a swap of neighbours as one (optimal string alignment).
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [Int](repeating: i, count: b.count + 1)
            for j in 1...b.count {
                row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { row[j] = min(row[j], beforeLast[j - 2] + 1) }
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
