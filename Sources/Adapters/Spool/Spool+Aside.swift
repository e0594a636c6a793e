internal import CSQLite

/// What the broker refuses for what it is (too large, invalid), beside what waits: kept for a person to look at, and in nobody's way.
extension Spool {
    /// As many, and as many bytes, are kept; the oldest make room.
    package static let mostAside = 1_000, mostAsideBytes = 16 << 20

    package var asideCount: Int { asideWritten.count + asideFresh.count }

    /// Takes an item out of those that wait. In the file from the next `commit` on.
    /// - Parameter reason: the broker's words.
    /// - Returns: how many others had to make room for it.
    package mutating func setAside(_ item: Item, reason: String) -> Int {
        remove(item.id)
        asideFresh[item.id] = (item, reason)
        var dropped = 0
        // Those that are not in the file yet are the newest: on a full disk there may be nothing else.
        while asideCount > Self.mostAside || asideBytes > Self.mostAsideBytes {
            guard forgetOldest() else { break }
            dropped += 1
        }
        return dropped
    }

    private var asideBytes: Int { asideFresh.values.reduce(asideWritten.bytes) { $0 + $1.item.size } }

    private mutating func forgetOldest() -> Bool {
        if asideWritten.count > 0, let (id, size) = oldestAside, run("DELETE FROM aside WHERE id = \(id)") {
            asideWritten = (asideWritten.count - 1, asideWritten.bytes - size)
            return true
        }
        guard let id = asideFresh.keys.min() else { return false }
        asideFresh[id] = nil
        return true
    }

    private var oldestAside: (id: Int64, size: Int)? {
        guard let statement = unsafe prepared("SELECT id, size FROM aside ORDER BY id LIMIT 1") else { return nil }
        defer { unsafe sqlite3_finalize(statement) }
        guard unsafe sqlite3_step(statement) == SQLITE_ROW else { return nil }
        return unsafe (sqlite3_column_int64(statement, 0), Int(sqlite3_column_int64(statement, 1)))
    }

    /// Within the transaction that takes them out of those that wait.
    func writeAside() -> Bool {
        guard !asideFresh.isEmpty else { return true }
        let words = "INSERT OR REPLACE INTO aside (id, key, headers, value, added, size, reason) VALUES (?, ?, ?, ?, ?, ?, ?)"
        guard let statement = unsafe prepared(words) else { return false }
        defer { unsafe sqlite3_finalize(statement) }
        return asideFresh.values.allSatisfy { item, reason in
            unsafe sqlite3_bind_int64(statement, 1, item.id)
            unsafe sqlite3_bind_int64(statement, 5, item.added)
            unsafe sqlite3_bind_int64(statement, 6, Int64(item.size))
            var reason = reason
            return reason.withUTF8 { reason in
                unsafe bind(statement, 7, reason)
                return unsafe bind(statement, item) { unsafe step(statement) }
            }
        }
    }

    /// All of them, the oldest first, with the broker's words.
    package var aside: [(item: Item, reason: String)] {
        var found: [(item: Item, reason: String)] = []
        if let statement = unsafe prepared("SELECT id, key, headers, value, added, reason FROM aside ORDER BY id") {
            defer { unsafe sqlite3_finalize(statement) }
            while unsafe sqlite3_step(statement) == SQLITE_ROW { found.append(unsafe (Self.item(statement), Self.text(statement, 5))) }
        }
        return found + asideFresh.values.sorted { $0.item.id < $1.item.id }
    }
}
