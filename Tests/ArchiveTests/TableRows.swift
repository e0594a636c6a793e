import Archive
import ArchiveCore
import Parquet

/// Every row of a table, by our own reader.
struct TableRows {
    struct Row {
        let kind: String
        let partition: Int
        let offset: Int64
    }

    var rows: [Row] = []
    /// Those in the folders, whether the table has them or not.
    let files: [String]
    /// How many files the table has.
    let known: Int

    init(_ folder: String) throws {
        let table = try Table(reading: folder, codec: Zstd())
        for path in table.snapshot.files.keys.sorted() {
            guard let file = try ReadableFile(table.folder, path) else { throw TableError("\(path): is gone") }
            let reader = try FileReader(size: file.size, codec: Zstd(), source: file.source)
            for group in reader.footer.groups.indices {
                guard case .texts(let kinds) = try reader.column("kind", in: group),
                    case .integers(let partitions) = try reader.column("log_partition", in: group),
                    case .integers(let offsets) = try reader.column("log_offset", in: group)
                else { throw TableError("\(path): lacks a column") }
                for row in 0..<reader.footer.groups[group].rows {
                    rows.append(Row(kind: kinds[row]!, partition: Int(partitions[row]!), offset: offsets[row]!))
                }
            }
        }
        known = table.snapshot.files.count
        files = try Self.files(table.folder)
    }

    private static func files(_ folder: TableFolder) throws -> [String] {
        var files: [String] = []
        for place in try folder.names(in: "") where place.hasPrefix("place=") {
            for hour in try folder.names(in: place) {
                for name in try folder.names(in: "\(place)/\(hour)") { files.append("\(place)/\(hour)/\(name)") }
            }
        }
        return files
    }
}
