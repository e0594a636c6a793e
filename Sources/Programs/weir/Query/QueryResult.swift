internal import ArchiveCore
internal import Messages
internal import Terminal
internal import Units

/// The groups of an answer, in the order in which they are shown.
struct QueryResult {
    typealias Group = (key: String, sums: Sums)

    let grouping: ArchiveQuery.Grouping
    let groups: [Group]
    /// Groups that are not shown.
    let leftOut: Int

    /// The groups with the most records; hours in the order of time, the latest ones.
    init(_ tally: Tally, _ grouping: ArchiveQuery.Grouping, top: Int) {
        self.grouping = grouping
        leftOut = max(0, tally.count - top)
        groups = grouping == .hour ? Array(tally.groups.sorted { $0.key < $1.key }.suffix(top)) : tally.largest(top)
    }

    private static func name(_ key: String) -> String { key.isEmpty ? "-" : key }

    func table(_ terminal: Terminal, _ kind: ArchiveKind) -> [String] {
        var table = Table([
            .init(grouping.rawValue, minimum: 8), .init("\(kind.rawValue)s", .right, minimum: 6), .init("hellos", .right, minimum: 6),
            .init("refused", .right, minimum: 7), .init("first", minimum: 20, weight: 0), .init("last", minimum: 20, weight: 0)
        ])
        for group in groups {
            table.append([
                Self.name(group.key), Figures.count(group.sums.records), Figures.count(group.sums.hellos),
                Figures.count(group.sums.refused),
                Self.seconds(group.sums.first), Self.seconds(group.sums.last)
            ])
        }
        guard !groups.isEmpty else { return ["nothing matches"] }
        return table.lines(for: terminal) + (leftOut > 0 ? ["… \(Figures.count(leftOut)) more"] : [])
    }

    private static func seconds(_ microseconds: Int64) -> String { "\(Instant(microseconds: microseconds).rfc3339.prefix(19))Z" }

    /// An object a line: the group, what it comes to, the times of its first and last record.
    var json: [String] {
        groups.map { group in
            var json = JSONWriter(capacity: 256)
            json.object { json in
                json.member("group", group.key.isEmpty ? nil : group.key)
                json.member("records", group.sums.records)
                json.member("hellos", group.sums.hellos)
                json.member("refused", group.sums.refused)
                json.member("first", Instant(microseconds: group.sums.first))
                json.member("last", Instant(microseconds: group.sums.last))
            }
            return String(decoding: json.bytes, as: UTF8.self)
        }
    }

    /// A bar a group, as long as its records are many.
    func bars(_ terminal: Terminal) -> [String] {
        guard let most = groups.map(\.sums.records).max() else { return ["nothing matches"] }
        var table = Table([.init(grouping.rawValue, minimum: 8), .init("", .right, minimum: 6), .init("", minimum: 10, weight: 0)])
        let room = terminal.isTerminal ? max(10, min(60, terminal.columns - 50)) : 60
        for group in groups {
            table.append([Self.name(group.key), Figures.count(group.sums.records), Self.bar(group.sums.records, of: most, room)])
        }
        return Array(table.lines(for: terminal).dropFirst()) + (leftOut > 0 ? ["… \(Figures.count(leftOut)) more"] : [])
    }

    /// In eighths of a character: whoever has one record still has a mark.
    private static func bar(_ count: Int, of most: Int, _ room: Int) -> String {
        let eighths = max(1, count * room * 8 / max(1, most))
        let last = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
        return String(repeating: "█", count: eighths / 8) + last
    }
}
