internal import CJSON

/// The members of one object, looked up by name. Of two members with one name the first counts that comes after the last one asked for.
@safe package struct JSONObject: ~Copyable {
    private let items: UnsafeBufferPointer<weir_json_item>
    private let hints: UnsafeMutablePointer<Int>
    private let start: Int
    private let end: Int
    private let depth: UInt8

    init(_ items: UnsafeBufferPointer<weir_json_item>, _ hints: UnsafeMutablePointer<Int>, at index: Int) {
        unsafe self.items = items
        unsafe self.hints = hints
        start = index
        end = unsafe Int(items[index].next)
        depth = unsafe items[index].depth
        unsafe hints[Int(depth)] = index + 1
    }

    // Item indices below come from `find` and the loops over what follows it, so they are within the document; texts are good until
    // the parser's next document, which cannot come while this object is lent out.

    package func has(_ name: StaticString) -> Bool { present(name) != nil }

    package func string(_ name: StaticString) throws(JSONError) -> String { try string(at: required(name), name) }

    /// `nil` when it is null or not there.
    package func optionalString(_ name: StaticString) throws(JSONError) -> String? {
        guard let index = present(name) else { return nil }
        return try string(at: index, name)
    }

    package func integer(_ name: StaticString, in range: ClosedRange<Int> = 0 ... .max) throws(JSONError) -> Int {
        try integer(at: required(name), name, range)
    }

    package func optionalInteger(_ name: StaticString, in range: ClosedRange<Int> = 0 ... .max) throws(JSONError) -> Int? {
        guard let index = present(name) else { return nil }
        return try integer(at: index, name, range)
    }

    package func boolean(_ name: StaticString) throws(JSONError) -> Bool {
        let index = try required(name)
        guard unsafe items[index].type == UInt8(WEIR_JSON_BOOL.rawValue) else {
            throw JSONError("\(name)", .wrongType(wanted: "true or false"))
        }
        return unsafe items[index].integer != 0
    }

    package func strings(_ name: StaticString) throws(JSONError) -> [String] {
        var strings: [String] = []
        try unsafe eachString(at: required(name), name) { unsafe strings.append(Self.string($0)) }
        return strings
    }

    /// Empty when it is null or not there.
    package func optionalStrings(_ name: StaticString) throws(JSONError) -> [String] {
        guard let index = present(name) else { return [] }
        var strings: [String] = []
        try unsafe eachString(at: index, name) { unsafe strings.append(Self.string($0)) }
        return strings
    }

    /// Empty when it is null or not there.
    package func optionalIntegers(_ name: StaticString) throws(JSONError) -> [Int] {
        guard let index = present(name) else { return [] }
        guard unsafe items[index].type == UInt8(WEIR_JSON_ARRAY.rawValue) else {
            throw JSONError("\(name)", .wrongType(wanted: "an array of integers"))
        }
        var integers: [Int] = [], next = index + 1
        while unsafe next < Int(items[index].next) {
            integers.append(try integer(at: next, name, 0 ... .max))
            next += 1
        }
        return integers
    }

    /// Each string of an array, in order, where it lies.
    package func eachString(_ name: StaticString, _ body: (Span<UInt8>) -> Void) throws(JSONError) {
        try unsafe eachString(at: required(name), name) { unsafe body(Span(_unsafeElements: $0)) }
    }

    /// Each member that is a string, by a name that only the document knows.
    package func eachString(_ body: (String, String) -> Void) {
        var index = start + 1
        while index < end {
            if unsafe items[index].type == UInt8(WEIR_JSON_STRING.rawValue) {
                let name = unsafe UnsafeRawBufferPointer(start: items[index].key, count: Int(items[index].key_size))
                body(unsafe String(decoding: name, as: UTF8.self), unsafe Self.string(text(at: index)))
            }
            index = unsafe Int(items[index].next)
        }
    }

    /// Errors inside name the whole path.
    package func object<Result>(_ name: StaticString, _ body: (borrowing JSONObject) throws(JSONError) -> Result) throws(JSONError)
        -> Result
    {
        try object(at: required(name), name, body)
    }

    /// `nil` when it is null or not there.
    package func optionalObject<Result>(_ name: StaticString, _ body: (borrowing JSONObject) throws(JSONError) -> Result) throws(JSONError)
        -> Result?
    {
        guard let index = present(name) else { return nil }
        return try object(at: index, name, body)
    }

    /// Each object of an array, in order.
    package func objects(_ name: StaticString, _ body: (borrowing JSONObject) throws(JSONError) -> Void) throws(JSONError) {
        let index = try required(name)
        guard unsafe items[index].type == UInt8(WEIR_JSON_ARRAY.rawValue) else {
            throw JSONError("\(name)", .wrongType(wanted: "an array of objects"))
        }
        var next = index + 1
        while unsafe next < Int(items[index].next) {
            guard unsafe items[next].type == UInt8(WEIR_JSON_OBJECT.rawValue) else {
                throw JSONError("\(name)", .wrongType(wanted: "an array of objects"))
            }
            do { try unsafe body(JSONObject(items, hints, at: next)) } catch { throw error.inside("\(name)") }
            next = unsafe Int(items[next].next)
        }
    }

    /// The member's value as `convert` makes it of a string's bytes, where they lie; `wanted` says in words what it should be.
    package func value<Value>(_ name: StaticString, _ wanted: @autoclosure () -> String, _ convert: (Span<UInt8>) -> Value?)
        throws(JSONError) -> Value
    {
        let text = try unsafe text(at: required(name), name)
        guard let value = unsafe convert(Span(_unsafeElements: text)) else { throw JSONError("\(name)", .wrongValue(wanted: wanted())) }
        return value
    }

    // MARK: At a place

    private func text(at index: Int, _ name: StaticString) throws(JSONError) -> UnsafeBufferPointer<UInt8> {
        guard unsafe items[index].type == UInt8(WEIR_JSON_STRING.rawValue) else {
            throw JSONError("\(name)", .wrongType(wanted: "a string"))
        }
        return unsafe text(at: index)
    }

    private func text(at index: Int) -> UnsafeBufferPointer<UInt8> {
        unsafe UnsafeRawBufferPointer(start: items[index].text, count: Int(items[index].text_size)).assumingMemoryBound(to: UInt8.self)
    }

    private static func string(_ text: UnsafeBufferPointer<UInt8>) -> String { unsafe String(decoding: text, as: UTF8.self) }

    private func string(at index: Int, _ name: StaticString) throws(JSONError) -> String { unsafe Self.string(try text(at: index, name)) }

    private func integer(at index: Int, _ name: StaticString, _ range: ClosedRange<Int>) throws(JSONError) -> Int {
        guard unsafe items[index].type == UInt8(WEIR_JSON_INTEGER.rawValue) else {
            throw JSONError("\(name)", .wrongType(wanted: "an integer"))
        }
        guard let value = unsafe Int(exactly: items[index].integer), range.contains(value) else {
            throw JSONError(
                "\(name)",
                .wrongValue(
                    wanted: range.upperBound == .max ? "\(range.lowerBound) or more" : "between \(range.lowerBound) and \(range.upperBound)"
                ))
        }
        return value
    }

    private func eachString(at index: Int, _ name: StaticString, _ body: (UnsafeBufferPointer<UInt8>) -> Void) throws(JSONError) {
        guard unsafe items[index].type == UInt8(WEIR_JSON_ARRAY.rawValue) else {
            throw JSONError("\(name)", .wrongType(wanted: "an array of strings"))
        }
        var next = index + 1
        while unsafe next < Int(items[index].next) {
            guard unsafe items[next].type == UInt8(WEIR_JSON_STRING.rawValue) else {
                throw JSONError("\(name)", .wrongType(wanted: "an array of strings"))
            }
            unsafe body(text(at: next))
            next += 1
        }
    }

    private func object<Result>(at index: Int, _ name: StaticString, _ body: (borrowing JSONObject) throws(JSONError) -> Result)
        throws(JSONError) -> Result
    {
        guard unsafe items[index].type == UInt8(WEIR_JSON_OBJECT.rawValue) else {
            throw JSONError("\(name)", .wrongType(wanted: "an object"))
        }
        do { return try unsafe body(JSONObject(items, hints, at: index)) } catch { throw error.inside("\(name)") }
    }

    // MARK: Search

    private func required(_ name: StaticString) throws(JSONError) -> Int {
        guard let index = find(name) else { throw JSONError("\(name)", .missing) }
        return index
    }

    private func present(_ name: StaticString) -> Int? {
        guard let index = find(name), unsafe items[index].type != UInt8(WEIR_JSON_NULL.rawValue) else { return nil }
        return index
    }

    /// Members are mostly asked for in the order in which they were written, so the search goes on where the last one ended.
    private func find(_ name: StaticString) -> Int? {
        var hint = unsafe hints[Int(depth)]
        // Another object of this depth may have left its own: what lies within this one, one deeper, is a member of this one.
        if unsafe hint <= start || hint > end || hint < end && items[hint].depth != depth + 1 { hint = start + 1 }
        return search(name, from: hint, to: end) ?? search(name, from: start + 1, to: hint)
    }

    private func search(_ name: StaticString, from first: Int, to last: Int) -> Int? {
        var index = first
        while index < last {
            let next = unsafe Int(items[index].next)
            // The item lives as long as the document; the name for ever.
            if unsafe weir_json_is_named(items.baseAddress! + index, name.utf8Start, name.utf8CodeUnitCount) != 0 {
                unsafe hints[Int(depth)] = next
                return index
            }
            index = next
        }
        return nil
    }
}
