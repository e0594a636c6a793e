import Glibc
import Spool
import Testing

@Suite struct SpoolTests {
    private let directory: String

    init() throws {
        var name = Array("/tmp/weir-spool-XXXXXX".utf8CString)
        _ = try #require(mkdtemp(&name))
        directory = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func clean() { for name in Spool.files + [""] { remove("\(directory)/\(name)") } }
    private static let headers = [Spool.Header(name: "ce_id", value: "node-a:1:2"), Spool.Header(name: "empty", value: "")]

    @Test("The last word of each limit is kept, apart from the events, and what is forgotten is not")
    func limits() throws {
        defer { clean() }
        do {
            var spool = try Spool(directory: directory)
            spool.keep(limit: "203.0.113.7/32|anomalous", value: [1])
            spool.keep(limit: "2001:db8::/64|all", value: [2, 0])
            spool.keep(limit: "203.0.113.7/32|anomalous", value: [3])
            spool.keep(limit: "192.0.2.0/24|all", value: [])
            spool.forget(limit: "192.0.2.0/24|all")
            spool.forget(limit: "198.51.100.1/32|all")
            #expect(spool.count == 0 && spool.commit())
        }
        let spool = try Spool(directory: directory)
        #expect(
            spool.limits == [
                Spool.KeptLimit(key: "2001:db8::/64|all", value: [2, 0]), Spool.KeptLimit(key: "203.0.113.7/32|anomalous", value: [3])
            ])
        #expect(spool.count == 0)
    }

    @Test("What was added comes back in its order, in the next life too, and what was removed does not; ids never come again")
    func lives() throws {
        defer { clean() }
        do {
            var spool = try Spool(directory: directory)
            #expect(spool.count == 0 && spool.last == 0)
            for number in 1...5 as ClosedRange<UInt8> {
                let item = spool.add(key: "203.0.113.\(number)/32", headers: Self.headers, value: [number, 0, 255])
                #expect(item.id == Int64(number))
            }
            spool.remove(2)
            #expect(spool.count == 4 && spool.commit())
            spool.remove(5)
            #expect(spool.count == 3 && spool.items(after: 0, atMost: 9).map(\.id) == [1, 3, 4] && spool.commit())
            // What nobody has written is gone with whoever is killed.
            spool.remove(1)
            _ = spool.add(key: "late", headers: [], value: [])
        }
        do {
            var spool = try Spool(directory: directory)
            #expect(spool.count == 3 && spool.last == 5)
            #expect(spool.items(after: 0, atMost: 2).map(\.id) == [1, 3])
            #expect(
                spool.items(after: 1, atMost: 9)
                    == [3, 4].map { Spool.Item(id: $0, key: "203.0.113.\($0)/32", value: [UInt8($0), 0, 255], headers: Self.headers) })
            for id in [1, 3, 4] as [Int64] { spool.remove(id) }
            #expect(spool.commit() && spool.count == 0 && spool.items(after: 0, atMost: 9).isEmpty)
        }
        var spool = try Spool(directory: directory)
        #expect(spool.last == 5 && spool.count == 0)
        let next = spool.add(key: "", headers: [], value: [])
        #expect(next.id == 6 && spool.items(after: 0, atMost: 1) == [Spool.Item(id: 6, key: "", value: [], headers: [])])
    }

    @Test("What the broker has before it was written never is; the keys and what they take up are known, written or not")
    func keys() throws {
        defer { clean() }
        var spool = try Spool(directory: directory)
        let written = spool.add(key: "203.0.113.1/32", headers: Self.headers, value: [UInt8](repeating: 1, count: 1_000))
        #expect(spool.commit() && spool.freshBytes == 0)
        let fresh = spool.add(key: "203.0.113.2/32", headers: [], value: [UInt8](repeating: 1, count: 9_000)), size = fresh.size
        var found: [String: Int] = [:]
        spool.eachKey { found[$0] = $1 }
        #expect(found == ["203.0.113.1/32": written.size, "203.0.113.2/32": size] && spool.freshBytes == size)
        #expect(written.size > 1_000 && size >= 3 * 4_096)
        spool.remove(fresh.id)
        #expect(spool.count == 1 && spool.freshBytes == 0 && spool.commit())
    }

    @Test("What is set aside waits no more, in this life and the next, with the broker's words; of too much the oldest goes")
    func aside() throws {
        defer { clean() }
        do {
            var spool = try Spool(directory: directory)
            let items = (1...3).map { spool.add(key: "k\($0)", headers: Self.headers, value: [UInt8($0)], at: 77) }
            spool.commit()
            let fresh = spool.add(key: "k4", headers: [], value: [4])
            #expect(spool.setAside(items[1], reason: "too large") == 0 && spool.setAside(fresh, reason: "") == 0)
            #expect(spool.count == 2 && spool.asideCount == 2 && spool.commit())
        }
        var spool = try Spool(directory: directory)
        #expect(spool.last == 4 && spool.asideCount == 2 && spool.items(after: 0, atMost: 9).map(\.id) == [1, 3])
        let kept = spool.aside
        #expect(kept.map(\.reason) == ["too large", ""])
        #expect(kept.first?.item == Spool.Item(id: 2, key: "k2", value: [2], headers: Self.headers, added: 77))
        var dropped = 0
        for _ in 0..<Spool.mostAside {
            dropped += spool.setAside(spool.add(key: "k", headers: [], value: []), reason: "invalid")
            if spool.asideCount % 300 == 0 { spool.commit() }
        }
        #expect(dropped == 2 && spool.asideCount == Spool.mostAside && spool.commit() && spool.aside.first?.item.id == 5)
        let large = spool.setAside(spool.add(key: "k", headers: [], value: [UInt8](repeating: 0, count: Spool.mostAsideBytes)), reason: "")
        #expect(large == Spool.mostAside + 1 && spool.asideCount == 0)
    }

    @Test("A spool of a version that knew neither time nor what is aside goes on; one of a newer version is left alone")
    func versions() throws {
        defer { clean() }
        let older =
            "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, headers TEXT NOT NULL, "
            + "value BLOB NOT NULL); " + "INSERT INTO events (key, headers, value) VALUES ('k', 'n' || char(10) || 'v' || char(10), x'07')"
        try #require(sqlite(older))
        do {
            let spool = try Spool(directory: directory, now: 1_000)
            let item = Spool.Item(id: 1, key: "k", value: [7], headers: [Spool.Header(name: "n", value: "v")], added: 1_000)
            #expect(spool.items(after: 0, atMost: 9) == [item] && spool.asideCount == 0)
        }
        try #require(sqlite("PRAGMA user_version = 2"))
        #expect(message { try open(directory) } == "\(directory)/spool.sqlite3: a newer version of Weir has written it")
    }

    /// By another's hand: Python's.
    private func sqlite(_ words: String) -> Bool {
        let program = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.executescript(sys.argv[2]); d.commit()"
        return system("python3 -c '\(program)' \(directory)/spool.sqlite3 \"\(words)\"") == 0
    }

    @Test(
        "On a full disk what was kept stays, what was not is kept in memory, and it is written when there is room",
        .enabled(if: geteuid() == 0, "mounting a small file system needs root"))
    func fullDisk() throws {
        defer {
            system("umount \(directory)")
            clean()
        }
        try #require(system("mount -t tmpfs -o size=8m weir-spool \(directory)") == 0)
        var written = 0
        do {
            var spool = try Spool(directory: directory)
            var isFull = false
            for _ in 0..<1_000 where !isFull {
                for _ in 0..<10 { _ = spool.add(key: "k", headers: [], value: [UInt8](repeating: 7, count: 1000)) }
                if spool.commit() { written = spool.count } else { isFull = true }
            }
            let all = spool.items(after: 0, atMost: 10_000).map(\.id)
            #expect(isFull && written > 0 && spool.count > written)
            #expect(all == (1...Int64(spool.count)).map { $0 } && spool.freshBytes > 0)
            // What leaves makes the room, though removing takes some as well.
            for id in all.prefix(written) { spool.remove(id) }
            #expect(spool.commit() && spool.freshBytes == 0)
            #expect(spool.items(after: 0, atMost: 10_000).map(\.id) == Array(all.dropFirst(written)))
            written = spool.count
        }
        #expect(try Spool(directory: directory).count == written)
    }

    @Test("A second owner, a file that is none of ours, and a place that is not there get one line each")
    func refused() throws {
        defer { clean() }
        do {
            let spool = try Spool(directory: directory)
            #expect(throws: SpoolError.self) { try open(directory) }
            #expect(
                message { try open(directory) } == "\(directory)/spool.sqlite3: another agent uses it; each needs a directory of its own")
            #expect(spool.count == 0)
        }
        for name in ["spool.sqlite3", "spool.sqlite3-wal"] { remove("\(directory)/\(name)") }
        let file = try #require(fopen("\(directory)/spool.sqlite3", "w"))
        fputs(String(repeating: "no database at all\n", count: 100), file)
        fclose(file)
        #expect(
            message { try open(directory) }
                == "\(directory)/spool.sqlite3: is damaged, or no spool of Weir's; move it away, and the events in it are lost")
        #expect(message { try open("/nowhere/at/all") } == "/nowhere/at/all: cannot be made: No such file or directory")
    }

    @Test("Its user alone can read its files, also those of an earlier version, and a name that leads elsewhere is not resolved")
    func hidden() throws {
        defer { clean() }
        func mode(_ name: String) -> mode_t {
            var status = stat()
            return stat("\(directory)/\(name)", &status) == 0 ? status.st_mode & 0o777 : 0
        }
        do { _ = try Spool(directory: directory) }
        chmod("\(directory)/spool.sqlite3", 0o644)
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        do {
            // Who may not go to the directory by its name still can by this one.
            var spool = try Spool(directory: "/proc/self/fd/\(descriptor)", named: directory)
            #expect(spool.add(key: "203.0.113.7/32", headers: Self.headers, value: [1]).id == 1 && spool.commit())
            #expect(mode("spool.sqlite3") == 0o600 && mode("spool.sqlite3-wal") == 0o600)
            #expect(
                message { try open(directory) } == "\(directory)/spool.sqlite3: another agent uses it; each needs a directory of its own")
        }
        #expect(try Spool(directory: directory).count == 1)
    }

    private func open(_ directory: String) throws { _ = try Spool(directory: directory) }
    private func message(_ body: () throws -> Void) -> String? {
        do { try body() } catch { return "\(error)" }
        return nil
    }
}
