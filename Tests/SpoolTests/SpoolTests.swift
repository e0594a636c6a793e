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

    private func clean() { for name in ["spool.sqlite3", "spool.sqlite3-wal", "spool.sqlite3-shm", ""] { remove("\(directory)/\(name)") } }
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
        #expect(spool.limits == [Spool.KeptLimit(key: "2001:db8::/64|all", value: [2, 0]), Spool.KeptLimit(key: "203.0.113.7/32|anomalous", value: [3])])
        #expect(spool.count == 0)
    }

    @Test("What was added comes back in its order, in the next life too, and what was removed does not; ids never come again")
    func lives() throws {
        defer { clean() }
        do {
            var spool = try Spool(directory: directory)
            #expect(spool.count == 0 && spool.last == 0)
            for number in 1...5 as ClosedRange<UInt8> {
                let id = spool.add(key: "203.0.113.\(number)/32", headers: Self.headers, value: [number, 0, 255])
                #expect(id == Int64(number))
            }
            spool.remove(2)
            spool.remove(2)
            #expect(spool.count == 4 && spool.commit())
            // Not committed by whoever is killed; here the file is let go in order.
            spool.remove(5)
        }
        do {
            var spool = try Spool(directory: directory)
            #expect(spool.count == 3 && spool.last == 5)
            #expect(spool.items(after: 0, atMost: 2).map(\.id) == [1, 3])
            #expect(spool.items(after: 1, atMost: 9) == [3, 4].map { Spool.Item(id: $0, key: "203.0.113.\($0)/32", value: [UInt8($0), 0, 255], headers: Self.headers) })
            for id in [1, 3, 4] as [Int64] { spool.remove(id) }
            #expect(spool.count == 0 && spool.items(after: 0, atMost: 9).isEmpty)
        }
        var spool = try Spool(directory: directory)
        #expect(spool.last == 5 && spool.count == 0)
        let next = spool.add(key: "", headers: [], value: [])
        #expect(next == 6 && spool.items(after: 0, atMost: 1) == [Spool.Item(id: 6, key: "", value: [], headers: [])])
    }

    @Test("A full one takes no more until something has left")
    func full() throws {
        defer { clean() }
        var spool = try Spool(directory: directory, most: 2)
        let taken = [spool.add(key: "a", headers: [], value: [1]), spool.add(key: "b", headers: [], value: [2]), spool.add(key: "c", headers: [], value: [3])]
        #expect(taken == [1, 2, nil])
        spool.remove(1)
        let fourth = spool.add(key: "d", headers: [], value: [4])
        #expect(fourth == 3 && spool.count == 2)
    }

    @Test("On a full disk what was kept stays, what was not is refused, and no id comes twice", .enabled(if: geteuid() == 0, "mounting a small file system needs root"))
    func fullDisk() throws {
        defer {
            system("umount \(directory)")
            clean()
        }
        try #require(system("mount -t tmpfs -o size=256k weir-spool \(directory)") == 0)
        var spool = try Spool(directory: directory), kept: [Int64] = [], ids: Set<Int64> = []
        var isFull = false
        for _ in 0..<100 where !isFull {
            let batch = (0..<10).compactMap { _ in spool.add(key: "k", headers: [], value: [UInt8](repeating: 7, count: 1000)) }
            #expect(ids.isDisjoint(with: batch))
            ids.formUnion(batch)
            if spool.commit() { kept += batch } else { isFull = true }
        }
        #expect(isFull && !kept.isEmpty && spool.count == spool.items(after: 0, atMost: 10_000).count)
        for id in kept.prefix(kept.count / 2) { spool.remove(id) }
        let isKept = spool.commit(), next = spool.add(key: "k", headers: [], value: [1])
        #expect(isKept == spool.items(after: 0, atMost: 10_000).allSatisfy { $0.id > kept[kept.count / 2 - 1] })
        if let next { #expect(!ids.contains(next)) }
    }

    @Test("A second owner, a file that is none of ours, and a place that is not there get one line each")
    func refused() throws {
        defer { clean() }
        do {
            let spool = try Spool(directory: directory)
            #expect(throws: SpoolError.self) { try open(directory) }
            #expect(message { try open(directory) } == "\(directory)/spool.sqlite3: another agent uses it; each needs a directory of its own")
            #expect(spool.count == 0)
        }
        for name in ["spool.sqlite3", "spool.sqlite3-wal"] { remove("\(directory)/\(name)") }
        let file = try #require(fopen("\(directory)/spool.sqlite3", "w"))
        fputs(String(repeating: "no database at all\n", count: 100), file)
        fclose(file)
        #expect(message { try open(directory) } == "\(directory)/spool.sqlite3: is damaged, or no spool of Weir's; move it away, and the events in it are lost")
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
            #expect(spool.add(key: "203.0.113.7/32", headers: Self.headers, value: [1]) == 1 && spool.commit())
            #expect(mode("spool.sqlite3") == 0o600 && mode("spool.sqlite3-wal") == 0o600)
            #expect(message { try open(directory) } == "\(directory)/spool.sqlite3: another agent uses it; each needs a directory of its own")
        }
        #expect(try Spool(directory: directory).count == 1)
    }

    private func open(_ directory: String) throws { _ = try Spool(directory: directory) }
    private func message(_ body: () throws -> Void) -> String? {
        do { try body() } catch { return "\(error)" }
        return nil
    }
}
