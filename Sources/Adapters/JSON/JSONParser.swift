internal import CJSON

/// Owner of a simdjson parser and of room for one flattened document. Whatever the bytes are, the outcome is a value or a `JSONError`.
@safe package struct JSONParser: ~Copyable {
    private let parser: OpaquePointer
    private let items: UnsafeMutableBufferPointer<weir_json_item>
    /// By depth, where the search for an object's next member goes on.
    private let hints: UnsafeMutablePointer<Int>
    private static let maximumDepth: Int32 = 8

    /// - Parameters:
    ///   - maximumSize: bytes of a text.
    ///   - maximumItems: values of a document, nested ones included.
    package init(maximumSize: Int = 1 << 20, maximumItems: Int = 1024) {
        guard let parser = unsafe weir_json_parser_create(maximumSize) else { preconditionFailure("no memory for a JSON parser") }
        unsafe self.parser = parser
        unsafe items = .allocate(capacity: maximumItems)
        unsafe hints = .allocate(capacity: Int(Self.maximumDepth) + 1)
        unsafe hints.initialize(repeating: 0, count: Int(Self.maximumDepth) + 1)
    }

    deinit {
        unsafe weir_json_parser_destroy(parser)
        unsafe items.deallocate()
        unsafe hints.deallocate()
    }

    /// Reads one object; what is lent to `body` ends with it.
    package mutating func object<Result>(_ bytes: RawSpan, _ body: (borrowing JSONObject) throws(JSONError) -> Result) throws(JSONError)
        -> Result
    {
        // Items, hints and parser are ours alone while this runs (mutating), and the object cannot leave the body.
        let count = unsafe bytes.withUnsafeBytes { bytes in
            unsafe weir_json_parse(parser, bytes.baseAddress, bytes.count, Self.maximumDepth, items.baseAddress, items.count)
        }
        guard count > 0 else { throw JSONError("", count == -2 ? .tooBig : .notJSON) }
        let all = unsafe UnsafeBufferPointer(rebasing: items[..<Int(count)])
        guard unsafe all[0].type == UInt8(WEIR_JSON_OBJECT.rawValue) else { throw JSONError("", .wrongType(wanted: "an object")) }
        return try unsafe body(JSONObject(all, hints, at: 0))
    }
}
