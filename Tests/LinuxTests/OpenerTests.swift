import Glibc
import Linux
import Testing

@Suite struct OpenerTests {
    @Test("A child opens the file as it is now, again and again, says why it cannot, and opens nothing else")
    func opens() throws {
        let path = "/tmp/weir-opener-\(getpid())"
        #expect(File.write(path, Array("first".utf8)))
        defer { unlink(path) }
        let opener = try Opener(path)
        func text() throws -> String {
            let file = try opener.open()
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = read(file.rawValue, &bytes, 64)
            #expect(write(file.rawValue, "x", 1) < 0, "it is there to be read")
            return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
        }
        #expect(try text() == "first")
        // Replaced by a name that was another file's.
        #expect(File.write("\(path).new", Array("second".utf8)) && rename("\(path).new", path) == 0)
        #expect(try text() == "second")
        unlink(path)
        #expect(throws: Errno.noEntry) { try text() }
        #expect(File.write(path, Array("third".utf8)))
        #expect(try text() == "third")
    }

    @Test("Nobody asks any more: the child has ended, and is nobody's zombie")
    func ends() throws {
        func children() -> Set<Substring> { Set((File.read("/proc/thread-self/children", limit: 1 << 16) ?? "").split(separator: " ")) }
        let before = children()
        do { _ = try Opener("/dev/null") }
        #expect(children().subtracting(before).isEmpty)
    }

    @Test("Accounts are known by name and by number")
    func accounts() throws {
        #expect(Account("root")?.user == 0)
        let number = try #require(Account("65533"))
        #expect(number.user == 65_533 && number.name == "65533")
        #expect(Account("no-such-user") == nil && Account("4294967295") == nil && Account("-1") == nil)
    }
}
