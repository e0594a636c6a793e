internal import Glibc
internal import JSON
internal import Linux
internal import Messages
package import Parquet

/// A Delta table in a directory (github.com/delta-io/delta, PROTOCOL.md; reader version 1, writer version 2).
///
/// Its log is a file a commit. Who wants to commit makes the next one; where somebody was faster, what he said is read first, and the
/// caller decides what is left to say.
package struct Table: ~Copyable {
    package struct Column: Sendable, Equatable {
        package var name: String
        /// As Delta's schema calls it: `string`, `long`, `integer`, `boolean`, `timestamp`.
        package var type: String
        package init(_ name: String, _ type: String) {
            self.name = name
            self.type = type
        }
    }

    package enum Outcome: Sendable, Equatable {
        case committed(Int64)
        /// Others' actions since, in order: the snapshot has them.
        case lost([Action])
    }

    package let folder: TableFolder
    package private(set) var snapshot = Snapshot()
    private var parser = JSONParser(maximumSize: 16 << 20, maximumItems: 4096)
    private let codec: any Codec

    /// Opens a table to read.
    package init(reading root: String, codec: any Codec) throws(TableError) {
        folder = TableFolder(root)
        self.codec = codec
        try load()
        guard snapshot.version >= 0 else {
            throw TableError(
                folder.exists("") ? "\(root): there is no table (no commit in _delta_log)" : "\(root): there is no such directory")
        }
    }

    private var publisher: Publisher?

    /// Opens a table to write, and makes it where there is none.
    /// - Throws: also where the file system cannot keep two writers apart, and where another program's table lies.
    package init(writing root: String, columns: [Column], partitions: [String], codec: any Codec, now: Int64) throws(TableError) {
        folder = TableFolder(root)
        self.codec = codec
        guard unsafe mkdir(folder.root, 0o750) == 0 || errno == EEXIST else {
            throw TableError("\(root): cannot be made: \(Errno.current)")
        }
        try folder.prepareFolder(of: "_delta_log/")
        try folder.prepareFolder(of: "_delta_log/x")
        publisher = try Publisher(folder)
        try load()
        let schema = Self.schema(columns)
        while snapshot.metadata?.schema != schema {
            if let metadata = snapshot.metadata {
                // A version that knows more columns adds them at the end; one that knows fewer leaves them as they are.
                let known = String(metadata.schema.dropLast(2)), ours = String(schema.dropLast(2))
                guard metadata.partitions == partitions, ours.hasPrefix(known) || known.hasPrefix(ours) else {
                    throw TableError("\(root): holds a table of other columns, which Weir has not made")
                }
                if known.hasPrefix(ours) { break }
            }
            let id = snapshot.metadata?.id ?? Self.identifier()
            let metadata = Action.metadata(id: id, schema: schema, partitions: partitions, created: snapshot.metadata?.created ?? now)
            let first = snapshot.version < 0 ? [Action.format(reader: 1, writer: 2)] : []
            _ = try commit(first + [metadata, .note(operation: "CREATE TABLE", at: now)])
        }
    }

    /// Commits these actions as the next version, or says what others have committed meanwhile.
    package mutating func commit(_ actions: [Action]) throws(TableError) -> Outcome {
        guard let publisher else { preconditionFailure("the table was opened to read") }
        let version = snapshot.version + 1
        let text = actions.reduce(into: [UInt8]()) { $0 += $1.encoded() + [10] }
        if try publisher.publish(Self.name(version), text, in: folder) {
            for action in actions { snapshot.apply(action) }
            snapshot.version = version
            return .committed(version)
        }
        let news = try update()
        guard snapshot.version >= version else {
            throw TableError("\(folder.path(Self.name(version))): is in the way and cannot be read")
        }
        return .lost(news)
    }

    /// Reads what others have committed since.
    package mutating func update() throws(TableError) -> [Action] {
        var news: [Action] = []
        while let bytes = try folder.read(Self.name(snapshot.version + 1)) {
            let actions = try read(bytes, Self.name(snapshot.version + 1))
            for action in actions { snapshot.apply(action) }
            snapshot.version += 1
            try check()
            news += actions
        }
        return news
    }

    /// Writes a checkpoint of this version, so that readers need not read all commits before it; then the commits that it covers and
    /// that nobody has looked at for `keeping` milliseconds go.
    package mutating func checkpoint(now: Int64, keeping: Int64) throws(TableError) {
        snapshot.forget(removedBefore: now - keeping)
        try writeCheckpoint(codec)
        for name in try folder.names(in: "_delta_log") {
            guard let version = Self.version(of: name), version < snapshot.version,
                let modified = folder.modified("_delta_log/\(name)"), modified * 1000 < now - keeping
            else { continue }
            folder.remove("_delta_log/\(name)")
        }
    }

    private mutating func load() throws(TableError) {
        let names = try folder.names(in: "_delta_log")
        let checkpoints = names.filter { $0.hasSuffix(".checkpoint.parquet") }.compactMap { Self.version(of: $0) }.sorted()
        var failure: TableError?
        // The last one, unless it is damaged and all commits are there besides.
        for version in checkpoints.reversed() {
            do throws(TableError) {
                for action in try readCheckpoint(version, codec) { snapshot.apply(action) }
                snapshot.version = version
                break
            } catch {
                failure = failure ?? error
                snapshot = Snapshot()
            }
        }
        if snapshot.version < 0, let failure, !names.contains(Self.name(0).split(separator: "/").last.map(String.init) ?? "") {
            throw failure
        }
        _ = try update()
    }

    private mutating func read(_ bytes: [UInt8], _ name: String) throws(TableError) -> [Action] {
        var actions: [Action] = [], number = 0
        for line in bytes.split(separator: 10, omittingEmptySubsequences: true) {
            number += 1
            do throws(JSONError) {
                let text = Array(line)
                if let action = unsafe try Action.read(text.span.bytes, &parser) { actions.append(action) }
            } catch { throw TableError("\(folder.path(name)): line \(number): \(error)") }
        }
        return actions
    }

    private func check() throws(TableError) {
        guard snapshot.format.reader <= 1, snapshot.format.writer <= 2 else {
            throw TableError(
                "\(folder.root): the table asks for reader version \(snapshot.format.reader) and writer version \(snapshot.format.writer); "
                    + "Weir knows 1 and 2")
        }
    }

    static func name(_ version: Int64) -> String {
        let digits = String(version)
        return "_delta_log/\(String(repeating: "0", count: max(0, 20 - digits.utf8.count)))\(digits).json"
    }

    /// Of a commit or a checkpoint; `nil` for any other file.
    static func version(of name: String) -> Int64? {
        let digits = name.prefix(20)
        guard digits.utf8.count == 20, digits.utf8.allSatisfy({ (48...57).contains($0) }),
            [".json", ".checkpoint.parquet"].contains(String(name.dropFirst(20)))
        else { return nil }
        return Int64(digits)
    }

    private static func schema(_ columns: [Column]) -> String {
        var json = JSONWriter(capacity: 8192)
        json.object { json in
            json.member("type", "struct")
            json.array("fields") { json in
                for column in columns {
                    json.object { json in
                        json.member("name", column.name)
                        json.member("type", column.type)
                        json.member("nullable", true)
                        json.object("metadata") { _ in }
                    }
                }
            }
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// A UUID of version 4 (RFC 9562 section 5.4).
    private static func identifier() -> String {
        let high = UInt64.random(in: 0 ... .max) & ~0xf000 | 0x4000, low = UInt64.random(in: 0 ... .max) >> 2 | 1 << 63
        func digits(_ value: UInt64) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: 16 - text.utf8.count) + text
        }
        let all = Array(digits(high) + digits(low))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(all[$0]) }.joined(separator: "-")
    }
}
