internal import CSQLite
internal import Glibc
internal import Linux

/// Records for Kafka in a file, from when they are made until the broker has them: an outbox that outlives the process, in SQLite.
///
/// What is added or removed is one transaction until `commit`, so that a process that is killed loses what came since its last one at most.
/// Ids rise and never come again. One process at a time; one thread.
@safe package struct Spool: ~Copyable {
    package struct Item: Sendable, Equatable {
        /// From 1.
        package let id: Int64
        package let key: String
        package let value: [UInt8]
        package let headers: [Header]

        package init(id: Int64, key: String, value: [UInt8], headers: [Header]) {
            self.id = id
            self.key = key
            self.value = value
            self.headers = headers
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

    /// Items that it holds, those that are not committed yet among them.
    package private(set) var count: Int
    /// Of the item added last, in this life or an earlier one; 0 when there was none.
    package private(set) var last: Int64
    private let most: Int
    private var isOpen = false
    private let database: OpaquePointer
    private let insertion: OpaquePointer
    private let removal: OpaquePointer
    private let selection: OpaquePointer

    private static let file = "spool.sqlite3"
    /// What lies in its directory while it is open.
    package static let files = [file, "\(file)-wal", "\(file)-journal", "\(file)-shm"]

    /// - Parameters:
    ///   - directory: made if its parent is there. The file in it is `spool.sqlite3`, which its user alone can read.
    ///   - name: what errors call the directory.
    ///   - most: items that it holds; no more are taken.
    package init(directory: String, named name: String? = nil, most: Int = 100_000) throws(SpoolError) {
        if unsafe mkdir(directory, 0o700) != 0 {
            let error = Errno.current
            guard error.rawValue == EEXIST else { throw SpoolError("\(name ?? directory): cannot be made: \(error)") }
        }
        let path = "\(name ?? directory)/\(Self.file)", database = unsafe try Self.open("\(directory)/\(Self.file)", path)
        let insertion, removal, selection: OpaquePointer, count, last: Int64
        do throws(SpoolError) {
            // Ours alone, so that two agents never send the same; and no shared memory is wanted beside the log.
            unsafe try Self.run(database, path, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304")
            // AUTOINCREMENT, or an id would come again when the table was empty.
            unsafe try Self.run(database, path, "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL); \(Self.limitsTable); COMMIT")
            unsafe insertion = try Self.prepare(database, path, "INSERT INTO events (id, key, headers, value) VALUES (?, ?, ?, ?)")
            unsafe removal = try Self.prepare(database, path, "DELETE FROM events WHERE id = ?")
            unsafe selection = try Self.prepare(database, path, "SELECT id, key, headers, value FROM events WHERE id > ? ORDER BY id LIMIT ?")
            count = unsafe try Self.number(database, path, "SELECT count(*) FROM events")
            last = unsafe try Self.number(database, path, "SELECT max(coalesce((SELECT max(id) FROM events), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0))")
        } catch {
            // Statements that were prepared go with it.
            unsafe sqlite3_close_v2(database)
            throw error
        }
        unsafe (self.database, self.insertion, self.removal, self.selection) = (database, insertion, removal, selection)
        (self.count, self.last, self.most) = (Int(count), last, most)
    }

    private static func open(_ file: String, _ path: String) throws(SpoolError) -> OpaquePointer {
        guard Place.prepare(file) else { throw SpoolError("\(path): cannot be opened: \(Errno.current)") }
        var opened: OpaquePointer?
        let status = unsafe sqlite3_open_v2(file, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, Place.system)
        guard status == SQLITE_OK, let database = unsafe opened else {
            unsafe sqlite3_close(opened)
            throw SpoolError("\(path): cannot be opened: \(unsafe String(cString: sqlite3_errstr(status)))")
        }
        return unsafe database
    }

    deinit {
        if isOpen { unsafe sqlite3_exec(database, "COMMIT", nil, nil, nil) }
        unsafe sqlite3_finalize(insertion)
        unsafe sqlite3_finalize(removal)
        unsafe sqlite3_finalize(selection)
        unsafe sqlite3_close(database)
    }

    /// Keeps one. `nil` when there is no room for it, or the file cannot be written.
    package mutating func add(key: String, headers: [Header], value: [UInt8]) -> Int64? {
        guard count < most, begin() else { return nil }
        // Name and value in turn, each ended by a line feed, which no header of ours has.
        var text = "", key = key
        for header in headers { text += "\(header.name)\n\(header.value)\n" }
        let isDone = key.withUTF8 { key in
            text.withUTF8 { text in
                unsafe value.withUnsafeBufferPointer { value in
                    // Bound in place: they are read before this returns, and unbound by the reset.
                    // By our own count: SQLite's goes back with a transaction that it gives up, and an id that is under way would come again.
                    unsafe sqlite3_bind_int64(insertion, 1, last + 1)
                    unsafe bind(insertion, 2, key)
                    unsafe bind(insertion, 3, text)
                    unsafe sqlite3_bind_blob(insertion, 4, value.baseAddress, Int32(value.count), nil)
                    return unsafe step(insertion)
                }
            }
        }
        guard isDone else { return nil }
        last += 1
        count += 1
        return last
    }

    /// The broker has it.
    package mutating func remove(_ id: Int64) {
        guard begin() else { return }
        unsafe sqlite3_bind_int64(removal, 1, id)
        if unsafe step(removal) { count -= unsafe Int(sqlite3_changes(database)) }
    }

    /// What was added and removed since the last call is kept from now on. False when it could not be: it is tried again with the next, or SQLite has
    /// given it up (a full disk), and then nothing of it has happened.
    @discardableResult
    package mutating func commit() -> Bool {
        guard isOpen else { return true }
        let isKept = unsafe sqlite3_exec(database, "COMMIT", nil, nil, nil) == SQLITE_OK
        isOpen = unsafe sqlite3_get_autocommit(database) == 0
        if !isKept, !isOpen, let known = unsafe try? Self.number(database, "", "SELECT count(*) FROM events") { count = Int(known) }
        return isKept
    }

    /// The next ones after that id, in the order in which they were added.
    package func items(after id: Int64, atMost limit: Int) -> [Item] {
        var items: [Item] = []
        unsafe sqlite3_bind_int64(selection, 1, id)
        unsafe sqlite3_bind_int64(selection, 2, Int64(limit))
        while unsafe sqlite3_step(selection) == SQLITE_ROW {
            let words = text(2).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            let headers = stride(from: 0, to: words.count - 1, by: 2).map { Header(name: words[$0], value: words[$0 + 1]) }
            let size = unsafe Int(sqlite3_column_bytes(selection, 3))
            let value = unsafe sqlite3_column_blob(selection, 3).map { unsafe [UInt8](UnsafeRawBufferPointer(start: $0, count: size)) } ?? []
            items.append(Item(id: unsafe sqlite3_column_int64(selection, 0), key: text(1), value: value, headers: headers))
        }
        unsafe sqlite3_reset(selection)
        return items
    }

    private func text(_ column: Int32) -> String { unsafe sqlite3_column_text(selection, column).map { unsafe String(cString: $0) } ?? "" }

    mutating func begin() -> Bool {
        if !isOpen { isOpen = unsafe sqlite3_exec(database, "BEGIN", nil, nil, nil) == SQLITE_OK }
        return isOpen
    }

    func bind(_ statement: OpaquePointer, _ index: Int32, _ text: UnsafeBufferPointer<UInt8>) {
        // An empty text has no address of its own, and none at all would be NULL.
        unsafe sqlite3_bind_text(statement, index, UnsafeRawPointer(text.baseAddress).map { unsafe $0.assumingMemoryBound(to: CChar.self) }, Int32(text.count), nil)
    }

    func step(_ statement: OpaquePointer) -> Bool {
        defer {
            unsafe sqlite3_reset(statement)
            unsafe sqlite3_clear_bindings(statement)
        }
        return unsafe sqlite3_step(statement) == SQLITE_DONE
    }

    /// Its caller finalises it.
    func prepared(_ words: String) -> OpaquePointer? { unsafe try? Self.prepare(database, "", words) }

    private static func run(_ database: OpaquePointer, _ path: String, _ words: String) throws(SpoolError) {
        guard unsafe sqlite3_exec(database, words, nil, nil, nil) == SQLITE_OK else { throw unsafe failure(database, path) }
    }

    private static func prepare(_ database: OpaquePointer, _ path: String, _ words: String) throws(SpoolError) -> OpaquePointer {
        var statement: OpaquePointer?
        guard unsafe sqlite3_prepare_v3(database, words, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil) == SQLITE_OK, let statement = unsafe statement else { throw unsafe failure(database, path) }
        return unsafe statement
    }

    private static func number(_ database: OpaquePointer, _ path: String, _ words: String) throws(SpoolError) -> Int64 {
        let statement = unsafe try prepare(database, path, words)
        defer { unsafe sqlite3_finalize(statement) }
        guard unsafe sqlite3_step(statement) == SQLITE_ROW else { throw unsafe failure(database, path) }
        return unsafe sqlite3_column_int64(statement, 0)
    }

    private static func failure(_ database: OpaquePointer, _ path: String) -> SpoolError {
        switch unsafe sqlite3_errcode(database) & 0xff {
        case SQLITE_BUSY, SQLITE_LOCKED: SpoolError("\(path): another agent uses it; each needs a directory of its own")
        case SQLITE_NOTADB, SQLITE_CORRUPT: SpoolError("\(path): is damaged, or no spool of Weir's; move it away, and the events in it are lost")
        default: SpoolError("\(path): \(unsafe String(cString: sqlite3_errmsg(database)))")
        }
    }
}
