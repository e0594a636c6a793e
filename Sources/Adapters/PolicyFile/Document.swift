internal import CYAML
internal import Spelling

/// Reads one YAML document through libyaml's events, which show an alias before anything expands it.
@safe struct Document: ~Copyable {
    static let depthLimit = 16
    /// A megabyte of `a,` would otherwise take fifty times its size.
    static let nodeLimit = 20_000

    // libyaml keeps pointers into its parser, so the parser must not move.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let file: String
    private var nodeCount = 0

    /// The tree of `bytes`, which must be a single document without aliases, anchors or tags.
    static func read(_ bytes: [UInt8], file: String) throws(PolicyError) -> Node {
        var document = Document(file: file)
        // withUnsafeBufferPointer cannot throw a typed error through, so the result crosses as a value.
        let result: Result<Node, PolicyError> = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe yaml_parser_set_input_string(document.parser, input.baseAddress, input.count)
            do throws(PolicyError) { return .success(try document.root()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private init(file: String) {
        self.file = file
        unsafe parser = .allocate(capacity: 1)
        guard unsafe yaml_parser_initialize(parser) == 1 else { fatalError("no memory for a YAML parser") }
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
    }

    private mutating func root() throws(PolicyError) -> Node {
        _ = try next()
        let start = try next()
        guard start.kind == YAML_DOCUMENT_START_EVENT else {
            throw error(nil, "the file is empty; a policy starts with `apiVersion: weir.dev/v1alpha1`")
        }
        let root = try node(from: try next(), depth: 0)
        _ = try next()
        let after = try next()
        guard after.kind == YAML_STREAM_END_EVENT else { throw error(after.mark, "a second document starts here; a file holds one policy") }
        return root
    }

    private mutating func node(from event: Event, depth: Int) throws(PolicyError) -> Node {
        nodeCount += 1
        guard nodeCount <= Self.nodeLimit else { throw error(event.mark, "more than \(Self.nodeLimit) values; a policy has a few hundred") }
        guard depth < Self.depthLimit else { throw error(event.mark, "nested deeper than \(Self.depthLimit) levels") }
        if event.kind == YAML_ALIAS_EVENT { throw error(event.mark, "aliases are refused; write the value out") }
        if event.hasAnchor { throw error(event.mark, "anchors are refused; write the value out where it is needed") }
        if event.hasTag { throw error(event.mark, "tags are refused; a policy's fields have their types already") }
        switch event.kind {
        case YAML_SEQUENCE_START_EVENT:
            var elements: [Node] = []
            while true {
                let element = try next()
                if element.kind == YAML_SEQUENCE_END_EVENT { break }
                elements.append(try node(from: element, depth: depth + 1))
            }
            return Node(mark: event.mark, value: .sequence(elements))
        case YAML_MAPPING_START_EVENT:
            var entries: [Node.Entry] = []
            while true {
                let event = try next()
                if event.kind == YAML_MAPPING_END_EVENT { break }
                let key = try node(from: event, depth: depth + 1)
                guard case .scalar(let name, _) = key.value else { throw error(key.mark, "a field's name is a word, not \(key.summary)") }
                entries.append(Node.Entry(key: name, mark: key.mark, value: try node(from: try next(), depth: depth + 1)))
            }
            return Node(mark: event.mark, value: .mapping(entries))
        default:
            return Node(mark: event.mark, value: .scalar(event.text, isPlain: event.isPlain))
        }
    }

    /// What is needed of libyaml's event, copied out so that it can be freed at once.
    private struct Event {
        var kind: yaml_event_type_t
        var mark: Node.Mark
        var text = ""
        var isPlain = false
        var hasAnchor = false
        var hasTag = false
    }

    private func next() throws(PolicyError) -> Event {
        var raw = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &raw) == 1 else { throw syntaxError() }
        defer { unsafe yaml_event_delete(&raw) }
        var event = unsafe Event(kind: raw.type, mark: Node.Mark(raw.start_mark))
        // The union's member is the one that the type names.
        switch event.kind {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe raw.data.scalar
            event.text = unsafe String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            event.isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
            event.hasAnchor = unsafe scalar.anchor != nil
            event.hasTag = unsafe scalar.tag != nil
        case YAML_SEQUENCE_START_EVENT:
            event.hasAnchor = unsafe raw.data.sequence_start.anchor != nil
            event.hasTag = unsafe raw.data.sequence_start.tag != nil
        case YAML_MAPPING_START_EVENT:
            event.hasAnchor = unsafe raw.data.mapping_start.anchor != nil
            event.hasTag = unsafe raw.data.mapping_start.tag != nil
        default: break
        }
        return event
    }

    private func syntaxError() -> PolicyError {
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "out of memory"
        let context = unsafe parser.pointee.context.map { unsafe " (" + String(cString: $0) + ")" } ?? ""
        // The reader stumbles over bytes, before there are lines to count.
        if unsafe parser.pointee.error == YAML_READER_ERROR {
            return error(nil, "not UTF-8 text: \(problem) at byte \(unsafe parser.pointee.problem_offset)")
        }
        return error(Node.Mark(unsafe parser.pointee.problem_mark), "not YAML: \(problem)\(context)")
    }

    private func error(_ mark: Node.Mark?, _ message: String) -> PolicyError {
        PolicyError(file: file, mark: mark, path: "", message: message)
    }
}

extension Node.Mark {
    fileprivate init(_ mark: yaml_mark_t) { self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1) }
}
