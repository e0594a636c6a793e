internal import Messages
internal import Terminal
internal import Units

/// The heat maps and the worst turns as an SVG, for a report: no script, no font and no file besides.
func stallsPicture(_ report: StallsReport, byReason: Bool) -> String {
    let cell = (width: 10, height: 14), left = 80, line = 18
    var body = "", y = 28, width = left + 90 * cell.width + 20
    func text(_ x: Int, _ y: Int, _ words: String, _ attributes: String = "") {
        body += "<text x=\"\(x)\" y=\"\(y)\"\(attributes)>\(escapedForXML(words))</text>\n"
    }

    text(12, y, "\(report.node): where its agent's loop spent time, until \(report.time.rfc3339)", " font-weight=\"bold\"")
    for map in HeatMap.maps(report, byReason: byReason, width: 90) {
        width = max(width, left + map.columns * cell.width + 20)
        y += 2 * line
        text(12, y, "\(map.title): a column for each \(map.columnSeconds) s, a row for each duration; the darker, the more often")
        y += 8
        for row in map.rows {
            text(left - 8, y + cell.height - 3, row.label, " text-anchor=\"end\"")
            for (index, count) in row.counts.enumerated() where count > 0 {
                let place = "x=\"\(left + index * cell.width)\" y=\"\(y)\" width=\"\(cell.width - 1)\" height=\"\(cell.height - 1)\""
                body += "<rect \(place) fill=\"\(colour(count, of: map.largest))\">"
                body += "<title>\(escapedForXML("\(row.label): \(Figures.count(count))"))</title></rect>\n"
            }
            y += cell.height
        }
        text(left, y + 12, "\(Figures.duration(.seconds(map.columns * map.columnSeconds))) ago", " fill=\"#666\"")
        text(left + map.columns * cell.width, y + 12, "now", " text-anchor=\"end\" fill=\"#666\"")
        y += 12
    }
    if !report.worst.isEmpty {
        y += 2 * line
        text(12, y, "the longest turns")
        for turn in report.worst {
            y += line
            let parts = turn.parts.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
                .map { "\($0.key) \(Figures.latency(.nanoseconds($0.value)))" }
            let all = parts.isEmpty ? "between the parts" : parts.joined(separator: ", ")
            text(
                12, y,
                "\(turn.ended.rfc3339)  \(Figures.latency(.nanoseconds(turn.took))): \(all); \(Figures.count(turn.records)) records, "
                    + "\(Figures.count(turn.events)) events, \(Figures.count(turn.reports)) reports")
        }
    }
    y += line
    return """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(y)" viewBox="0 0 \(width) \(y)"
         font-family="sans-serif" font-size="12">
        <rect width="100%" height="100%" fill="#fff"/>
        \(body)</svg>

        """
}

/// From a light yellow to a dark red by the order of magnitude.
private func colour(_ count: Int, of largest: Int) -> String {
    let colours = ["#ffe9a8", "#fecc5c", "#fd8d3c", "#f03b20", "#bd0026", "#7a0018"]
    func magnitude(_ number: Int) -> Int { String(number).utf8.count - 1 }
    // Where there is little of anything the scale still begins light.
    return colours[min(magnitude(count) * (colours.count - 1) / max(magnitude(largest), 4), colours.count - 1)]
}

/// As text or attribute of an XML document.
func escapedForXML(_ text: String) -> String {
    text.reduce(into: "") { result, character in
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        default: if !character.unicodeScalars.contains(where: { $0.value < 32 }) { result.append(character) }
        }
    }
}
