internal import CSQLite
internal import Glibc
internal import Linux

/// Records for Kafka, from when they are made until the broker has them: an outbox that outlives the process, in SQLite.
///
/// What is added, removed and set aside is in memory until `commit` writes it. So a process that is killed loses what came since the last
/// one at most, what the broker has had meanwhile never touches the disk, and what a full disk does not take is still here to be written
/// later. Ids rise and never come again. One process at a time; one thread.
@safe package struct Spool: ~Copyable {
    package struct Item: Sendable, Equatable {
        /// From 1.
        package let id: Int64
        package let key: String
        package let value: [UInt8]
        package let headers: [Header]
        /// Seconds since the Unix epoch.
        package let added: Int64

        package init(id: Int64, key: String, value: [UInt8], headers: [Header], added: Int64 = 0) {
            self.id = id
            self.key = key
            self.value = value
            self.headers = headers
            self.added = added
        }
    }

    package struct Header: Sendable, Equatable {
        package let name: String
        package let value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Items that are not aside, in the file or not.
    package var count: Int { written + fresh.count - gone.count }
    /// Of the item added last, in this life or an earlier one; 0 when there was none.
    package private(set) var last: Int64
    /// Not in the file yet.
    private var fresh: [Int64: Item] = [:]
    package var freshCount: Int { fresh.count }
    package func isFresh(_ id: Int64) -> Bool { fresh[id] != nil }
    /// What the items that are not in the file take up.
    package private(set) var freshBytes = 0
    /// In the file still.
    private var gone: Set<Int64> = []
    /// In the file, as of the last commit.
    package private(set) var written: Int
    /// Set aside, and not in the file as such yet; `asideWritten` are.
    var asideFresh: [Int64: (item: Item, reason: String)] = [:]
    var asideWritten = (count: 0, bytes: 0)
    /// The limits topic's words since the last commit; `nil` is forgotten.
    var limitChanges: [String: [UInt8]?] = [:]
    private var reserve: Reserve
    let database: OpaquePointer
    private let insertion: OpaquePointer
    private let removal: OpaquePointer
    private let selection: OpaquePointer

    private static let file = "spool.sqlite3"
    /// What lies in its directory while it is open.
    package static let files = [file, "\(file)-wal", "\(file)-journal", "\(file)-shm", Reserve.file]

    /// - Parameters:
    ///   - directory: made if its parent is there. The file in it is `spool.sqlite3`, which its user alone can read.
    ///   - name: what errors call the directory.
    ///   - now: seconds since the Unix epoch; items of a version that did not note their time begin there.
    package init(directory: String, named name: String? = nil, now: Int64 = 0) throws(SpoolError) {
        if unsafe mkdir(directory, 0o700) != 0 {
            let error = Errno.current
            guard error.rawValue == EEXIST else { throw SpoolError("\(name ?? directory): cannot be made: \(error)") }
        }
        let path = "\(name ?? directory)/\(Self.file)", database = unsafe try Self.open("\(directory)/\(Self.file)", path)
        let insertion, removal, selection: OpaquePointer, written, asideCount, asideBytes: Int, last: Int64
        do throws(SpoolError) {
            try unsafe Self.prepareTables(database, path, now: now)
            unsafe insertion = try Self.prepare(
                database, path,
                "INSERT INTO events (id, key, headers, value, added) VALUES (?, ?, ?, ?, ?)")
            unsafe removal = try Self.prepare(database, path, "DELETE FROM events WHERE id = ?")
            unsafe selection = try Self.prepare(
                database, path,
                "SELECT id, key, headers, value, added FROM events WHERE id > ? ORDER BY id LIMIT ?")
            written = Int(unsafe try Self.number(database, path, "SELECT count(*) FROM events"))
            asideCount = Int(unsafe try Self.number(database, path, "SELECT count(*) FROM aside"))
            asideBytes = Int(unsafe try Self.number(database, path, "SELECT coalesce(sum(size), 0) FROM aside"))
            // What went aside had an id as well.
            last = unsafe try Self.number(
                database, path,
                """
                SELECT max(coalesce((SELECT max(id) FROM events), 0), coalesce((SELECT max(id) FROM aside), 0),
                    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0))
                """)
        } catch {
            // Statements that were prepared go with it.
            unsafe sqlite3_close_v2(database)
            throw error
        }
        reserve = Reserve(directory)
        unsafe (self.database, self.insertion, self.removal, self.selection) = (database, insertion, removal, selection)
        (self.written, self.last, asideWritten) = (written, last, (asideCount, asideBytes))
    }

    deinit {
        unsafe sqlite3_finalize(insertion)
        unsafe sqlite3_finalize(removal)
        unsafe sqlite3_finalize(selection)
        unsafe sqlite3_close(database)
    }

    // MARK: Items

    /// Keeps one, in the file from the next `commit` on.
    /// - Parameter now: seconds since the Unix epoch.
    package mutating func add(key: String, headers: [Header], value: [UInt8], at now: Int64 = 0) -> Item {
        last += 1
        let item = Item(id: last, key: key, value: value, headers: headers, added: now)
        fresh[last] = item
        freshBytes += item.size
        return item
    }

    /// The broker has it, or it is given up.
    package mutating func remove(_ id: Int64) {
        if let item = fresh.removeValue(forKey: id) { freshBytes -= item.size } else { gone.insert(id) }
    }

    /// The oldest of those that are not in the file.
    package var oldestFresh: Item? { fresh.keys.min().flatMap { fresh[$0] } }

    /// The next ones after that id, in the order in which they were added.
    package func items(after id: Int64, atMost limit: Int) -> [Item] {
        var found: [Item] = [], place = id
        // What is gone is passed over, however much of it there is.
        while found.count < limit {
            let more = stored(after: place, atMost: limit)
            found += more.filter { !gone.contains($0.id) }
            guard more.count == limit, let end = more.last?.id else { break }
            place = end
        }
        guard !fresh.isEmpty else { return Array(found.prefix(limit)) }
        // What a full disk has not taken may be older than what it took later.
        found += fresh.values.filter { $0.id > id }
        return Array(found.sorted { $0.id < $1.id }.prefix(limit))
    }

    private func stored(after id: Int64, atMost limit: Int) -> [Item] {
        var items: [Item] = []
        unsafe sqlite3_bind_int64(selection, 1, id)
        unsafe sqlite3_bind_int64(selection, 2, Int64(limit))
        while unsafe sqlite3_step(selection) == SQLITE_ROW { items.append(unsafe Self.item(selection)) }
        unsafe sqlite3_reset(selection)
        return items
    }

    /// All that there are, for whoever has to know them once: the key and what each takes up.
    package func eachKey(_ body: (_ key: String, _ size: Int) -> Void) {
        let words = "SELECT key, octet_length(key), octet_length(headers), length(value) FROM events"
        // SQLite has octet_length from 3.43 on; of a blob length() are its bytes in any.
        let older = "SELECT key, length(CAST(key AS BLOB)), length(CAST(headers AS BLOB)), length(value) FROM events"
        guard let statement = unsafe prepared(words) ?? prepared(older) else { return }
        defer { unsafe sqlite3_finalize(statement) }
        while unsafe sqlite3_step(statement) == SQLITE_ROW {
            let bytes = (1...3).reduce(0) { unsafe $0 + Int(sqlite3_column_int64(statement, Int32($1))) }
            body(unsafe Self.text(statement, 0), Item.size(ofPayload: bytes))
        }
        for item in fresh.values { body(item.key, item.size) }
    }

    static func item(_ statement: OpaquePointer) -> Item {
        // Name and value in turn, each ended by a line feed, which no header of ours has.
        let words = unsafe text(statement, 2).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let headers = stride(from: 0, to: words.count - 1, by: 2).map { Header(name: words[$0], value: words[$0 + 1]) }
        let size = unsafe Int(sqlite3_column_bytes(statement, 3))
        let value = unsafe sqlite3_column_blob(statement, 3).map { unsafe [UInt8](UnsafeRawBufferPointer(start: $0, count: size)) } ?? []
        return unsafe Item(
            id: sqlite3_column_int64(statement, 0), key: text(statement, 1), value: value, headers: headers,
            added: sqlite3_column_int64(statement, 4))
    }

    // MARK: The file

    /// Writes what was added, removed and set aside since the last call. False when the disk did not take all of it: the rest is still
    /// here, and is written with the next.
    @discardableResult
    package mutating func commit() -> Bool {
        // What leaves goes first: on a full disk that makes the room for what comes.
        let isNothing = gone.isEmpty && limitChanges.isEmpty && asideFresh.isEmpty && fresh.isEmpty
        guard !isNothing else { return true }
        let isLess = leave(atMost: Self.mostLeavingAtOnce) || makeRoom() && leaveInPieces()
        guard isLess, come() else { return false }
        reserve.take()
        return true
    }

    /// For the last time: nothing is wanted of the disk any more but what is in the file.
    package mutating func close() -> Bool {
        defer { _ = reserve.giveUp() }
        return leaveInPieces() && commit()
    }

    /// The log goes into the file, for which the reserve has the room.
    private mutating func makeRoom() -> Bool {
        _ = reserve.giveUp()
        return unsafe sqlite3_wal_checkpoint_v2(database, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil) == SQLITE_OK
    }

    /// A transaction. Those that leave go together, for neighbours share pages, and no more of them than hold up nobody: the rest leaves
    /// with the next. On a full disk it is less, for the log has to have room for it.
    private static let mostLeavingAtOnce = 2_000, mostAtOnce = 64, mostBytesAtOnce = 128 << 10

    private mutating func leaveInPieces() -> Bool {
        while !gone.isEmpty || !limitChanges.isEmpty || !asideFresh.isEmpty {
            guard leave(atMost: Self.mostAtOnce) else { return false }
        }
        return true
    }

    private mutating func leave(atMost most: Int) -> Bool {
        guard !gone.isEmpty || !limitChanges.isEmpty || !asideFresh.isEmpty else { return true }
        // What goes aside leaves with the same transaction, or it could be in both tables, or in none.
        let asideIDs = gone.filter { asideFresh[$0] != nil }
        let ids = asideIDs + gone.subtracting(asideIDs).sorted().prefix(most)
        guard transaction({ ids.allSatisfy { delete($0) } && writeAside() && writeLimits() }) else { return false }
        written -= ids.count
        gone.subtract(ids)
        asideWritten = (asideWritten.count + asideFresh.count, asideFresh.values.reduce(asideWritten.bytes) { $0 + $1.item.size })
        asideFresh.removeAll()
        limitChanges.removeAll()
        return true
    }

    private mutating func come() -> Bool {
        guard !fresh.isEmpty else { return true }
        var rest = fresh.values.sorted { $0.id < $1.id }[...]
        while !rest.isEmpty {
            var bytes = 0
            let some = rest.prefix(Self.mostAtOnce).prefix { item in
                defer { bytes += item.size }
                return bytes < Self.mostBytesAtOnce
            }
            guard transaction({ some.allSatisfy { insert($0) } }) else { return false }
            written += some.count
            for item in some {
                fresh[item.id] = nil
                freshBytes -= item.size
            }
            rest = rest[some.endIndex...]
        }
        return true
    }

    private func transaction(_ body: () -> Bool) -> Bool {
        guard unsafe sqlite3_exec(database, "BEGIN IMMEDIATE", nil, nil, nil) == SQLITE_OK else { return false }
        if body(), unsafe sqlite3_exec(database, "COMMIT", nil, nil, nil) == SQLITE_OK { return true }
        // SQLite may have given it up already.
        if unsafe sqlite3_get_autocommit(database) == 0 { unsafe sqlite3_exec(database, "ROLLBACK", nil, nil, nil) }
        return false
    }

    private func insert(_ item: Item) -> Bool {
        unsafe sqlite3_bind_int64(insertion, 1, item.id)
        unsafe sqlite3_bind_int64(insertion, 5, item.added)
        return unsafe bind(insertion, item) { unsafe step(insertion) }
    }

    private func delete(_ id: Int64) -> Bool {
        unsafe sqlite3_bind_int64(removal, 1, id)
        return unsafe step(removal)
    }
}
