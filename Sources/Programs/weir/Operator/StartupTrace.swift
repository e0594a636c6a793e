internal import Front
internal import JSON
internal import Linux

/// A start as `--startup-trace` wrote it: what was done when, and what each component waited for.
struct StartedProgram {
    struct Span: Equatable {
        let name: String
        /// As the trace's categories: start, phase, component, step.
        let kind: String
        let thread: Int
        let from: Int
        let took: Int
        /// Of the components that it requires the one that ended last.
        let after: String?
        let failed: String?
        /// How many others it lies within, the start itself not counted.
        var depth = 0
        /// What it lies within, from the outside in, and itself: the same in two starts.
        var path = ""
        var isCritical = false

        var to: Int { from + took }
    }

    let program: String
    /// Microseconds from exec to the end of the last.
    let total: Int
    /// In the order of their beginnings; what lies within another behind that.
    private(set) var spans: [Span]

    /// - Throws: one line, with the file's name.
    init(path: String) throws {
        guard let text = File.read(path, limit: Self.longest + 1) else { throw Refusal.wrong("\(path): cannot be read: \(Errno.current)") }
        guard text.utf8.count <= Self.longest else { throw Refusal.wrong("\(path): larger than any start-up trace (1 MiB)") }
        try self.init(text, path)
    }

    private static let longest = 1 << 20

    init(_ text: String, _ path: String) throws {
        func wrong(_ why: String) -> Refusal {
            Refusal.wrong("\(path): \(why); weir-agent and weir-controller write such a file with --startup-trace")
        }
        var parser = JSONParser(maximumSize: Self.longest, maximumItems: 65_536), found: [Span] = [], program = ""
        let bytes = Array(text.utf8)
        do {
            try unsafe parser.object(bytes.span.bytes) { trace throws(JSONError) in
                if trace.has("step") { throw JSONError("traceEvents", .missing) }
                try trace.optionalObject("otherData") { other throws(JSONError) in program = try other.optionalString("program") ?? "" }
                try trace.objects("traceEvents") { event throws(JSONError) in
                    guard try event.string("ph") == "X" else { return }
                    let name = try event.string("name"), thread = try event.integer("tid"), from = try event.integer("ts"),
                        took = try event.integer("dur")
                    let kind = try event.string("cat")
                    let (after, failed) =
                        try event.optionalObject("args") { arguments throws(JSONError) in
                            (try arguments.optionalString("after"), try arguments.optionalString("failed"))
                        } ?? (nil, nil)
                    found.append(Span(name: name, kind: kind, thread: thread, from: from, took: took, after: after, failed: failed))
                }
            }
        } catch {
            // One object a line, as agents of before this format wrote it.
            let isOld = text.split(separator: "\n").count > 1 && text.hasPrefix("{\"step\":")
            throw wrong(isOld ? "a start-up trace of an older agent, which only that one's `weir startup` reads" : "\(error)")
        }
        guard let start = found.first(where: { $0.kind == "start" }) else { throw wrong("no start is in it") }
        self.program = program
        total = start.took
        spans = Self.nested(found.filter { $0.kind != "start" })
        mark()
    }

    /// Components lie in the phase that runs them, though on other threads.
    private static func nested(_ spans: [Span]) -> [Span] {
        let roots = spans.filter { $0.kind == "phase" }.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
        var ordered: [Span] = []
        for root in roots {
            ordered.append(root)
            ordered[ordered.count - 1].path = root.name
            let components = spans.filter { $0.kind == "component" && $0.from >= root.from && $0.to <= root.to }
                .sorted { ($0.from, $0.to) < ($1.from, $1.to) }
            for component in components {
                ordered.append(component)
                ordered[ordered.count - 1].depth = 1
                ordered[ordered.count - 1].path = "\(root.name) / \(component.name)"
                var open: [Span] = []
                let steps = spans.filter {
                    $0.kind == "step" && $0.thread == component.thread && $0.from >= component.from
                        && $0.to <= component.to
                }
                for step in steps.sorted(by: { ($0.from, $1.took) < ($1.from, $0.took) }) {
                    open.removeAll { $0.to <= step.from && !($0.to == step.from && step.took == 0) }
                    var inner = step
                    inner.depth = 2 + open.count
                    inner.path = ([root.name, component.name] + open.map(\.name) + [step.name]).joined(separator: " / ")
                    open.append(inner)
                    ordered.append(inner)
                }
            }
        }
        return ordered
    }

    /// The critical path: of each phase's components the one that ended last, what that waited for, and so on back to one that waited for
    /// nothing.
    private mutating func mark() {
        for root in spans.indices where spans[root].kind == "phase" {
            spans[root].isCritical = true
            let inside = spans.indices.filter { spans[$0].kind == "component" && spans[$0].path.hasPrefix("\(spans[root].name) / ") }
            var next = inside.max { spans[$0].to < spans[$1].to }
            while let index = next, !spans[index].isCritical {
                spans[index].isCritical = true
                next = spans[index].after.flatMap { after in inside.first { spans[$0].name == after } }
            }
        }
    }

    /// What the start waited for, one after the other: phases without components, and the components on the critical path.
    var criticalPath: [Span] {
        spans.filter { span in
            span.isCritical
                && (span.kind == "component"
                    || !spans.contains {
                        $0.kind == "component"
                            && $0.path.hasPrefix("\(span.name) / ")
                    })
        }
    }
}
