internal import CJSON

/// Owner of a simdjson parser and of room for one flattened document. Whatever the bytes are, the outcome is a value or a `JSONError`.
@safe package struct JSONParser: ~Copyable {
    private let parser: OpaquePointer
    private let items: UnsafeMutableBufferPointer<weir_json_item>
    private static let maximumDepth: Int32 = 8

    /// - Parameters:
    ///   - maximumSize: bytes of a text.
    ///   - maximumItems: values of a document, nested ones included.
    package init(maximumSize: Int = 1 << 20, maximumItems: Int = 1024) {
        guard let parser = unsafe weir_json_parser_create(maximumSize) else { preconditionFailure("no memory for a JSON parser") }
        unsafe self.parser = parser
        unsafe items = .allocate(capacity: maximumItems)
    }

    deinit {
        unsafe weir_json_parser_destroy(parser)
        unsafe items.deallocate()
    }

    /// Reads one object; what is lent to `body` ends with it.
    package mutating func object<Result>(_ bytes: RawSpan, _ body: (borrowing JSONObject) throws(JSONError) -> Result) throws(JSONError) -> Result {
        // Items and parser are ours alone while this runs (mutating), and the object cannot leave the body.
        let count = unsafe bytes.withUnsafeBytes { bytes in
            unsafe weir_json_parse(parser, bytes.baseAddress, bytes.count, Self.maximumDepth, items.baseAddress, items.count)
        }
        guard count > 0 else { throw JSONError("", count == -2 ? .tooBig : .notJSON) }
        let all = unsafe UnsafeBufferPointer(rebasing: items[..<Int(count)])
        guard unsafe all[0].type == UInt8(WEIR_JSON_OBJECT.rawValue) else { throw JSONError("", .wrongType(wanted: "an object")) }
        return try unsafe body(JSONObject(all, at: 0))
    }
}

/// The members of one object, looked up by name. Of two members with one name the first counts.
@safe package struct JSONObject: ~Copyable {
    private let items: UnsafeBufferPointer<weir_json_item>
    private let start: Int
    private let depth: UInt8
    /// Members are mostly asked for in the order in which they were written, so the search goes on where the last one ended.
    private let cursor = Cursor()

    private final class Cursor { var next = 0 }

    init(_ items: UnsafeBufferPointer<weir_json_item>, at index: Int) {
        unsafe self.items = items
        start = index
        depth = unsafe items[index].depth
        cursor.next = index + 1
    }

    // Item indices below come from `find` and the loops over what follows it, so they are within the document; texts are good until
    // the parser's next document, which cannot come while this object is lent out.

    package func has(_ name: StaticString) -> Bool { find(name).map { unsafe items[$0].type != UInt8(WEIR_JSON_NULL.rawValue) } ?? false }

    package func string(_ name: StaticString) throws(JSONError) -> String {
        let item = unsafe try required(name)
        guard unsafe item.type == UInt8(WEIR_JSON_STRING.rawValue) else { throw JSONError("\(name)", .wrongType(wanted: "a string")) }
        return unsafe Self.text(item)
    }

    /// `nil` when it is null or not there.
    package func optionalString(_ name: StaticString) throws(JSONError) -> String? { has(name) ? try string(name) : nil }

    package func integer(_ name: StaticString, in range: ClosedRange<Int> = 0 ... .max) throws(JSONError) -> Int {
        let item = unsafe try required(name)
        guard unsafe item.type == UInt8(WEIR_JSON_INTEGER.rawValue) else { throw JSONError("\(name)", .wrongType(wanted: "an integer")) }
        guard let value = unsafe Int(exactly: item.integer), range.contains(value) else {
            throw JSONError("\(name)", .wrongValue(wanted: range.upperBound == .max ? "\(range.lowerBound) or more" : "between \(range.lowerBound) and \(range.upperBound)"))
        }
        return value
    }

    package func optionalInteger(_ name: StaticString, in range: ClosedRange<Int> = 0 ... .max) throws(JSONError) -> Int? { has(name) ? try integer(name, in: range) : nil }

    package func boolean(_ name: StaticString) throws(JSONError) -> Bool {
        let item = unsafe try required(name)
        guard unsafe item.type == UInt8(WEIR_JSON_BOOL.rawValue) else { throw JSONError("\(name)", .wrongType(wanted: "true or false")) }
        return unsafe item.integer != 0
    }

    package func strings(_ name: StaticString) throws(JSONError) -> [String] {
        guard let index = find(name) else { throw JSONError("\(name)", .missing) }
        guard unsafe items[index].type == UInt8(WEIR_JSON_ARRAY.rawValue) else { throw JSONError("\(name)", .wrongType(wanted: "an array of strings")) }
        var strings: [String] = [], next = index + 1
        while unsafe next < items.count, unsafe items[next].depth > depth + 1 {
            guard unsafe items[next].type == UInt8(WEIR_JSON_STRING.rawValue) else { throw JSONError("\(name)", .wrongType(wanted: "an array of strings")) }
            unsafe strings.append(Self.text(items[next]))
            next += 1
        }
        return strings
    }

    /// Errors inside name the whole path.
    package func object<Result>(_ name: StaticString, _ body: (borrowing JSONObject) throws(JSONError) -> Result) throws(JSONError) -> Result {
        guard let index = find(name) else { throw JSONError("\(name)", .missing) }
        guard unsafe items[index].type == UInt8(WEIR_JSON_OBJECT.rawValue) else { throw JSONError("\(name)", .wrongType(wanted: "an object")) }
        do { return try unsafe body(JSONObject(items, at: index)) } catch { throw error.inside("\(name)") }
    }

    /// Each object of an array, in order.
    package func objects(_ name: StaticString, _ body: (borrowing JSONObject) throws(JSONError) -> Void) throws(JSONError) {
        guard let index = find(name) else { throw JSONError("\(name)", .missing) }
        guard unsafe items[index].type == UInt8(WEIR_JSON_ARRAY.rawValue) else { throw JSONError("\(name)", .wrongType(wanted: "an array of objects")) }
        var next = index + 1
        while unsafe next < items.count, unsafe items[next].depth > depth + 1 {
            if unsafe items[next].depth == depth + 2 {
                guard unsafe items[next].type == UInt8(WEIR_JSON_OBJECT.rawValue) else { throw JSONError("\(name)", .wrongType(wanted: "an array of objects")) }
                do { try unsafe body(JSONObject(items, at: next)) } catch { throw error.inside("\(name)") }
            }
            next += 1
        }
    }

    /// The member's value as `convert` makes it of a string; `wanted` says in words what it should be.
    package func value<Value>(_ name: StaticString, _ wanted: String, _ convert: (String) -> Value?) throws(JSONError) -> Value {
        guard let value = convert(try string(name)) else { throw JSONError("\(name)", .wrongValue(wanted: wanted)) }
        return value
    }

    private func required(_ name: StaticString) throws(JSONError) -> weir_json_item {
        guard let index = find(name) else { throw JSONError("\(name)", .missing) }
        return unsafe items[index]
    }

    private func find(_ name: StaticString) -> Int? {
        if let index = unsafe search(name, from: cursor.next, to: items.count) { return index }
        return search(name, from: start + 1, to: cursor.next)
    }

    private func search(_ name: StaticString, from first: Int, to last: Int) -> Int? {
        var index = first
        while index < last {
            let item = unsafe items[index]
            guard unsafe item.depth > depth else { return nil }
            if unsafe item.depth == depth + 1, unsafe Int(item.key_size) == name.utf8CodeUnitCount, let key = unsafe item.key,
               unsafe UnsafeRawBufferPointer(start: key, count: name.utf8CodeUnitCount).elementsEqual(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)) {
                cursor.next = index + 1
                return index
            }
            index += 1
        }
        return nil
    }

    private static func text(_ item: weir_json_item) -> String {
        unsafe String(decoding: UnsafeRawBufferPointer(start: item.text, count: Int(item.text_size)), as: UTF8.self)
    }
}
