internal import ArchiveCore
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary

/// The same as an SVG, for a report: no script, no font and no file besides. Of hours a column each, of anything else a row.
func queryPicture(_ result: QueryResult, _ query: ArchiveQuery) -> String {
    let line = 20, most = max(1, result.groups.map(\.sums.records).max() ?? 1)
    var body = "", width = 760, y = 28
    func text(_ x: Int, _ y: Int, _ words: String, _ attributes: String = "") {
        body += "<text x=\"\(x)\" y=\"\(y)\"\(attributes)>\(escapedForXML(words))</text>\n"
    }
    func bar(_ x: Int, _ y: Int, _ width: Int, _ height: Int, _ words: String) {
        body += "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\" fill=\"#bd0026\">"
        body += "<title>\(escapedForXML(words))</title></rect>\n"
    }
    text(12, y, "\(query.kind.rawValue)s by \(result.grouping.rawValue)", " font-weight=\"bold\"")
    text(12, y + line, "from \(query.from.rfc3339.prefix(19))Z until \(query.until.rfc3339.prefix(19))Z", " fill=\"#666\"")
    y += 2 * line
    if result.groups.isEmpty { text(12, y + line, "nothing matches") }
    if result.grouping == .hour {
        let height = 200, column = max(2, min(24, 700 / max(1, result.groups.count)))
        width = max(width, 60 + result.groups.count * column)
        for (index, group) in result.groups.enumerated() {
            let tall = max(1, group.sums.records * height / most)
            bar(30 + index * column, y + height - tall, column - 1, tall, "\(group.key): \(Figures.count(group.sums.records))")
        }
        y += height + line
        text(30, y, result.groups.first?.key ?? "", " fill=\"#666\"")
        text(30 + result.groups.count * column, y, result.groups.last?.key ?? "", " text-anchor=\"end\" fill=\"#666\"")
        text(12, y - height - line, Figures.count(most), " fill=\"#666\"")
    } else {
        for group in result.groups {
            text(270, y + 14, group.key.isEmpty ? "-" : String(group.key.prefix(40)), " text-anchor=\"end\"")
            let long = max(1, group.sums.records * 380 / most)
            bar(280, y + 2, long, line - 5, "\(group.key): \(Figures.count(group.sums.records))")
            text(286 + long, y + 14, Figures.count(group.sums.records))
            y += line
        }
    }
    y += 2 * line
    return """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(y)" viewBox="0 0 \(width) \(y)"
         font-family="sans-serif" font-size="12">
        <rect width="100%" height="100%" fill="#fff"/>
        \(body)</svg>

        """
}
