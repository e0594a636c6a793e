internal import JSON
internal import Messages

/// A file of the table, as the log tells of it (Delta's protocol, "Add File and Remove File").
package struct TableFile: Sendable, Equatable {
    package var path: String
    /// By the names of the partition columns.
    package var partition: [String: String]
    package var size: Int
    /// Milliseconds since the Unix epoch.
    package var modified: Int64
    /// JSON, as it is in the log.
    package var statistics: String
    /// Only of files that this process has just written; 0 of others.
    var rowCount = 0

    package init(path: String, partition: [String: String], size: Int, modified: Int64, statistics: String, rowCount: Int = 0) {
        self.path = path
        self.partition = partition
        self.size = size
        self.modified = modified
        self.statistics = statistics
        self.rowCount = rowCount
    }
}

/// A line of a commit.
package enum Action: Sendable, Equatable {
    case format(reader: Int, writer: Int)
    case metadata(id: String, schema: String, partitions: [String], created: Int64)
    /// - Parameter isNews: false for what only moves rows from file to file.
    case add(TableFile, isNews: Bool)
    case remove(path: String, at: Int64, isNews: Bool)
    /// A writer's own version, by a name that it chooses.
    case transaction(name: String, version: Int64, at: Int64)
    case note(operation: String, at: Int64)

    package func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 512)
        json.object { json in
            switch self {
            case .format(let reader, let writer):
                json.object("protocol") { json in
                    json.member("minReaderVersion", reader)
                    json.member("minWriterVersion", writer)
                }
            case .metadata(let id, let schema, let partitions, let created):
                json.object("metaData") { json in
                    json.member("id", id)
                    json.object("format") { json in
                        json.member("provider", "parquet")
                        json.object("options") { _ in }
                    }
                    json.member("schemaString", schema)
                    json.member("partitionColumns", partitions)
                    json.object("configuration") { _ in }
                    json.member("createdTime", Int(created))
                }
            case .add(let file, let isNews):
                json.object("add") { json in
                    json.member("path", file.path)
                    json.object("partitionValues") { json in
                        for (name, value) in file.partition.sorted(by: { $0.key < $1.key }) { json.member(name, value) }
                    }
                    json.member("size", file.size)
                    json.member("modificationTime", Int(file.modified))
                    json.member("dataChange", isNews)
                    json.member("stats", file.statistics)
                }
            case .remove(let path, let time, let isNews):
                json.object("remove") { json in
                    json.member("path", path)
                    json.member("deletionTimestamp", Int(time))
                    json.member("dataChange", isNews)
                }
            case .transaction(let name, let version, let time):
                json.object("txn") { json in
                    json.member("appId", name)
                    json.member("version", Int(version))
                    json.member("lastUpdated", Int(time))
                }
            case .note(let operation, let time):
                json.object("commitInfo") { json in
                    json.member("timestamp", Int(time))
                    json.member("operation", operation)
                    json.member("engineInfo", "weir")
                }
            }
        }
        return json.bytes
    }

    /// What a line says; `nil` for what this version does not know and may pass over.
    static func read(_ line: RawSpan, _ parser: inout JSONParser) throws(JSONError) -> Action? {
        try parser.object(line) { object throws(JSONError) -> Action? in
            if let add = try object.optionalObject("add", file) { return add }
            if let remove = try object.optionalObject("remove", removed) { return remove }
            if let transaction = try object.optionalObject("txn", transaction) { return transaction }
            if let metadata = try object.optionalObject("metaData", metadata) { return metadata }
            return try object.optionalObject("protocol") { object throws(JSONError) in
                .format(reader: try object.integer("minReaderVersion"), writer: try object.integer("minWriterVersion"))
            }
        }
    }

    private static func file(_ object: borrowing JSONObject) throws(JSONError) -> Action {
        // What marks rows of a file as deleted is beyond this reader, and the protocol's version says so already.
        guard !object.has("deletionVector") else { throw JSONError("deletionVector", .wrongValue(wanted: "none")) }
        let partition = try object.object("partitionValues") { values throws(JSONError) in
            var partition: [String: String] = [:]
            values.eachString { partition[$0] = $1 }
            return partition
        }
        return .add(
            TableFile(
                path: try path(object), partition: partition, size: try object.integer("size"),
                modified: Int64(try object.integer("modificationTime")), statistics: try object.optionalString("stats") ?? ""),
            isNews: try object.boolean("dataChange"))
    }

    /// Files are read and deleted by it, so it has to stay below the table's folder.
    private static func path(_ object: borrowing JSONObject) throws(JSONError) -> String {
        let path = try object.string("path")
        guard isWithin(path) else { throw JSONError("path", .wrongValue(wanted: "a path below the table's folder")) }
        return path
    }

    static func isWithin(_ path: String) -> Bool {
        !path.isEmpty && !path.utf8.contains(0)
            && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !["", ".", ".."].contains($0) }
    }

    private static func removed(_ object: borrowing JSONObject) throws(JSONError) -> Action {
        .remove(
            path: try path(object), at: Int64(try object.optionalInteger("deletionTimestamp") ?? 0),
            isNews: try object.boolean("dataChange"))
    }

    private static func transaction(_ object: borrowing JSONObject) throws(JSONError) -> Action {
        .transaction(
            name: try object.string("appId"), version: Int64(try object.integer("version")),
            at: Int64(try object.optionalInteger("lastUpdated") ?? 0))
    }

    private static func metadata(_ object: borrowing JSONObject) throws(JSONError) -> Action {
        .metadata(
            id: try object.string("id"), schema: try object.string("schemaString"), partitions: try object.strings("partitionColumns"),
            created: Int64(try object.optionalInteger("createdTime") ?? 0))
    }
}
