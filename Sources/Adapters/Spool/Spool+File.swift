internal import CSQLite
internal import Linux

extension Spool.Item {
    /// What it takes up in the file, as near as matters: whole pages where it needs more than one, or its share of a page.
    package var size: Int {
        let headers = headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 2 }
        return Self.size(ofPayload: key.utf8.count + headers + value.count)
    }

    /// - Parameter bytes: key, headers and value.
    static func size(ofPayload bytes: Int) -> Int {
        // SQLite's file format, section 1.6: a page of 4,096 has 8 bytes of its own; a cell its id, its lengths, and a place in the page.
        let page = 4_096, cell = bytes + 28
        return cell <= page - 8 ? page / ((page - 8) / cell) : (cell + page - 1) / (page - 4) * page
    }
}

extension Spool {
    static func open(_ file: String, _ path: String) throws(SpoolError) -> OpaquePointer {
        guard Place.prepare(file) else { throw SpoolError("\(path): cannot be opened: \(Errno.current)") }
        var opened: OpaquePointer?
        let status = unsafe sqlite3_open_v2(file, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, Place.system)
        guard status == SQLITE_OK, let database = unsafe opened else {
            unsafe sqlite3_close(opened)
            throw SpoolError("\(path): cannot be opened: \(unsafe String(cString: sqlite3_errstr(status)))")
        }
        return unsafe database
    }

    /// Of a spool that knows when its items came, and what is aside.
    private static let version: Int64 = 1

    static func prepareTables(_ database: OpaquePointer, _ path: String, now: Int64) throws(SpoolError) {
        // Ours alone, so that two agents never send the same; and no shared memory is wanted beside the log.
        unsafe try run(
            database, path,
            """
            PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
            PRAGMA journal_size_limit = 4194304
            """)
        let found = unsafe try number(database, path, "PRAGMA user_version")
        guard found <= version else { throw SpoolError("\(path): a newer version of Weir has written it") }
        // AUTOINCREMENT, or an id would come again when the table was empty.
        unsafe try run(
            database, path,
            """
            BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL,
            headers TEXT NOT NULL, value BLOB NOT NULL); \(limitsTable)
            """)
        if found < version {
            unsafe try run(
                database, path,
                """
                ALTER TABLE events ADD COLUMN added INTEGER NOT NULL DEFAULT 0; UPDATE events SET added = \(now);
                CREATE TABLE aside (id INTEGER PRIMARY KEY, key TEXT NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL,
                added INTEGER NOT NULL, size INTEGER NOT NULL, reason TEXT NOT NULL); PRAGMA user_version = \(version)
                """)
        }
        unsafe try run(database, path, "COMMIT")
    }

    /// Binds key, headers and value as parameters 2 to 4, runs `body` and unbinds them.
    func bind(_ statement: OpaquePointer, _ item: Item, _ body: () -> Bool) -> Bool {
        var text = "", key = item.key
        for header in item.headers { text += "\(header.name)\n\(header.value)\n" }
        return key.withUTF8 { key in
            text.withUTF8 { text in
                unsafe item.value.withUnsafeBufferPointer { value in
                    // Bound in place: they are read before this returns, and unbound by the step.
                    unsafe bind(statement, 2, key)
                    unsafe bind(statement, 3, text)
                    unsafe bind(statement, 4, blob: value)
                    return body()
                }
            }
        }
    }

    func bind(_ statement: OpaquePointer, _ index: Int32, _ text: UnsafeBufferPointer<UInt8>) {
        // An empty text has no address of its own, and none at all would be NULL.
        guard let start = text.baseAddress else { return _ = unsafe sqlite3_bind_text(statement, index, "", 0, nil) }
        let characters = unsafe UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self)
        unsafe sqlite3_bind_text(statement, index, characters, Int32(text.count), nil)
    }

    func bind(_ statement: OpaquePointer, _ index: Int32, blob: UnsafeBufferPointer<UInt8>) {
        guard let start = blob.baseAddress else { return _ = unsafe sqlite3_bind_zeroblob(statement, index, 0) }
        unsafe sqlite3_bind_blob(statement, index, start, Int32(blob.count), nil)
    }

    /// Leaves the statement as it was before its parameters were bound.
    func step(_ statement: OpaquePointer) -> Bool {
        defer {
            unsafe sqlite3_reset(statement)
            unsafe sqlite3_clear_bindings(statement)
        }
        return unsafe sqlite3_step(statement) == SQLITE_DONE
    }

    static func text(_ statement: OpaquePointer, _ column: Int32) -> String {
        unsafe sqlite3_column_text(statement, column).map { unsafe String(cString: $0) } ?? ""
    }

    /// Its caller finalises it.
    func prepared(_ words: String) -> OpaquePointer? { unsafe try? Self.prepare(database, "", words) }

    func run(_ words: String) -> Bool { unsafe sqlite3_exec(database, words, nil, nil, nil) == SQLITE_OK }

    private static func run(_ database: OpaquePointer, _ path: String, _ words: String) throws(SpoolError) {
        guard unsafe sqlite3_exec(database, words, nil, nil, nil) == SQLITE_OK else { throw unsafe failure(database, path) }
    }

    static func prepare(_ database: OpaquePointer, _ path: String, _ words: String) throws(SpoolError) -> OpaquePointer {
        var statement: OpaquePointer?
        guard unsafe sqlite3_prepare_v3(database, words, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil) == SQLITE_OK,
            let statement = unsafe statement
        else { throw unsafe failure(database, path) }
        return unsafe statement
    }

    static func number(_ database: OpaquePointer, _ path: String, _ words: String) throws(SpoolError) -> Int64 {
        let statement = unsafe try prepare(database, path, words)
        defer { unsafe sqlite3_finalize(statement) }
        guard unsafe sqlite3_step(statement) == SQLITE_ROW else { throw unsafe failure(database, path) }
        return unsafe sqlite3_column_int64(statement, 0)
    }

    private static func failure(_ database: OpaquePointer, _ path: String) -> SpoolError {
        switch unsafe sqlite3_errcode(database) & 0xff {
        case SQLITE_BUSY, SQLITE_LOCKED: SpoolError("\(path): another agent uses it; each needs a directory of its own")
        case SQLITE_NOTADB, SQLITE_CORRUPT:
            SpoolError("\(path): is damaged, or no spool of Weir's; move it away, and the events in it are lost")
        default: SpoolError("\(path): \(unsafe String(cString: sqlite3_errmsg(database)))")
        }
    }
}
