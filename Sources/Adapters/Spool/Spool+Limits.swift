internal import CSQLite

/// What the limits topic said last, beside the events: so a node that starts limits before it has read the topic, and without a broker too.
extension Spool {
    package struct KeptLimit: Sendable, Equatable {
        package let key: String
        package let value: [UInt8]

        package init(key: String, value: [UInt8]) {
            self.key = key
            self.value = value
        }
    }

    static let limitsTable = "CREATE TABLE IF NOT EXISTS limits (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"

    /// Another one under the same key takes its place. In the file from the next `commit` on.
    package mutating func keep(limit key: String, value: [UInt8]) { limitChanges[key] = .some(value) }

    package mutating func forget(limit key: String) { limitChanges[key] = .some(nil) }

    /// All that are kept in the file, by key.
    package var limits: [KeptLimit] {
        guard let statement = unsafe prepared("SELECT key, value FROM limits ORDER BY key") else { return [] }
        defer { unsafe sqlite3_finalize(statement) }
        var found: [KeptLimit] = []
        while unsafe sqlite3_step(statement) == SQLITE_ROW {
            let key = unsafe sqlite3_column_text(statement, 0).map { unsafe String(cString: $0) } ?? "",
                size = unsafe Int(sqlite3_column_bytes(statement, 1))
            found.append(
                KeptLimit(
                    key: key,
                    value: unsafe sqlite3_column_blob(statement, 1).map { unsafe [UInt8](UnsafeRawBufferPointer(start: $0, count: size)) }
                        ?? []))
        }
        return found
    }

    /// Within a transaction.
    func writeLimits() -> Bool {
        limitChanges.allSatisfy { key, value in
            let words = value == nil ? "DELETE FROM limits WHERE key = ?" : "INSERT OR REPLACE INTO limits (key, value) VALUES (?, ?)"
            guard let statement = unsafe prepared(words) else { return false }
            defer { unsafe sqlite3_finalize(statement) }
            var key = key
            return key.withUTF8 { key in
                // Read before this returns, and unbound by then.
                unsafe bind(statement, 1, key)
                guard let value else { return unsafe step(statement) }
                return unsafe value.withUnsafeBufferPointer { value in
                    unsafe bind(statement, 2, blob: value)
                    return unsafe step(statement)
                }
            }
        }
    }
}
