internal import Messages
package import Parquet
internal import Units

/// A file of the table, made of rows of one partition of the table.
package struct ArchiveFile: Sendable {
    package let bytes: [UInt8]
    package let rowCount: Int
    /// As Delta's log has them (`stats`): how many rows, and the extremes of some columns.
    package let statistics: String

    /// Rows of a group: what lies in one is read together, so smaller ones are told apart better and compress worse.
    package static let groupRows = 65_536

    /// - Parameter order: the rows to write, in this order.
    package init(_ columns: [Column], order: [Int], codec: any Codec) {
        var file = FileWriter(ArchiveSchema.fields, codec: codec), start = 0
        repeat {
            let end = min(start + Self.groupRows, order.count)
            file.append(columns, rows: Array(order[start..<end]))
            start = end
        } while start < order.count
        statistics = Self.statistics(file.statistics, order.count)
        rowCount = order.count
        bytes = file.finish()
    }

    /// Texts whose extremes are kept; longer ones would only make the log longer.
    private static let longestText = 32
    private static let columns: [ArchiveColumn] = [
        .kind, .time, .appended, .partition, .offset, .node, .sourceNumber, .destinationPort, .severity, .workload
    ]

    private static func statistics(_ statistics: [Statistics], _ rows: Int) -> String {
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("numRecords", rows)
            for (name, isLeast) in [("minValues", true), ("maxValues", false)] {
                json.object(name) { json in
                    for column in columns { write(column, statistics[column.rawValue], isLeast, &json) }
                }
            }
            json.object("nullCount") { json in
                for column in columns { json.member(column.name, statistics[column.rawValue].nulls) }
            }
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }

    private static func write(_ column: ArchiveColumn, _ statistics: Statistics, _ isLeast: Bool, _ json: inout JSONWriter) {
        switch statistics.bounds {
        case .none: break
        case .integers(let least, let greatest):
            let value = isLeast ? least : greatest
            if column.type == .timestamp {
                json.member(column.name, Instant(microseconds: value).rfc3339)
            } else {
                json.member(column.name, Int(value))
            }
        case .texts(let least, let greatest):
            let text = isLeast ? least : greatest
            if max(least.count, greatest.count) <= longestText { json.member(column.name, String(decoding: text, as: UTF8.self)) }
        }
    }
}
