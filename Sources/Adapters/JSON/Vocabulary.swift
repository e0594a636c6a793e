/// The words of an enumeration, to be found by their bytes: no string is made only to be compared.
struct Vocabulary<Value: Sendable>: Sendable {
    private let words: [(text: [UInt8], value: Value)]

    init(_ values: some Sequence<Value>, _ spelling: (Value) -> String) {
        words = values.map { (Array(spelling($0).utf8), $0) }
    }

    func find(_ text: Span<UInt8>) -> Value? {
        for (word, value) in words where word.count == text.count && Self.equal(word.span, text) { return value }
        return nil
    }

    static func equal(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
        guard one.count == other.count else { return false }
        for index in one.indices where one[index] != other[index] { return false }
        return true
    }
}
