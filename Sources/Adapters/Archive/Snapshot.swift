internal import JSON

/// A table as it was after one of its commits.
package struct Snapshot: Sendable {
    /// -1 before the first commit.
    package internal(set) var version: Int64 = -1
    package private(set) var files: [String: TableFile] = [:]
    /// Files that are no longer the table's, and when they ceased to be: readers of an earlier version may still need them.
    package private(set) var removed: [String: Int64] = [:]
    package private(set) var transactions: [String: (version: Int64, at: Int64)] = [:]
    package private(set) var metadata: (id: String, schema: String, partitions: [String], created: Int64)?
    private(set) var format = (reader: 1, writer: 2)

    /// Tombstones of files that have been deleted long ago say nothing any more.
    mutating func forget(removedBefore time: Int64) { removed = removed.filter { $0.value >= time } }

    mutating func apply(_ action: Action) {
        switch action {
        case .format(let reader, let writer): format = (reader, writer)
        case .metadata(let id, let schema, let partitions, let created): metadata = (id, schema, partitions, created)
        case .add(let file, _):
            files[file.path] = file
            removed[file.path] = nil
        case .remove(let path, let time, _):
            files[path] = nil
            removed[path] = time
        case .transaction(let name, let version, let time): transactions[name] = (version, time)
        case .note: break
        }
    }

    /// What would make the same table from nothing.
    var actions: [Action] {
        var actions: [Action] = [.format(reader: format.reader, writer: format.writer)]
        if let metadata {
            actions.append(
                .metadata(id: metadata.id, schema: metadata.schema, partitions: metadata.partitions, created: metadata.created))
        }
        actions += transactions.sorted { $0.key < $1.key }.map { .transaction(name: $0.key, version: $0.value.version, at: $0.value.at) }
        actions += files.values.sorted { $0.path < $1.path }.map { .add($0, isNews: false) }
        actions += removed.sorted { $0.key < $1.key }.map { .remove(path: $0.key, at: $0.value, isNews: false) }
        return actions
    }
}
