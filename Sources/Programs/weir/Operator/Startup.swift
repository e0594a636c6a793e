internal import Arguments
internal import JSON
internal import Linux
internal import Terminal
internal import Wire

/// `weir startup FILE`: where an agent's start-up time went, from what its `--startup-trace` wrote.
func showStartup(_ arguments: Arguments) throws -> CInt {
    let path = arguments.positionals[0]
    guard let text = File.read(path, limit: 1 << 16) else { throw Ending.wrong("\(path): cannot be read: \(Errno.current)") }
    var parser = JSONParser(maximumSize: 4096, maximumItems: 16), steps: [(name: String, took: Int, at: Int)] = []
    for (index, line) in text.split(separator: "\n").enumerated() {
        let bytes = Array(line.utf8)
        do {
            steps.append(try unsafe parser.object(bytes.span.bytes) { step throws(JSONError) in (try step.string("step"), try step.integer("took_us"), try step.integer("at_us")) })
        } catch { throw Ending.wrong("\(path):\(index + 1): \(error); weir-agent --startup-trace writes such a file") }
    }
    guard let last = steps.last else { throw Ending.wrong("\(path): there is no step in it; weir-agent --startup-trace writes such a file") }
    var table = Table([.init("step", minimum: 8), .init("took", .right, minimum: 6), .init("at", .right, minimum: 6), .init("", minimum: 1, weight: 0)])
    for step in steps {
        let length = last.at > 0 ? step.took * 40 / last.at : 0
        table.append([step.name, Figures.latency(.microseconds(step.took)), Figures.latency(.microseconds(step.at)), String(repeating: "█", count: length)])
    }
    for line in table.lines(for: Terminal(of: 1)) { print(line) }
    return 0
}
