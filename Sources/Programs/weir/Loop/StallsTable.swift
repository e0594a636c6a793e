internal import Arguments
internal import Glibc
internal import HTTP
internal import JSON
internal import Terminal
internal import Wire

/// `weir stalls`: how long each part of the agent's loop took since its start. What takes a millisecond keeps verdicts waiting as long.
func showStalls(_ arguments: Arguments) throws -> CInt {
    let port = UInt16(arguments.number("port") ?? 9740)
    guard let bytes = fetch(port: port, path: "/status") else { throw AgentStatus.isMissing(port: port) }
    let terminal = Terminal(of: 1)
    var table = Table([.init("part", minimum: 8)] + ["<1 us", "<4", "<16", "<64", "<256", "<1 ms", "<4", "<16", "longer"].map { .init($0, .right, minimum: 5) } + [.init("longest", .right, minimum: 7)])
    var parser = JSONParser(maximumSize: 1 << 20, maximumItems: 4096)
    do {
        try unsafe parser.object(bytes.span.bytes) { status throws(JSONError) in
            try status.objects("loop") { part throws(JSONError) in
                let counts = [
                    try part.integer("under_1us"), try part.integer("under_4us"), try part.integer("under_16us"), try part.integer("under_64us"), try part.integer("under_256us"),
                    try part.integer("under_1ms"), try part.integer("under_4ms"), try part.integer("under_16ms"), try part.integer("longer"),
                ]
                let all = counts.reduce(0, +), longest = try part.integer("longest_ns")
                let style: Style? = all == 0 ? .faint : counts[7] + counts[8] > 0 ? .bad : counts[6] > 0 ? .warning : nil
                table.append([try part.string("part")] + counts.map { shaded($0, of: all) } + [all == 0 ? "-" : Figures.latency(.nanoseconds(longest))], style: style)
            }
        }
    } catch { throw Ending.cannot("the agent on 127.0.0.1:\(port) says nothing of its loop: \(error)") }
    for line in table.lines(for: terminal) { print(line) }
    return 0
}

/// The count, with a block the darker the larger its share.
private func shaded(_ count: Int, of all: Int) -> String {
    guard count > 0 else { return "" }
    let block = count * 2 > all ? "█" : count * 10 > all ? "▓" : count * 100 > all ? "▒" : "░"
    return "\(Figures.count(count)) \(block)"
}
