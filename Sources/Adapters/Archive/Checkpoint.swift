internal import JSON
internal import Messages
internal import Parquet

// Checkpoints: a snapshot as one Parquet file, a row an action (Delta's protocol, "Checkpoints").

private let checkpointFields: [Field] = [
    .group("txn", [.value("appId", .text), .value("version", .int64), .value("lastUpdated", .int64)]),
    .group(
        "add",
        [
            .value("path", .text), .map("partitionValues"), .value("size", .int64), .value("modificationTime", .int64),
            .value("dataChange", .boolean), .value("stats", .text)
        ]),
    .group("remove", [.value("path", .text), .value("deletionTimestamp", .int64), .value("dataChange", .boolean)]),
    .group(
        "metaData",
        [
            .value("id", .text), .group("format", [.value("provider", .text), .map("options")]), .value("schemaString", .text),
            .list("partitionColumns"), .map("configuration"), .value("createdTime", .int64)
        ]),
    .group("protocol", [.value("minReaderVersion", .int32), .value("minWriterVersion", .int32)])
]

/// The columns of a checkpoint while they are made: of each leaf its values and levels.
private struct CheckpointColumns {
    private let leaves = Leaf.all(of: checkpointFields)
    private var texts: [TextsBuilder]
    private var integers: [Integers]
    private var levels: [Levels]
    /// By names, of what the row at hand has.
    private var values: [String: Value] = [:]
    private(set) var count = 0

    enum Value {
        case text(String)
        case number(Int64)
        /// Keys and values.
        case map([(String, String)])
        case list([String])
    }

    init() {
        texts = leaves.map { _ in TextsBuilder() }
        integers = leaves.map { _ in Integers() }
        levels = leaves.map { _ in Levels() }
    }

    /// - Parameter values: of a whole group, all its members among them.
    mutating func append(_ values: [String: Value]) {
        for (index, leaf) in leaves.enumerated() {
            let names = leaf.path,
                parent = names.dropLast(names.count > 2 && ["key_value", "list"].contains(names[names.count - 2]) ? 2 : 0)
            switch values[parent.joined(separator: ".")] {
            case nil: put(index, nil, definition: 0)
            case .text(let text): put(index, .text(text), definition: UInt32(leaf.path.count))
            case .number(let number): put(index, .number(number), definition: UInt32(leaf.path.count))
            case .map(let entries):
                // As deep as the map itself, where nothing is in it.
                if entries.isEmpty { put(index, nil, definition: UInt32(parent.count)) }
                let isKey = names.last == "key"
                for (place, entry) in entries.enumerated() {
                    put(
                        index, .text(isKey ? entry.0 : entry.1), definition: UInt32(parent.count + (isKey ? 1 : 2)),
                        repetition: place > 0 ? 1 : 0)
                }
            case .list(let elements):
                if elements.isEmpty { put(index, nil, definition: UInt32(parent.count)) }
                for (place, element) in elements.enumerated() {
                    put(index, .text(element), definition: UInt32(parent.count + 2), repetition: place > 0 ? 1 : 0)
                }
            }
        }
        count += 1
    }

    private mutating func put(_ index: Int, _ value: Value?, definition: UInt32, repetition: UInt32 = 0) {
        levels[index].definition.append(definition)
        levels[index].repetition.append(repetition)
        if leaves[index].kind == .text {
            if case .text(let text) = value { texts[index].append(text) } else { texts[index].append(nil as String?) }
        } else {
            if case .number(let number) = value { integers[index].append(number) } else { integers[index].append(nil) }
        }
    }

    var columns: [(Column, Levels)] {
        leaves.indices.map { index in
            (leaves[index].kind == .text ? .texts(texts[index].texts) : .integers(integers[index]), levels[index])
        }
    }
}

extension Action {
    fileprivate var columns: [String: CheckpointColumns.Value] {
        switch self {
        case .format(let reader, let writer):
            ["protocol.minReaderVersion": .number(Int64(reader)), "protocol.minWriterVersion": .number(Int64(writer))]
        case .metadata(let id, let schema, let partitions, let created):
            [
                "metaData.id": .text(id), "metaData.format.provider": .text("parquet"), "metaData.format.options": .map([]),
                "metaData.schemaString": .text(schema), "metaData.partitionColumns": .list(partitions), "metaData.configuration": .map([]),
                "metaData.createdTime": .number(created)
            ]
        case .add(let file, _):
            [
                "add.path": .text(file.path),
                "add.partitionValues": .map(file.partition.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }),
                "add.size": .number(Int64(file.size)), "add.modificationTime": .number(file.modified), "add.dataChange": .number(0),
                "add.stats": .text(file.statistics)
            ]
        case .remove(let path, let time, _):
            ["remove.path": .text(path), "remove.deletionTimestamp": .number(time), "remove.dataChange": .number(0)]
        case .transaction(let name, let version, let time):
            ["txn.appId": .text(name), "txn.version": .number(version), "txn.lastUpdated": .number(time)]
        case .note: [:]
        }
    }
}

extension Table {
    static func checkpointName(_ version: Int64) -> String { String(name(version).dropLast(5)) + ".checkpoint.parquet" }

    func writeCheckpoint(_ codec: any Codec) throws(TableError) {
        var columns = CheckpointColumns()
        for action in snapshot.actions { columns.append(action.columns) }
        var file = FileWriter(checkpointFields, codec: codec)
        file.append(columns.columns, rowCount: columns.count)
        let bytes = file.finish(), name = Self.checkpointName(snapshot.version)
        try replace(name, bytes)
        var json = JSONWriter(capacity: 128)
        json.object { json in
            json.member("version", Int(snapshot.version))
            json.member("size", columns.count)
            json.member("sizeInBytes", bytes.count)
        }
        try replace("_delta_log/_last_checkpoint", json.bytes)
    }

    /// Whole or not at all; two writers' checkpoints of a version say the same.
    private func replace(_ name: String, _ bytes: [UInt8]) throws(TableError) {
        let draft = "_delta_log/.draft-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        do throws(TableError) {
            try folder.write(draft, bytes)
            try folder.rename(draft, to: name)
        } catch {
            folder.remove(draft)
            throw error
        }
    }

    func readCheckpoint(_ version: Int64, _ codec: any Codec) throws(TableError) -> [Action] {
        let name = Self.checkpointName(version)
        guard let file = try ReadableFile(folder, name) else { throw TableError("\(folder.path(name)): is gone") }
        do throws(ParquetError) {
            let reader = try FileReader(size: file.size, codec: codec, source: file.source)
            var actions: [Action] = []
            for group in reader.footer.groups.indices { actions += try CheckpointRows(reader, group).actions() }
            for case .add(let file, _) in actions where !Action.isWithin(file.path) {
                throw ParquetError("a path in it leads out of the table")
            }
            for case .remove(let path, _, _) in actions where !Action.isWithin(path) {
                throw ParquetError("a path in it leads out of the table")
            }
            return actions
        } catch { throw TableError("\(folder.path(name)): \(error)") }
    }
}

/// A row group of a checkpoint, column by column.
private struct CheckpointRows {
    private let reader: FileReader
    private let group: Int
    private var count: Int { reader.footer.groups[group].rows }

    init(_ reader: FileReader, _ group: Int) {
        self.reader = reader
        self.group = group
    }

    func actions() throws(ParquetError) -> [Action] {
        let format = (try numbers("protocol.minReaderVersion"), try numbers("protocol.minWriterVersion"))
        let id = try texts("metaData.id"), schema = try texts("metaData.schemaString"), created = try numbers("metaData.createdTime")
        let partitions = try lists("metaData.partitionColumns.list.element")
        let transaction = (try texts("txn.appId"), try numbers("txn.version"), try numbers("txn.lastUpdated"))
        let path = try texts("add.path"), size = try numbers("add.size"), modified = try numbers("add.modificationTime")
        let statistics = try texts("add.stats")
        let keys = try lists("add.partitionValues.key_value.key"), values = try lists("add.partitionValues.key_value.value")
        let removed = (try texts("remove.path"), try numbers("remove.deletionTimestamp"))
        var actions: [Action] = []
        for row in 0..<count {
            if let reader = format.0?[row] { actions.append(.format(reader: Int(reader), writer: Int(format.1?[row] ?? 2))) }
            if let id = id?[row] {
                actions.append(.metadata(id: id, schema: schema?[row] ?? "", partitions: partitions[row], created: created?[row] ?? 0))
            }
            if let name = transaction.0?[row] {
                actions.append(.transaction(name: name, version: transaction.1?[row] ?? 0, at: transaction.2?[row] ?? 0))
            }
            if let path = path?[row] {
                let partition = Dictionary(zip(keys[row], values[row])) { first, _ in first }
                actions.append(
                    .add(
                        TableFile(
                            path: path, partition: partition, size: Int(size?[row] ?? 0), modified: modified?[row] ?? 0,
                            statistics: statistics?[row] ?? ""), isNews: false))
            }
            if let path = removed.0?[row] { actions.append(.remove(path: path, at: removed.1?[row] ?? 0, isNews: false)) }
        }
        return actions
    }

    private func texts(_ name: String) throws(ParquetError) -> Texts? {
        guard case .texts(let texts) = try reader.column(name, in: group) else { return nil }
        return texts
    }

    private func numbers(_ name: String) throws(ParquetError) -> Integers? {
        guard case .integers(let integers) = try reader.column(name, in: group) else { return nil }
        return integers
    }

    /// Of each row what its list, or its map's keys or values, hold.
    private func lists(_ name: String) throws(ParquetError) -> [[String]] {
        var rows: [[String]] = []
        if let (column, levels) = try reader.nested(name, in: group), case .texts(let texts) = column {
            for index in levels.repetition.indices {
                if levels.repetition[index] == 0 { rows.append([]) }
                guard !rows.isEmpty else { throw ParquetError("a list in it begins in its middle") }
                if let text = texts[index] { rows[rows.count - 1].append(text) }
            }
            guard rows.count == count else { throw ParquetError("column \(name) has \(rows.count) rows of \(count)") }
        }
        return rows.isEmpty ? [[String]](repeating: [], count: count) : rows
    }
}
