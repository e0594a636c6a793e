/// The values of one column in memory: rows in order, each of them a value or null.
package enum Column: Sendable, Equatable {
    /// INT32, INT64 and BOOLEAN (0 and 1).
    case integers(Integers)
    /// BYTE_ARRAY.
    case texts(Texts)

    package var count: Int {
        switch self {
        case .integers(let integers): integers.values.count
        case .texts(let texts): texts.codes.count
        }
    }
}

package struct Integers: Sendable, Equatable {
    /// 0 where it is null.
    package private(set) var values: [Int64] = []
    /// By row; empty when no row is null.
    package private(set) var isNull: [Bool] = []

    package init() {}

    package mutating func append(_ value: Int64?) {
        if value == nil || !isNull.isEmpty {
            markNulls()
            isNull.append(value == nil)
        }
        values.append(value ?? 0)
    }

    /// - Parameter isNull: empty when no row is null.
    mutating func append(_ more: [Int64], isNull nulls: [Bool]) {
        if !nulls.isEmpty || !isNull.isEmpty {
            markNulls()
            isNull += nulls.isEmpty ? [Bool](repeating: false, count: more.count) : nulls
        }
        values += more
    }

    private mutating func markNulls() { if isNull.isEmpty { isNull = [Bool](repeating: false, count: values.count) } }

    package mutating func append(_ other: Integers) { append(other.values, isNull: other.isNull) }

    /// Nulls, until there are so many rows.
    package mutating func pad(to count: Int) {
        let missing = count - values.count
        guard missing > 0 else { return }
        append([Int64](repeating: 0, count: missing), isNull: [Bool](repeating: true, count: missing))
    }

    package subscript(row: Int) -> Int64? { isNull.isEmpty || !isNull[row] ? values[row] : nil }
}

/// Texts by their places in a list of different ones. A reader may hold the same text twice there; a builder does not.
package struct Texts: Sendable, Equatable {
    package static let null = UInt32.max

    /// All texts of the list, one behind the other, and where each ends.
    package private(set) var bytes: [UInt8] = []
    package private(set) var ends: [Int] = []
    /// By row.
    package private(set) var codes: [UInt32] = []

    package init() {}

    package func text(_ code: UInt32) -> String { String(decoding: slice(Int(code)), as: UTF8.self) }

    package func slice(_ code: Int) -> ArraySlice<UInt8> { bytes[range(code)] }

    /// Where a text lies in `bytes`.
    package func range(_ code: Int) -> Range<Int> { (code == 0 ? 0 : ends[code - 1])..<ends[code] }

    package subscript(row: Int) -> String? { codes[row] == Self.null ? nil : text(codes[row]) }

    /// Adds to the list, without looking whether it is there.
    mutating func add(_ text: some Collection<UInt8>) -> UInt32 {
        bytes.append(contentsOf: text)
        ends.append(bytes.count)
        return UInt32(ends.count - 1)
    }

    mutating func append(code: UInt32) { codes.append(code) }
    mutating func append(codes more: [UInt32]) { codes += more }
}

/// Makes a column of texts, each once in its list.
package struct TextsBuilder: Sendable {
    package private(set) var texts = Texts()
    private var places: [String: UInt32] = [:]
    /// Mostly a row says what the one before said.
    private var last: (text: String, code: UInt32)?

    package init() {}

    package mutating func append(_ text: String?) { texts.append(code: text.map { code(of: $0) } ?? Texts.null) }

    /// Nulls, until there are so many rows.
    package mutating func pad(to count: Int) {
        let missing = count - texts.codes.count
        if missing > 0 { texts.append(codes: [UInt32](repeating: Texts.null, count: missing)) }
    }

    package mutating func append(_ other: Texts) {
        var codes = [UInt32](repeating: Texts.null, count: other.ends.count)
        for code in other.codes {
            guard code != Texts.null else {
                texts.append(code: code)
                continue
            }
            if codes[Int(code)] == Texts.null { codes[Int(code)] = self.code(of: other.text(code)) }
            texts.append(code: codes[Int(code)])
        }
    }

    private mutating func code(of text: String) -> UInt32 {
        if let last, last.text == text { return last.code }
        let code: UInt32
        if let known = places[text] {
            code = known
        } else {
            code = texts.add(text.utf8)
            places[text] = code
        }
        last = (text, code)
        return code
    }
}
